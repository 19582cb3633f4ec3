//! The service on the embedded broker inside its process beside the service on the same broker behind SMF, by the vendor's
//! client library: durable 200s per second in alternating rounds, then latency at half of that rate.
//! Broker, service and load share the machine's cores, as the embedded one's do.

use std::process::Command;

use anyhow::Result;
use tokio::time::{Duration, Instant};

use crate::Options;
use crate::child::Measured;
use crate::client::Connection;
use crate::engines::output;
use crate::steady::{self, Load, Times};
use crate::wrk::{self, Report};

/// Enough to see whether memory grows.
const MESSAGES: &str = "1000000";
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Broker and service; the service is dropped first.
struct Pair {
    service: Measured,
    broker: Measured,
}

/// Prints both tables, then what library and listener carry without the rest of the service.
pub async fn measure(options: &Options) -> Result<()> {
    println!("### Durable 200s: embedded beside SMF through libsolclient ({} s a round)\n", options.seconds);
    println!("| round | embedded req/s | SMF req/s | ratio | not 200 | cores (service, broker) | wrk p99 |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let (embedded, remote) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut rates = Vec::new();
    for round in 1..=options.rounds {
        let within = Measured::service(options, embedded.path(), &[])?;
        let alone = wrk::run(&within, options.seconds, 7_000 + round).await?;
        drop(within);
        let pair = Pair::start(options, remote.path()).await?;
        let (report, broker_cpu) = pair.load(options.seconds, 8_000 + round).await?;
        print_round(round, &alone, &report, broker_cpu);
        rates.push(report.rate);
    }
    rates.sort_by(f64::total_cmp);
    latency(options, rates.get(rates.len() / 2).copied().unwrap_or(0.0) / 2.0).await?;
    let folder = tempfile::tempdir()?;
    let mut carried = Command::new(options.program("examples/through_smf")?);
    println!("{}", output(carried.arg(MESSAGES).arg(folder.path().join("data")))?);
    Ok(())
}

fn print_round(round: u32, embedded: &Report, remote: &Report, broker_cpu: f64) {
    let ratio = remote.rate / embedded.rate;
    println!(
        "| {round} | {:.0} | {:.0} | {ratio:.2} | {} | {:.2}, {broker_cpu:.2} | {} |",
        embedded.rate, remote.rate, remote.bad, remote.server_cpu, remote.p99
    );
}

async fn latency(options: &Options, rate: f64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let pair = Pair::start(options, folder.path()).await?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of sales"
    )]
    let count = (rate * options.seconds as f64) as u64;
    let load = Load { run: 9_000, count, rate: Some(rate), stores: 10, times: Times::Now };
    let answers = steady::post(&pair.service, load).await?;
    println!("\nAt half of the SMF rate (constant rate, from the intended send time):\n");
    println!("| sales/s | sales | not 200 | p50 ms | p99 ms | max ms | resident MB (service, broker) |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let ms = |share: f64| answers.percentile(share).as_secs_f64() * 1000.0;
    println!(
        "| {rate:.0} | {count} | {} | {:.1} | {:.1} | {:.1} | {}, {} |\n",
        answers.refused,
        ms(0.5),
        ms(0.99),
        ms(1.0),
        pair.service.resident_mb()?,
        pair.broker.resident_mb()?
    );
    Ok(())
}

impl Pair {
    async fn start(options: &Options, folder: &std::path::Path) -> Result<Self> {
        let (broker_data, service_data) = (folder.join("broker"), folder.join("service"));
        let broker = Measured::broker(options, &broker_data)?;
        let service = Measured::on_broker(options, &broker, &broker_data, &service_data)?;
        let deadline = Instant::now() + READY_WITHIN;
        let mut connection = Connection::open(&service.address, &service.authorization).await?;
        while connection.get("/health/ready").await?.0 != 200 {
            anyhow::ensure!(Instant::now() < deadline, "the service did not become ready on the broker behind SMF");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Self { service, broker })
    }

    /// The load's report and the broker's cores.
    async fn load(&self, seconds: u64, run: u32) -> Result<(Report, f64)> {
        let (before, began) = (self.broker.cpu_seconds(), Instant::now());
        let report = wrk::run(&self.service, seconds, run).await?;
        let cores = (self.broker.cpu_seconds() - before) / began.elapsed().as_secs_f64();
        Ok((report, cores))
    }
}
