//! Sales as a till writes them, and cents as a bookkeeper reads them.
//! Shares no code with the service: amounts are formatted and parsed here a second time on purpose.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

/// One transaction with a single line.
#[derive(Debug, Clone)]
pub struct Sale {
    /// Its id in any text form.
    pub id: String,
    /// `STORE_<n>`.
    pub store: String,
    /// `CASHIER_<n>`.
    pub cashier: String,
    /// Event time.
    pub time: DateTime<Utc>,
    /// The amount.
    pub cents: i64,
    /// `success` or `failed`.
    pub status: String,
}

impl Sale {
    /// Paid now.
    pub fn new(store: &str, cents: i64) -> Self {
        let (id, cashier, status) = (Uuid::new_v4().to_string(), "CASHIER_1".to_owned(), "success".to_owned());
        Self { id, store: store.to_owned(), cashier, time: Utc::now(), cents, status }
    }

    /// Rung up this many milliseconds ago; negative for a clock that runs ahead.
    pub fn milliseconds_ago(mut self, milliseconds: i64) -> Self {
        self.time = Utc::now() - TimeDelta::milliseconds(milliseconds);
        self
    }

    /// At this time.
    pub fn at(mut self, time: DateTime<Utc>) -> Self {
        self.time = time;
        self
    }

    /// The till's JSON, on one line.
    pub fn body(&self) -> String {
        let Self { id, store, cashier, cents, status, .. } = self;
        let time = self.time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let amount = format!("{}.{:02}", cents / 100, cents % 100);
        format!(
            r#"{{"transaction_id":"{id}","timestamp":"{time}","store_id":"{store}","cashier_id":"{cashier}",
            "items":[{{"item_id":"milk-1l","name":"Milk","quantity":1,"price_per_unit":{amount},"total_price":{amount}}}],
            "total_amount":{amount},"payment_method":"cash","payment_status":"{status}","customer_id":"CUSTOMER_9",
            "loyalty_points_earned":1,"receipt":{{"receipt_id":"r-1","date":"{time}","total_amount":{amount},
            "payment_method":"cash","transaction_id":"{id}"}}}}"#
        )
        .replace("\n            ", "")
    }

    /// The same as a tree that a test can spoil.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body()).unwrap()
    }

    /// The start of its window of `seconds`, in seconds of the Unix epoch.
    pub fn window_start(&self, seconds: i64) -> i64 {
        self.time.timestamp().div_euclid(seconds) * seconds
    }
}

/// Reads `12.34` (two decimals, as the service must write them) into cents.
pub fn cents_of(text: &str) -> i64 {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or_else(|| panic!("`{text}` has no two decimals"));
    assert_eq!(fraction.len(), 2, "`{text}` has no two decimals");
    whole.parse::<i64>().unwrap() * 100 + fraction.parse::<i64>().unwrap()
}
