//! Somebody else's consumer on one of our queues: the official Python client, which takes messages and acknowledges none.
//! Needs the Python environment of `cargo xtask set-up`; without it the test fails and says so.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use super::process::Process;
use super::{Setup, eventually};

const SOON: Duration = Duration::from_secs(60);

/// A consumer; it dies with this value.
#[derive(Debug)]
pub struct Holder(Process);

impl Holder {
    /// Binds a queue as the user of that path.
    pub async fn of(queue: &str, user: &str, setup: &Setup) -> Self {
        let secrets: toml::Table = toml::from_str(&std::fs::read_to_string(setup.secrets_file()).unwrap()).unwrap();
        let text = |path: &str, key: &str| secrets[path][key].as_str().unwrap().to_owned();
        let given = json!({
            "host": format!("tcp://{}", setup.broker_address()),
            "vpn": text("message-broker/config", "msg_vpn"),
            "user": [text(user, "username"), text(user, "password")],
            "queue": queue,
        });
        let mut child = python("hold_queue.py").stdin(Stdio::piped()).spawn().expect("start a Python client");
        child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
        let holder = Self(Process::new("the other consumer", child));
        holder.says("holding").await;
        holder
    }

    /// Waits until it has taken so many messages.
    pub async fn has(&self, count: usize) {
        self.says(&format!("has {count}")).await;
    }

    async fn says(&self, text: &str) {
        eventually(&format!("the other consumer to say `{text}`"), SOON, async || {
            let output = self.0.output();
            if output.text().lines().any(|line| line == text) { Ok(()) } else { Err(output.tail()) }
        })
        .await;
    }

    /// Ends it without a word to the broker.
    pub fn die(mut self) {
        self.0.sigkill();
    }
}

/// A script of tests/python in the environment that has the client.
fn python(script: &str) -> Command {
    let target = Path::new(env!("CARGO_BIN_EXE_tillstream")).ancestors().nth(2).unwrap();
    let program = target.join("venv-solclient/bin/python");
    assert!(program.exists(), "no {}: run `cargo xtask set-up` first", program.display());
    let mut command = Command::new(program);
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
