//! What traces cost: durable 200s per second without a collector, and with one at 0, 1 and 100 % of the traces, round by round.
//! The collector takes every span and throws it away; see `sink`.

use anyhow::Result;

use crate::Options;
use crate::child::Measured;
use crate::sink::Sink;
use crate::wrk;

/// The shares, as settings; none is a service that knows no collector.
const RATIOS: [(&str, Option<&str>); 4] =
    [("off", None), ("0 %", Some("0")), ("1 % (default)", Some("0.01")), ("100 %", Some("1"))];

/// Prints one table: a line per round and share, and the median of each share against none.
pub async fn measure(options: &Options) -> Result<()> {
    println!("### Traces: durable 200s per second by share of kept traces ({} s a round)\n", options.seconds);
    println!("| round | kept | req/s | against off | not 200 | cores | spans taken |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let sink = Sink::default();
    let endpoint = format!("http://{}", sink.serve()?);
    let mut ratios = vec![Vec::new(); RATIOS.len()];
    for round in 1..=options.rounds {
        let mut off = 0.0;
        for (index, (name, ratio)) in (0_u32..).zip(RATIOS) {
            let before = sink.spans();
            let report = one(options, ratio, &endpoint, round * 10 + index).await?;
            if ratio.is_none() {
                off = report.rate;
            }
            let (share, spans) = (report.rate / off, sink.spans() - before);
            ratios[index as usize].push(share);
            let wrk::Report { rate, bad, server_cpu, .. } = report;
            println!("| {round} | {name} | {rate:.0} | {share:.2} | {bad} | {server_cpu:.2} | {spans} |");
        }
    }
    println!();
    for ((name, _), shares) in RATIOS.iter().zip(&mut ratios).skip(1) {
        shares.sort_by(f64::total_cmp);
        println!("median of {name} against off: {:.2}", shares[shares.len() / 2]);
    }
    println!();
    Ok(())
}

async fn one(options: &Options, ratio: Option<&str>, endpoint: &str, run: u32) -> Result<wrk::Report> {
    let folder = tempfile::tempdir()?;
    let settings: Vec<(&str, &str)> = match ratio {
        None => Vec::new(),
        Some(ratio) => vec![("TILLSTREAM__TRACES__ENDPOINT", endpoint), ("TILLSTREAM__TRACES__RATIO", ratio)],
    };
    let service = Measured::service(options, folder.path(), &settings)?;
    wrk::run(&service, options.seconds, 11_000 + run).await
}
