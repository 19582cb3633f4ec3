//! Starts the built service on a free port and lets schemathesis attack it through the OpenAPI document that it serves.
//! Does not judge answers; schemathesis does, and its verdict is the stage's.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{set_up, workspace};

/// How long the service may take until it has printed where it listens.
const START_WITHIN: Duration = Duration::from_secs(30);

/// Two checks that do not fit: rules across fields (a total, a line's price) refuse bodies that a schema cannot tell
/// from good ones, and requests that a cross-field rule refuses may name resources that never existed.
const UNFIT_CHECKS: &str = "positive_data_acceptance,use_after_free,ensure_resource_availability";

/// With two, Python 3.11 now and then fails in its own parser (`AST constructor recursion depth mismatch`).
const WORKERS: &str = "1";

/// Runs all phases once; the seed is fixed so that a failure can be repeated.
pub fn run() -> Result<()> {
    set_up::run("test")?;
    let folder = workspace::target_dir()?.join("schemathesis");
    remove(&folder)?;
    let service = Service::start(&folder)?;
    let password = admin_password(&folder.join("secrets.toml"))?;
    let document = format!("{}/api/v1/pos/openapi.json", service.url);
    let status = Command::new(set_up::python_bin("test", "st")?)
        .args(["run", &document, "--url", &service.url, "--auth", &format!("admin:{password}")])
        .args(["--checks", "all", "--exclude-checks", UNFIT_CHECKS])
        .args(["--max-examples", "150", "--seed", "20261123", "--workers", WORKERS, "--request-timeout", "20"])
        .args(["--generation-database", "none", "--suppress-health-check", "all", "--no-color"])
        .current_dir(&folder)
        .status()
        .context("start schemathesis")?;
    service.stop()?;
    if !status.success() {
        bail!("schemathesis found something; repeat it with `cargo xtask schemathesis`");
    }
    remove(&folder)
}

/// The service as a child that does not outlive this value.
struct Service {
    child: Child,
    url: String,
}

impl Service {
    fn start(folder: &Path) -> Result<Self> {
        let program = workspace::target_dir()?.join("debug/tillstream");
        let mut child = Command::new(&program)
            .args(["run", "--roles", "validation,aggregation,reporting", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            // Otherwise the attack would find the routes that break the service, and break it.
            .env("TILLSTREAM__FAULTS__ENABLED", "false")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}; build it with `cargo build`", program.display()))?;
        let (found, url) = mpsc::channel();
        let output = child.stdout.take().context("read the service's output")?;
        std::thread::spawn(move || watch_for_url(output, &found));
        let mut service = Self { child, url: String::new() };
        service.url = url.recv_timeout(START_WITHIN).context("the service did not print its URL in time")?;
        Ok(service)
    }

    /// Alive until now, and a polite end: a service that died under attack has failed.
    fn stop(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the service died during the attack: {status}");
        }
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the service ended with {status} after SIGTERM");
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Already gone after `stop`; then these two do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends the first URL, then keeps reading so that the service never blocks on a full pipe.
fn watch_for_url(output: impl Read, found: &mpsc::Sender<String>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some(url) = url_in(&line) {
            // Only the first is awaited; nobody listens for later ones.
            let _ = found.send(url);
        }
    }
}

/// `http://127.0.0.1:4711` out of a line that says so.
fn url_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("http://127.0.0.1:")?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!port.is_empty()).then(|| format!("http://127.0.0.1:{port}"))
}

fn admin_password(secrets: &Path) -> Result<String> {
    let text = std::fs::read_to_string(secrets).with_context(|| format!("read {}", secrets.display()))?;
    let tree: toml::Table = toml::from_str(&text).context("understand the secrets")?;
    let admin = tree.get("validation-service/creds/admin").and_then(|entry| entry.get("password"));
    admin.and_then(toml::Value::as_str).map(str::to_owned).context("find the admin's password")
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_in_a_line_for_people() {
        assert_eq!(url_in("  turnover  http://127.0.0.1:4711/api/v1"), Some("http://127.0.0.1:4711".to_owned()));
        assert_eq!(url_in("serving on 127.0.0.1"), None);
    }
}
