//! What the whole service takes with very many stores: memory with a filled window each, processor time when nothing comes.
//! Idle is measured after the windows are final, with the stores' actors still there.

use std::time::Duration;

use anyhow::Result;

use crate::Options;
use crate::child::Measured;
use crate::steady::{self, Load, Times};

/// Sales of each store.
const SALES: u64 = 10;

/// Size and lateness of a window, the idle time of a store, and as much again for the writes.
const UNTIL_FINAL: Duration = Duration::from_secs(75);

const IDLE: Duration = Duration::from_secs(30);

/// The watchdog as it is by default, and one that hardly ever looks: the difference is what it costs.
const WATCHDOGS: [(&str, &str); 2] = [("100ms", "as by default"), ("1h", "watchdog every hour")];

/// Prints the table.
pub async fn measure(options: &Options) -> Result<()> {
    println!("### {} stores, the whole service, {SALES} sales of each\n", options.stores);
    println!("| | resident MB: started | with the sales | all final | idle % of a core: started | all final |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for (every, label) in WATCHDOGS {
        measure_with(options, every, label).await?;
    }
    println!();
    Ok(())
}

async fn measure_with(options: &Options, watchdog_every: &str, label: &str) -> Result<()> {
    let (folder, stores) = (tempfile::tempdir()?, options.stores);
    let max_store = stores.to_string();
    let settings = [("TILLSTREAM__RULES__MAX_STORE", &*max_store), ("TILLSTREAM__WATCHDOG__EVERY", watchdog_every)];
    let service = Measured::service(options, folder.path(), &settings)?;
    let started = service.resident_mb()?;
    let idle_before = idle_share(&service).await;
    steady::post(&service, Load { run: 4_000, count: stores * SALES, rate: None, stores, times: Times::Now }).await?;
    let filled = service.resident_mb()?;
    tokio::time::sleep(UNTIL_FINAL).await;
    let idle_after = idle_share(&service).await;
    let settled = service.resident_mb()?;
    println!("| {label} | {started} | {filled} | {settled} | {idle_before:.2} | {idle_after:.2} |");
    Ok(())
}

/// Percent of a core while nothing happens.
async fn idle_share(service: &Measured) -> f64 {
    let before = service.cpu_seconds();
    tokio::time::sleep(IDLE).await;
    (service.cpu_seconds() - before) / IDLE.as_secs_f64() * 100.0
}
