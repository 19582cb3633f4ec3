//! One run of wrk: one thread, 64 connections, every sale with an id of its own.
//! Parses wrk's report; what it means is the caller's business.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::child::{Measured, cpu_seconds};

/// What wrk saw.
#[derive(Debug, Clone)]
pub struct Report {
    /// Answers per second.
    pub rate: f64,
    /// 99th percentile as wrk prints it (from when it could send, not from when it wanted to).
    pub p99: String,
    /// Answers that were no 2xx or 3xx, and broken connections.
    pub bad: u64,
    /// Share of one core that wrk used.
    pub own_cpu: f64,
    /// Cores that the measured program used.
    pub server_cpu: f64,
}

/// Loads `target` for so many seconds.
pub async fn run(target: &Measured, seconds: u64, run: u32) -> Result<Report> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("load/sales.lua");
    let (before, began) = (target.cpu_seconds(), Instant::now());
    let mut child = Command::new("wrk")
        .args(["-t1", "-c64", "--latency", &format!("-d{seconds}s"), "--timeout", "10s", "-s"])
        .arg(script)
        .arg(target.url())
        .env("BENCH_AUTHORIZATION", &target.authorization)
        .env("BENCH_RUN", format!("{run:08x}"))
        .stdout(Stdio::piped())
        .spawn()
        .context("start wrk; `cargo xtask set-up bench` installs it")?;
    let mut own = 0.0;
    while child.try_wait()?.is_none() {
        own = cpu_seconds(child.id()).unwrap_or(own);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let took = began.elapsed().as_secs_f64();
    let server_cpu = (target.cpu_seconds() - before) / took;
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("wrk failed:\n{text}");
    }
    Report::read(&text, own / took, server_cpu)
}

impl Report {
    fn read(text: &str, own_cpu: f64, server_cpu: f64) -> Result<Self> {
        let after = |label: &str| text.lines().find_map(|line| line.trim().strip_prefix(label)).map(str::trim);
        let numbers =
            |line: &str| line.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<u64>().ok()).sum();
        let count = |label: &str| after(label).map_or(0, numbers);
        let rate = after("Requests/sec:").context("find wrk's rate")?.parse()?;
        let bad = count("Non-2xx or 3xx responses:") + count("Socket errors:");
        Ok(Self { rate, p99: after("99%").unwrap_or_default().to_owned(), bad, own_cpu, server_cpu })
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn wrks_report_is_read_with_its_errors() {
        let text = "  Latency Distribution\n     50%    1.02ms\n     99%    9.41ms\n  600 requests in 60.00s\n  \
                    Socket errors: connect 0, read 1, write 0, timeout 2\n  Non-2xx or 3xx responses: 7\nRequests/sec:  10.50\n";
        let report = Report::read(text, 0.5, 1.5).unwrap();
        assert_eq!((report.rate, report.p99.as_str(), report.bad), (10.5, "9.41ms", 10));
    }
}
