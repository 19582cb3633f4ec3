//! The service as the drill sees it: requests with a user, answers, cuts. Survives that the process is away for minutes.
//! Does not know what an answer means.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tillstream_posting::Trust;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::error::DrillError;

/// Between two attempts to learn something.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Characters of an unexpected answer that are shown.
const SHOWN: usize = 200;

/// Where the service is and who asks. Clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    http: Client,
    base: String,
    user: String,
    password: watch::Receiver<SecretString>,
}

/// An answer, whatever it says.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: u16,
    /// Whether it says when to ask again.
    pub(crate) says_when: bool,
    /// Whether it is the 404 of somebody who does not know the route.
    pub(crate) is_nobodys: bool,
    /// The body.
    pub(crate) text: String,
}

/// No answer: what was met instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The connection was refused or broke.
    Broken(String),
    /// Nothing came in time.
    Timeout,
}

impl Service {
    /// The service at this base, with or without a path prefix.
    pub(crate) fn new(
        base: &str,
        trust: &Trust,
        user: &str,
        password: watch::Receiver<SecretString>,
    ) -> Result<Self, DrillError> {
        let refuse = |reason: String| DrillError::InvalidUrl { url: base.to_owned(), reason };
        let url: reqwest::Url = base.parse().map_err(|error| refuse(format!("{error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("it must start with http:// or https://".to_owned()));
        }
        let base = base.trim_end_matches('/').to_owned();
        let http = trust.client(&url)?.build()?;
        Ok(Self { http, base, user: user.to_owned(), password })
    }

    /// One attempt.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        within: Duration,
    ) -> Result<Reply, Cut> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        request = request.basic_auth(&self.user, Some(self.password.borrow().expose_secret()));
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let exchange = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            let says_when = response.headers().contains_key(RETRY_AFTER);
            let is_nobodys = tillstream_posting::is_nobodys(&response);
            // An answer that is cut is none: a sale goes out again with its id, which costs nothing.
            let text = response.text().await?;
            Ok(Reply { status, says_when, is_nobodys, text })
        };
        match timeout(within, exchange).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(Cut::Broken(innermost(&error))),
            Err(_) => Err(Cut::Timeout),
        }
    }

    /// GET, repeated through overload, restarts and cuts until it is read as `T`.
    pub(crate) async fn learn<T: DeserializeOwned>(&self, path: &str, patience: Duration) -> Result<T, DrillError> {
        let reply = self.answered(Method::GET, path, None, patience).await?;
        read(path, &reply)
    }

    /// The first answer that is no refusal for the moment and no cut; 200 and 202 are good, all else is an error.
    pub(crate) async fn answered(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        patience: Duration,
    ) -> Result<Reply, DrillError> {
        let started = Instant::now();
        loop {
            let within = patience.min(Duration::from_secs(30));
            let last = match self.send(method.clone(), path, body.clone(), within).await {
                Ok(reply) if matches!(reply.status, 200 | 202) && is_whole(path, &reply) => return Ok(reply),
                Ok(reply) if !matches!(reply.status, 200 | 202 | 429 | 503) => return Err(reply.unexpected(path)),
                Ok(reply) => format!("status {}", reply.status),
                Err(cut) => cut.to_string(),
            };
            let waited = started.elapsed();
            if waited >= patience {
                return Err(DrillError::Unreachable { path: path.to_owned(), waited, last });
            }
            sleep(ASK_AGAIN_AFTER).await;
        }
    }
}

impl Reply {
    /// As an error of the drill.
    pub(crate) fn unexpected(&self, path: &str) -> DrillError {
        let (path, status) = (path.to_owned(), self.status);
        match status {
            401 | 403 => DrillError::NotAdmin { path, status },
            _ => DrillError::Unexpected { path, status, text: self.text.chars().take(SHOWN).collect() },
        }
    }
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken(what) => f.write_str(what),
            Self::Timeout => f.write_str("timeout"),
        }
    }
}

/// Reads an answer as JSON.
pub(crate) fn read<T: DeserializeOwned>(path: &str, reply: &Reply) -> Result<T, DrillError> {
    let unreadable =
        |error: serde_json::Error| DrillError::Unreadable { path: path.to_owned(), reason: error.to_string() };
    serde_json::from_str(&reply.text).map_err(unreadable)
}

/// A service that dies while it answers leaves half of a body; metrics are the one answer that is no JSON.
fn is_whole(path: &str, reply: &Reply) -> bool {
    path == "/metrics" || serde_json::from_str::<serde::de::IgnoredAny>(&reply.text).is_ok()
}

/// The cause that a person can act on; the outer layers only say that a request failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
