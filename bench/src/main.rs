//! The load harness: measures the service from outside and prints markdown tables for docs/PERFORMANCE.md.
//! Judges nothing: targets stand in the document beside the figures, the bad ones too.
#![expect(clippy::print_stdout, reason = "the tables are the product")]

mod backends;
mod child;
mod client;
mod engines;
mod kills;
mod latency;
mod observability;
mod pages;
mod recovery;
mod sink;
mod steady;
mod stores;
mod throughput;
mod traces;
mod wrk;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};

/// What to measure, and for how long.
#[derive(Debug, Parser)]
#[command(about = "Measures tillstream and prints markdown tables. Run it on a quiet machine, built with --release.")]
pub struct Options {
    /// Length of one round of load in seconds; at least 60, so that windows become final under load.
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Rounds of service and floor, alternating.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// Unacknowledged sales for the memory and recovery figures; several numbers show how recovery grows.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000, 1_000_000])]
    pub unacknowledged: Vec<u64>,
    /// Stores for the memory and idle figures.
    #[arg(long, default_value_t = 10_000)]
    pub stores: u64,
    /// Only these measurements; all when nothing is said.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Measurement>,
    /// Another version of the service, to be measured beside this one's by `--only observability`.
    #[arg(long)]
    pub before: Option<PathBuf>,
    /// Where the built programs lie; by default beside this one.
    #[arg(long)]
    pub programs: Option<PathBuf>,
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measurement {
    /// Durable 200s per second against the floor, and p99 at half that rate.
    Http,
    /// Memory with many unacknowledged sales, and the way back after SIGKILL.
    Recovery,
    /// Memory and idle processor time with many stores.
    Stores,
    /// Throughput while one actor is killed every 100 ms against the undisturbed one, and how fast each kind restarts.
    Kills,
    /// The embedded broker inside the process against the same broker behind SMF.
    Backends,
    /// What traces cost at several shares of kept ones.
    Traces,
    /// What a thousand open live pages cost.
    Pages,
    /// What traces, metrics, log and audit trail cost together.
    Observability,
    /// Aggregation alone against Bytewax, what supervision costs, and how fast a killed actor answers again.
    Engines,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let wanted = |measurement| options.only.is_empty() || options.only.contains(&measurement);
    if wanted(Measurement::Http) {
        let rate = throughput::measure(&options).await?;
        latency::measure(&options, rate / 2.0).await?;
    }
    if wanted(Measurement::Recovery) {
        recovery::measure(&options).await?;
    }
    if wanted(Measurement::Stores) {
        stores::measure(&options).await?;
    }
    if wanted(Measurement::Kills) {
        kills::measure(&options).await?;
    }
    if wanted(Measurement::Backends) {
        backends::measure(&options).await?;
    }
    if wanted(Measurement::Traces) {
        traces::measure(&options).await?;
    }
    if wanted(Measurement::Pages) {
        pages::measure(&options).await?;
    }
    if wanted(Measurement::Observability) {
        observability::measure(&options).await?;
    }
    if wanted(Measurement::Engines) {
        engines::measure(&options)?;
    }
    Ok(())
}

impl Options {
    /// The path of a program that `make bench` has built.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        let own = std::env::current_exe()?;
        let folder = self.programs.clone().unwrap_or_else(|| own.parent().map(PathBuf::from).unwrap_or_default());
        Ok(folder.join(name))
    }
}
