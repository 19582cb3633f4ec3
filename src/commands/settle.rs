//! The end of `run --duration`: tills stop, what they sold arrives everywhere, the ledger is printed and judged.
//! Does not wait for windows to become final; open ones are shown as open.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use tillstream_broker::QueueStats;
use tillstream_domain::{AGGREGATION_QUEUE, LEDGER_QUEUE, REPORTING_QUEUE};
use tillstream_messages::LedgerReport;
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use super::{print, table};
use crate::http::is_balanced;
use crate::startup::Application;

/// Longest wait for the last answers to the tills.
const TILLS_WITHIN: Duration = Duration::from_secs(30);
/// Longest wait until every queue is read.
const QUEUES_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The queues must stay read for this long: what the pipeline publishes comes back through reporting's queue.
const CALM: Duration = Duration::from_millis(1_000);

/// What is down for so long at the end will hardly come back in time.
const DOWN_FOR: Duration = Duration::from_secs(5);

/// Prints the ledger; failure when it does not balance, or cannot become known because something is down.
pub async fn settle(application: &Application) -> anyhow::Result<ExitCode> {
    tokio::select! {
        biased;
        code = settle_now(application) => code,
        reason = down_for_long(application) => bail!("the ledger cannot be settled: {reason}; sales that were answered with \
            200 are on the broker's disk and are counted when it is back"),
    }
}

/// Resolves with the reason once the process has not been ready for a while.
async fn down_for_long(application: &Application) -> String {
    let mut since = Instant::now();
    loop {
        match application.health().trouble() {
            Some(reason) if since.elapsed() >= DOWN_FOR => return reason,
            Some(_) => {}
            None => since = Instant::now(),
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn settle_now(application: &Application) -> anyhow::Result<ExitCode> {
    let account = application.finish_tills(TILLS_WITHIN).await?;
    let is_calm = timeout(QUEUES_WITHIN, calm(application)).await.is_ok();
    if !is_calm {
        warn!("queues are not read to their end, the ledger may be behind");
    }
    let Some(report) = application.ledger().await? else { return Ok(ExitCode::SUCCESS) };
    print::line(table::ledger(&report).trim_end());
    if let Some(account) = account {
        print::line(table::account(&account, &report).trim_end());
    }
    let is_in_order = is_calm && is_balanced(&report);
    Ok(if is_in_order { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Resolves once every queue has been read to its end for a while.
async fn calm(application: &Application) {
    let (mut since, mut last) = (Instant::now(), None);
    while since.elapsed() < CALM {
        sleep(LOOK_EVERY).await;
        if !is_at_rest(application, &mut last).await {
            since = Instant::now();
        }
    }
}

/// A broker elsewhere does not say how far its queues are read; then the ledger must stand still.
async fn is_at_rest(application: &Application, last: &mut Option<LedgerReport>) -> bool {
    if let Some(queues) = application.queues() {
        return queues.iter().all(is_read);
    }
    let Ok(report) = application.ledger().await else { return false };
    let is_same = *last == report;
    *last = report;
    is_same
}

/// Aggregation keeps the sales of open windows unacknowledged; reporting acknowledges what it has stored.
fn is_read(queue: &QueueStats) -> bool {
    match queue.name.as_str() {
        AGGREGATION_QUEUE => queue.depth == queue.unacknowledged,
        LEDGER_QUEUE | REPORTING_QUEUE => queue.depth == 0,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats_for_test(name: &str, depth: u64, unacknowledged: u64) -> QueueStats {
        QueueStats { name: name.to_owned(), depth, unacknowledged, bytes: 0, discarded: 0, consumers: 1 }
    }

    #[test]
    fn open_windows_keep_sales_but_reporting_keeps_none() {
        assert!(is_read(&stats_for_test(AGGREGATION_QUEUE, 5, 5)));
        assert!(!is_read(&stats_for_test(AGGREGATION_QUEUE, 5, 4)));
        assert!(!is_read(&stats_for_test(LEDGER_QUEUE, 5, 5)));
        assert!(is_read(&stats_for_test(REPORTING_QUEUE, 0, 0)));
        assert!(is_read(&stats_for_test("sale_pos_transaction_aggregations_store1.q", 99, 0)));
    }
}
