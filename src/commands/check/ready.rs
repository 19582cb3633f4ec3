//! `tillstream check --ready URL`: whether a process that runs says that it is ready; the health check of a container.
//! Looks at nothing itself: the process watches its broker and its secrets all the time, and a second login would only disturb.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use tillstream_posting::{Trust, innermost};

/// Whoever asks every few seconds wants to know soon.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// What the process says of itself.
#[derive(Deserialize)]
struct Answer {
    message: String,
}

/// Asks the process at this base.
pub async fn ask(base: &str, trust: &Trust) -> anyhow::Result<String> {
    let url = address(base)?;
    let client = trust.client(&url)?.timeout(ANSWERS_WITHIN).build().context("make a client")?;
    let asked = client.get(url.clone()).send().await;
    let answer = asked.map_err(|error| anyhow::anyhow!("no answer from {url}: {}", innermost(&error)))?;
    let status = answer.status();
    let said = answer.json::<Answer>().await.map_or_else(|_| String::new(), |answer| format!(": {}", answer.message));
    if status != StatusCode::OK {
        bail!("{url} answers {}{said}", status.as_u16());
    }
    Ok(format!("{url}{said}"))
}

fn address(base: &str) -> anyhow::Result<Url> {
    let mut url: Url = base.parse().with_context(|| format!("understand `{base}` as an address"))?;
    match url.path_segments_mut() {
        Ok(mut path) => path.pop_if_empty().extend(["health", "ready"]),
        Err(()) => bail!("`{base}` must start with http:// or https://"),
    };
    Ok(url)
}
