//! The built binary as a child: started, found by the address that it prints, ended politely.
//! Judges only that it lives until it is asked to stop, and then ends with 0.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// How a service says where it listens.
pub const HTTP: &str = "http://127.0.0.1:";
/// How a broker says where it listens.
pub const SMF: &str = "tcp://127.0.0.1:";

/// How long a process may take until it has printed where it listens.
const START_WITHIN: Duration = Duration::from_secs(60);

/// A process that does not outlive this value.
pub struct Running {
    child: Child,
    /// Where it listens, with the scheme.
    pub address: String,
}

impl Running {
    /// The binary that cargo built last, without arguments.
    pub fn command() -> Result<Command> {
        Ok(Command::new(workspace::target_dir()?.join("debug/tillstream")))
    }

    /// Starts it and waits for an address with this beginning.
    pub fn start(command: &mut Command, beginning: &'static str) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {name}; build it with `cargo build --features solace`"))?;
        let (found, address) = mpsc::channel();
        let output = child.stdout.take().context("read the output of a child")?;
        std::thread::spawn(move || watch_for_address(output, beginning, &found));
        let mut running = Self { child, address: String::new() };
        running.address = address.recv_timeout(START_WITHIN).context("no address was printed in time")?;
        Ok(running)
    }

    /// Alive until now, and a polite end: whoever died meanwhile has failed.
    pub fn stop(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the process on {} died under its clients: {status}", self.address);
        }
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the process on {} ended with {status} after SIGTERM", self.address);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone after `stop`; then these two do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends the first address, then keeps reading so that the child never blocks on a full pipe.
fn watch_for_address(output: impl Read, beginning: &str, found: &mpsc::Sender<String>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some(address) = address_in(&line, beginning) {
            // Only the first is awaited; nobody listens for later ones.
            let _ = found.send(address);
        }
    }
}

/// `http://127.0.0.1:4711` out of a line that says so.
fn address_in(line: &str, beginning: &str) -> Option<String> {
    let (_, rest) = line.split_once(beginning)?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!port.is_empty()).then(|| format!("{beginning}{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_in_a_line_for_people() {
        let turnover = "  turnover  http://127.0.0.1:4711/api/v1";
        assert_eq!(address_in(turnover, HTTP), Some("http://127.0.0.1:4711".to_owned()));
        assert_eq!(address_in("listening on tcp://127.0.0.1:55555", SMF), Some("tcp://127.0.0.1:55555".to_owned()));
        assert_eq!(address_in("serving on 127.0.0.1", HTTP), None);
    }
}
