//! Latency at a constant rate, measured from when each sale was due.
//! The timer's resolution is one millisecond, which is part of every figure.

use anyhow::Result;

use crate::Options;
use crate::child::Measured;
use crate::steady::{self, Load, Times};

/// Prints percentiles at `rate` sales per second.
pub async fn measure(options: &Options, rate: f64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let service = Measured::service(options, folder.path(), &[])?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of sales"
    )]
    let count = (rate * options.seconds as f64) as u64;
    let answers =
        steady::post(&service, Load { run: 2_000, count, rate: Some(rate), stores: 10, times: Times::Now }).await?;
    println!("### Latency at half of that rate (constant rate, from the intended send time)\n");
    println!("| sales/s | sales | not 200 | p50 ms | p90 ms | p99 ms | p99.9 ms | max ms |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let ms = |share: f64| answers.percentile(share).as_secs_f64() * 1000.0;
    println!(
        "| {rate:.0} | {count} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |\n",
        answers.refused,
        ms(0.5),
        ms(0.9),
        ms(0.99),
        ms(0.999),
        ms(1.0)
    );
    Ok(())
}
