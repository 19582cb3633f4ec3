//! A measured program as a child: where it listens, what it uses, its end.
//! Ends with this value; nothing that the harness started outlives it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Options;

/// Ticks per second of `/proc/PID/stat` on Linux.
const TICKS: f64 = 100.0;

/// A program that has printed its URL.
pub struct Measured {
    child: Child,
    /// `127.0.0.1:<port>`.
    pub address: String,
    /// The value of the `Authorization` header that it lets in as a till.
    pub authorization: String,
}

impl Measured {
    /// The floor, with a header of its own.
    pub fn floor(options: &Options) -> Result<Self> {
        let authorization = format!("Basic {}", STANDARD.encode("floor:floor"));
        let mut command = Command::new(options.program("floor")?);
        command.env("BENCH_AUTHORIZATION", &authorization);
        let (child, address) = start(command)?;
        Ok(Self { child, address, authorization })
    }

    /// The service with everything but the till simulator, on this folder.
    pub fn service(options: &Options, data: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        Self::version(&options.program("tillstream")?, data, settings)
    }

    /// The same, of any version of it. The settings hold before those that every measurement has.
    pub fn version(program: &Path, data: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let (program, data) = (std::path::absolute(program)?, std::path::absolute(data)?);
        let mut command = Command::new(program);
        command.args(["run", "--roles", "validation,aggregation,reporting", "--listen", "127.0.0.1:0", "--data-dir"]);
        // Not where this runs: another version would read a config/base.toml there that it does not understand.
        command.current_dir(&data);
        command.arg(&data).env("TILLSTREAM__LOG__FILTER", "warn").envs(settings.iter().copied()).stderr(Stdio::null());
        let (child, address) = start(command)?;
        let authorization = basic(&data, "pos-service")?;
        Ok(Self { child, address, authorization })
    }

    /// The embedded broker alone, with its SMF listener, on this folder; its users are those of the folder's secrets.
    pub fn broker(options: &Options, data: &Path) -> Result<Self> {
        let mut command = Command::new(options.program("tillstream")?);
        command.args(["broker", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data);
        command.env("TILLSTREAM__LOG__FILTER", "warn").stderr(Stdio::null());
        let (child, address) = start_of(command, "tcp")?;
        Ok(Self { child, address, authorization: String::new() })
    }

    /// The service as a client of that broker; they share the secrets, not the folder.
    pub fn on_broker(options: &Options, broker: &Self, secrets: &Path, data: &Path) -> Result<Self> {
        let mut command = Command::new(options.program("tillstream")?);
        command.args(["run", "--broker", "solace", "--roles", "validation,aggregation,reporting"]);
        command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data);
        command.env("TILLSTREAM__SOLACE__HOST", format!("tcp://{}", broker.address));
        command.env("TILLSTREAM__SECRETS__FILE", secrets.join("secrets.toml"));
        command.env("TILLSTREAM__LOG__FILTER", "warn").stderr(Stdio::null());
        let (child, address) = start(command)?;
        Ok(Self { child, address, authorization: basic(secrets, "pos-service")? })
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Seconds of processor time so far.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.child.id()).unwrap_or(0.0)
    }

    /// Megabytes in memory now.
    pub fn resident_mb(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("find VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
    }

    /// SIGKILL.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        // Already dead after `kill`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The `Authorization` header of a user of the local secret tree.
pub fn basic(data: &Path, user: &str) -> Result<String> {
    let (name, password) = (secret(data, user, "username")?, password(data, user)?);
    Ok(format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
}

/// The password of a user of the local secret tree.
pub fn password(data: &Path, user: &str) -> Result<String> {
    secret(data, user, "password")
}

fn secret(data: &Path, user: &str, key: &str) -> Result<String> {
    let file = data.join("secrets.toml");
    let tree: toml::Table = toml::from_str(&std::fs::read_to_string(&file).context("read the secrets")?)?;
    let entry = tree.get(&format!("validation-service/creds/{user}")).context("find the user")?;
    Ok(entry.get(key).and_then(toml::Value::as_str).context("read the user")?.to_owned())
}

/// Seconds of processor time of a living process.
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).map(|field| field.parse::<f64>().unwrap_or(0.0));
    Some((times.next()? + times.next()?) / TICKS)
}

fn start(command: Command) -> Result<(Child, String)> {
    start_of(command, "http")
}

fn start_of(mut command: Command, scheme: &str) -> Result<(Child, String)> {
    let prefix = format!("{scheme}://127.0.0.1:");
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("start {command:?}"))?;
    let output = child.stdout.take().context("read its output")?;
    let (found, address) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once(&prefix) {
                let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
                // Only the first is awaited; nobody listens for later ones.
                let _ = found.send(format!("127.0.0.1:{port}"));
            }
        }
    });
    let address = address.recv_timeout(Duration::from_secs(120)).context("it did not print its URL")?;
    Ok((child, address))
}
