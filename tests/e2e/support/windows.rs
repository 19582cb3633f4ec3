//! Turnover and ledger as their readers see them, and the waits that end when windows are final and books balance.
//! Reads amounts from their text, never through a float.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Sale, TestApp, cents_of, eventually};

/// Windows of the quick settings are final after about five seconds; a loaded machine may take its time.
const FINAL_WITHIN: Duration = Duration::from_secs(90);

/// One row of `/turnover`.
#[derive(Debug, Clone, Deserialize)]
#[expect(dead_code, reason = "every field of the contract must be there, also those that no test compares")]
pub struct Window {
    #[serde(deserialize_with = "cents")]
    pub total_amount: i64,
    pub event_id: String,
    pub store_id: String,
    pub begin_stream_aggregator: DateTime<Utc>,
    pub end_stream_aggregator: DateTime<Utc>,
    pub window_start: DateTime<Utc>,
    pub window_end: DateTime<Utc>,
    pub transaction_count: u64,
    #[serde(rename = "final")]
    pub is_final: bool,
    pub currency: String,
    #[serde(deserialize_with = "cents")]
    pub late_amount: i64,
    pub late_count: u64,
}

impl Window {
    /// Whether this is the window into which the sale belongs.
    pub fn is_of(&self, sale: &Sale) -> bool {
        self.store_id == sale.store && self.window_start <= sale.time && sale.time < self.window_end
    }
}

/// Money of all windows, late sales included, and the number of sales.
pub fn sum_of(windows: &[Window]) -> (i64, u64) {
    let cents = windows.iter().map(|window| window.total_amount + window.late_amount).sum();
    (cents, windows.iter().map(|window| window.transaction_count + window.late_count).sum())
}

fn cents<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    Ok(cents_of(Box::<RawValue>::deserialize(deserializer)?.get()))
}

impl TestApp {
    /// All windows that reporting knows.
    pub async fn windows(&self) -> Vec<Window> {
        let answer = self.get("/api/v1/pos/turnover?limit=1000000", "reporting-service").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{error}: {}", answer.text))
    }

    /// Waits until `count` sales are in windows or late, and every window is final.
    pub async fn windows_when_final(&self, count: u64) -> Vec<Window> {
        eventually(&format!("{count} sales in final windows"), FINAL_WITHIN, async || {
            let windows = self.windows().await;
            let open = windows.iter().filter(|window| !window.is_final).count();
            let (_, sales) = sum_of(&windows);
            assert!(sales <= count, "{sales} sales are counted, but only {count} were sent");
            if open == 0 && sales == count { Ok(windows) } else { Err(format!("{sales} sales, {open} open windows")) }
        })
        .await
    }

    /// Waits until the window of this sale is final.
    pub async fn final_window_of(&self, sale: &Sale) -> Window {
        eventually("the sale's final window", FINAL_WITHIN, async || {
            let windows = self.windows().await;
            let window = windows.into_iter().find(|window| window.is_of(sale));
            window.filter(|window| window.is_final).ok_or_else(|| "not there or not final".to_owned())
        })
        .await
    }

    /// Waits until the ledger's own side has seen what the final windows hold, and no store is out of balance.
    pub async fn ledger_balances(&self) {
        eventually("the ledger to balance", FINAL_WITHIN, async || {
            let windows = self.windows().await.into_iter().filter(|window| window.is_final);
            let (_, sales) = sum_of(&windows.collect::<Vec<_>>());
            let answer = self.get("/api/v1/ledger", "admin").await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let ledger: Ledger = serde_json::from_str(&answer.text).unwrap();
            let seen = ledger.stores.iter().map(|store| store.accepted.count - store.rejected.count).sum::<u64>();
            let even = ledger.stores.iter().all(|store| store.imbalance.count == 0 && store.imbalance.cents == 0);
            assert_eq!(ledger.poison, 0, "what no till sends was published as a sale: {}", answer.text);
            if even && ledger.balanced && seen == sales {
                Ok(())
            } else {
                Err(format!("{sales} sales, {}", answer.text))
            }
        })
        .await;
    }

    /// One sample of `/metrics`, summed over its labels that contain `label`.
    pub async fn metric(&self, name: &str, label: &str) -> f64 {
        let text = self.get("/metrics", "").await.text;
        let samples = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }
}

/// `/api/v1/ledger`, as far as these tests look at it.
#[derive(Debug, Deserialize)]
struct Ledger {
    stores: Vec<StoreLedger>,
    balanced: bool,
    poison: u64,
}

#[derive(Debug, Deserialize)]
struct StoreLedger {
    accepted: Side,
    rejected: Side,
    imbalance: Imbalance,
}

#[derive(Debug, Deserialize)]
struct Side {
    count: u64,
}

#[derive(Debug, Deserialize)]
struct Imbalance {
    count: i64,
    cents: i64,
}
