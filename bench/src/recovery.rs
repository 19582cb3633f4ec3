//! Memory with many unacknowledged sales, then SIGKILL, and how long until the service is ready with correct windows.
//! Windows are kept open by a long allowed lateness, so that nothing is acknowledged.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::Options;
use crate::child::{Measured, basic};
use crate::client::{CENTS, Connection};
use crate::steady::{self, Load};

/// Settings under which no window becomes final during the measurement.
const NOTHING_FINAL: [(&str, &str); 1] = [("TILLSTREAM__WINDOW__ALLOWED_LATENESS", "2h")];

const PATIENCE: Duration = Duration::from_secs(300);

/// Prints the table.
pub async fn measure(options: &Options) -> Result<()> {
    let (folder, count) = (tempfile::tempdir()?, options.unacknowledged);
    let service = Measured::service(options, folder.path(), &NOTHING_FINAL)?;
    let began = Instant::now();
    steady::post(&service, Load { run: 3_000, count, rate: None }).await?;
    let posting = began.elapsed();
    windows_hold(&service, folder.path(), count).await?;
    let memory = service.resident_mb()?;
    service.kill()?;

    let began = Instant::now();
    let again = Measured::service(options, folder.path(), &NOTHING_FINAL)?;
    let listening = began.elapsed();
    ready(&again).await?;
    let ready_after = began.elapsed();
    // One more sale makes every store publish again what it holds: only then is turnover proof of what was rebuilt.
    steady::post(&again, Load { run: 3_001, count: 10, rate: None }).await?;
    windows_hold(&again, folder.path(), count + 10).await?;
    let right_after = began.elapsed();
    println!("### {count} unacknowledged sales\n");
    println!("| posting s | resident MB | after SIGKILL: listening s | ready s | windows correct s | resident MB |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let [posting, listening, ready_after, right_after] =
        [posting, listening, ready_after, right_after].map(|time| time.as_secs_f64());
    let rss = again.resident_mb()?;
    println!("| {posting:.1} | {memory} | {listening:.1} | {ready_after:.1} | {right_after:.1} | {rss} |\n");
    Ok(())
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

/// Waits until turnover shows so many sales with their money, late ones included.
async fn windows_hold(service: &Measured, data: &Path, count: u64) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut connection = Connection::open(&service.address, &basic(data, "admin")?).await?;
    loop {
        let (_, text) = connection.get("/api/v1/pos/turnover?limit=1000000").await?;
        let (sales, cents) = sums(&serde_json::from_str(&text)?);
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
fn sums(rows: &serde_json::Value) -> (u64, u64) {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let count = |row: &serde_json::Value, key: &str| row[key].as_u64().unwrap_or(0);
    let cents = |row: &serde_json::Value, key: &str| (row[key].as_f64().unwrap_or(0.0) * 100.0).round() as u64;
    rows.iter().fold((0, 0), |(sales, money), row| {
        let sales = sales + count(row, "transaction_count") + count(row, "late_count");
        (sales, money + cents(row, "total_amount") + cents(row, "late_amount"))
    })
}
