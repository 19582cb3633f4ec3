//! Memory with many unacknowledged sales, then SIGKILL, and how long until the service is ready with correct windows.
//! Windows are kept open by a long allowed lateness, so that nothing is acknowledged.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use chrono::{DateTime, TimeDelta, Utc};

use crate::Options;
use crate::child::{Measured, basic};
use crate::client::{CENTS, Connection};
use crate::steady::{self, Load, Times};

/// Settings under which no window becomes final during the measurement, and nothing is moved to the journal.
const NOTHING_FINAL: [(&str, &str); 2] =
    [("TILLSTREAM__WINDOW__ALLOWED_LATENESS", "2h"), ("TILLSTREAM__BROKER__MAX_UNACKED", "4000000")];

const PATIENCE: Duration = Duration::from_secs(300);

const STORES: u64 = 10;

/// `window.size` of the default settings.
const WINDOW: TimeDelta = TimeDelta::seconds(10);

/// Prints the table, a row for each number of sales.
pub async fn measure(options: &Options) -> Result<()> {
    println!("### Unacknowledged sales, and the way back after SIGKILL\n");
    println!(
        "| sales | posting s | resident MB | after SIGKILL: listening s | ready s | windows correct s | resident MB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for count in &options.unacknowledged {
        measure_one(options, *count).await?;
    }
    println!();
    Ok(())
}

async fn measure_one(options: &Options, count: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let service = Measured::service(options, folder.path(), &NOTHING_FINAL)?;
    let (began, first) = (Instant::now(), Utc::now());
    steady::post(&service, Load { run: 3_000, count, rate: None, stores: STORES, times: Times::Now }).await?;
    let (posting, last) = (began.elapsed(), Utc::now());
    windows_hold(&service, folder.path(), count, last).await?;
    let memory = service.resident_mb()?;
    service.kill()?;

    let began = Instant::now();
    let again = Measured::service(options, folder.path(), &NOTHING_FINAL)?;
    let listening = began.elapsed();
    ready(&again).await?;
    let ready_after = began.elapsed();
    let probes = probe(&again, first, last).await?;
    windows_hold(&again, folder.path(), count + probes, last).await?;
    let right_after = began.elapsed();
    let [posting, listening, ready_after, right_after] =
        [posting, listening, ready_after, right_after].map(|time| time.as_secs_f64());
    let rss = again.resident_mb()?;
    println!("| {count} | {posting:.1} | {memory} | {listening:.1} | {ready_after:.1} | {right_after:.1} | {rss} |");
    Ok(())
}

/// One more sale into every window of every store: reporting takes a window's event only if it holds more sales than the
/// one before, so turnover shows them all only when every window has been rebuilt to its last sale. How many those were.
async fn probe(service: &Measured, first: DateTime<Utc>, last: DateTime<Utc>) -> Result<u64> {
    // A sale of now ends all windows before; it is in none of those that are looked at.
    let now = Load { run: 3_001, count: STORES, rate: None, stores: STORES, times: Times::Now };
    steady::post(service, now).await?;
    let first = first - TimeDelta::milliseconds(first.timestamp_millis() % WINDOW.num_milliseconds());
    let windows = (last - first).num_seconds() / WINDOW.num_seconds() + 1;
    let count = STORES * u64::try_from(windows)?;
    let into_each = Load { run: 3_002, count, rate: None, stores: STORES, times: Times::From(first, WINDOW) };
    steady::post(service, into_each).await?;
    Ok(count)
}

async fn ready(service: &Measured) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut connection = Connection::open(&service.address, &service.authorization).await?;
    while connection.get("/health/ready").await?.0 != 200 {
        if Instant::now() > deadline {
            bail!("the service did not become ready within {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Waits until turnover shows so many sales with their money, late ones included, in the windows that begin until `last`.
async fn windows_hold(service: &Measured, data: &Path, count: u64, last: DateTime<Utc>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut connection = Connection::open(&service.address, &basic(data, "admin")?).await?;
    loop {
        let (_, text) = connection.get("/api/v1/pos/turnover?limit=1000000").await?;
        let (sales, cents) = sums(&serde_json::from_str(&text)?, last);
        if sales == count && cents == count * CENTS {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("turnover shows {sales} sales and {cents} cents instead of {count} and {}", count * CENTS);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive sum of cents, for a wait")]
fn sums(rows: &serde_json::Value, last: DateTime<Utc>) -> (u64, u64) {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let count = |row: &serde_json::Value, key: &str| row[key].as_u64().unwrap_or(0);
    let cents = |row: &serde_json::Value, key: &str| (row[key].as_f64().unwrap_or(0.0) * 100.0).round() as u64;
    let begins = |row: &serde_json::Value| row["window_start"].as_str().and_then(|text| text.parse().ok());
    let wanted = |row: &&serde_json::Value| begins(row).is_some_and(|begin: DateTime<Utc>| begin <= last);
    rows.iter().filter(wanted).fold((0, 0), |(sales, money), row| {
        let sales = sales + count(row, "transaction_count") + count(row, "late_count");
        (sales, money + cents(row, "total_amount") + cents(row, "late_amount"))
    })
}
