//! What it costs to be watched: everything on as it is by default, against everything off that can be switched off, round by round.
//! Metrics have no switch; what they cost shows only against another version of the program, with `--before`.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::Options;
use crate::child::Measured;
use crate::client::Connection;
use crate::sink::Sink;
use crate::wrk::{self, Report};

/// How often Prometheus asks, as `monitoring/` has it.
const SCRAPE_EVERY: Duration = Duration::from_secs(5);

/// What is measured in each round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// No traces, no audit trail, errors as the only log lines, nobody who scrapes.
    Off,
    /// Traces to a collector at the default share, an audit trail, log lines from `info`, and a scrape every few seconds.
    On,
    /// Another version of the program.
    Before,
}

/// Rate and processor time of one run, in answers per second and in microseconds an answer.
#[derive(Debug, Clone, Copy)]
struct Cost {
    rate: f64,
    micros: f64,
}

/// Prints one table: a line per round and variant, and the medians of everything on against each of the others.
pub async fn measure(options: &Options) -> Result<()> {
    println!("### Observability: durable 200s per second with all of it and without ({} s a round)\n", options.seconds);
    println!("| round | what | req/s | processor time, us a sale | not 200 | spans taken |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let sink = Sink::default();
    let endpoint = format!("http://{}", sink.serve()?);
    let mut rounds = Vec::new();
    for round in 1..=options.rounds {
        rounds.push(measure_round(options, round, &sink, &endpoint).await?);
    }
    println!();
    for variant in Variant::of(options).into_iter().filter(|variant| *variant != Variant::On) {
        let name = variant.name();
        let (rate, micros) = (median(&rounds, variant, |cost| cost.rate), median(&rounds, variant, |cost| cost.micros));
        println!("medians of on against {name}: req/s {rate:.3}, processor time a sale {micros:.3}");
    }
    println!();
    Ok(())
}

/// Forwards, then backwards: whatever drifts meets each of them alike.
async fn measure_round(options: &Options, round: u32, sink: &Sink, endpoint: &str) -> Result<Vec<(Variant, Cost)>> {
    let mut variants = Variant::of(options);
    if round.is_multiple_of(2) {
        variants.reverse();
    }
    let mut costs = Vec::new();
    for (index, variant) in (0_u32..).zip(variants) {
        let before = sink.spans();
        let Report { rate, bad, server_cpu, .. } = one(options, variant, endpoint, round * 10 + index).await?;
        let cost = Cost { rate, micros: server_cpu / rate * 1e6 };
        let (name, spans) = (variant.name(), sink.spans() - before);
        println!("| {round} | {name} | {rate:.0} | {:.1} | {bad} | {spans} |", cost.micros);
        costs.push((variant, cost));
    }
    Ok(costs)
}

async fn one(options: &Options, variant: Variant, endpoint: &str, run: u32) -> Result<Report> {
    let (folder, own) = (tempfile::tempdir()?, options.program("tillstream")?);
    let quiet = ("TILLSTREAM__LOG__FILTER", "error");
    let (program, settings): (&Path, &[(&str, &str)]) = match variant {
        Variant::Off => (&own, &[quiet, ("TILLSTREAM__AUDIT__ENABLED", "false")]),
        Variant::On => (&own, &[("TILLSTREAM__LOG__FILTER", "info"), ("TILLSTREAM__TRACES__ENDPOINT", endpoint)]),
        Variant::Before => (options.before.as_deref().unwrap_or(&own), &[quiet]),
    };
    let service = Measured::version(program, folder.path(), settings)?;
    let load = wrk::run(&service, options.seconds, 12_000 + run);
    if variant != Variant::On {
        return load.await;
    }
    tokio::select! {
        report = load => report,
        failed = scrape(&service) => failed.map(|never| match never {}),
    }
}

/// As Prometheus does, until the load is over.
async fn scrape(service: &Measured) -> Result<std::convert::Infallible> {
    let mut connection = Connection::open(&service.address, &service.authorization).await?;
    loop {
        connection.get("/metrics").await?;
        tokio::time::sleep(SCRAPE_EVERY).await;
    }
}

// === impl Variant ===

impl Variant {
    /// What these options ask for, in the order of the first round.
    fn of(options: &Options) -> Vec<Self> {
        let before = options.before.as_ref().map(|_| Self::Before);
        before.into_iter().chain([Self::Off, Self::On]).collect()
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Before => "before",
        }
    }
}

/// Of the rounds' ratios: everything on against this.
fn median(rounds: &[Vec<(Variant, Cost)>], against: Variant, figure: impl Fn(&Cost) -> f64) -> f64 {
    let of = |round: &[(Variant, Cost)], wanted| {
        round.iter().find(|(variant, _)| *variant == wanted).map_or(f64::NAN, |(_, cost)| figure(cost))
    };
    let mut ratios: Vec<f64> = rounds.iter().map(|round| of(round, Variant::On) / of(round, against)).collect();
    ratios.sort_by(f64::total_cmp);
    match ratios.len() {
        0 => f64::NAN,
        length if length.is_multiple_of(2) => f64::midpoint(ratios[length / 2 - 1], ratios[length / 2]),
        length => ratios[length / 2],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(off: f64, on: f64) -> Vec<(Variant, Cost)> {
        [(Variant::Off, off), (Variant::On, on)]
            .map(|(variant, rate)| (variant, Cost { rate, micros: 1e6 / rate }))
            .into()
    }

    #[test]
    fn the_median_is_of_the_ratios_and_not_of_the_rates() {
        let rounds = [round(100.0, 90.0), round(10.0, 10.0), round(1000.0, 500.0)];
        assert!((median(&rounds, Variant::Off, |cost| cost.rate) - 0.9).abs() < 1e-9);
        assert!((median(&rounds[..2], Variant::Off, |cost| cost.rate) - 0.95).abs() < 1e-9);
        assert!((median(&rounds, Variant::Off, |cost| cost.micros) - 1.0 / 0.9).abs() < 1e-9);
    }
}
