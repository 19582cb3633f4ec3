//! Questions to reporting and the shapes of its answers.
//! The left side of the ledger comes from its own queue, never from a counter of another room.

use actix::Message;
use chrono::{DateTime, Utc};
use tillstream_domain::{AggregatedEvent, Money, StoreId};

/// Asks for windows, newest first.
#[derive(Debug, Clone, Default, Message)]
#[rtype(result = "Result<Vec<TurnoverRow>, QueryError>")]
pub struct QueryTurnover {
    /// Only this store.
    pub store: Option<StoreId>,
    /// Windows that start at or after this time.
    pub from: Option<DateTime<Utc>>,
    /// Windows that start before this time.
    pub to: Option<DateTime<Utc>>,
    /// At most this many.
    pub limit: usize,
}

/// One window as reporting knows it: the event that holds, plus its late sales.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnoverRow {
    /// The event with the greatest `(final, transaction_count)`.
    pub event: AggregatedEvent,
    /// Money of sales that came when the window was final.
    pub late_amount: Money,
    /// Their number.
    pub late_count: u64,
}

/// Asks for both sides of the ledger.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<LedgerReport, QueryError>")]
pub struct QueryLedger;

/// One store's ledger: counts and money of final windows must balance, open ones are only shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreLedger {
    /// Whose.
    pub store: StoreId,
    /// Distinct paid sales on the broker that belong to final windows: count and money.
    pub accepted: (u64, Money),
    /// In final windows.
    pub in_windows: (u64, Money),
    /// Late of final windows.
    pub late: (u64, Money),
    /// Rejected: the same id with another store or amount.
    pub rejected: (u64, Money),
    /// Distinct paid sales whose window is not final yet.
    pub open: (u64, Money),
    /// Where the oldest and the newest of those windows start, in microseconds since 1970.
    pub open_starts: Option<(i64, i64)>,
    /// `accepted - (in_windows + late + rejected)`, not clamped: must be 0.
    pub imbalance_count: i64,
    /// The same in cents.
    pub imbalance_cents: i64,
}

/// The ledger of all stores.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerReport {
    /// By store number.
    pub stores: Vec<StoreLedger>,
    /// Messages that could not be read as a sale; they belong to no store.
    pub poison: u64,
}

/// Why a question was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The store cannot be read.
    #[error("the reporting store cannot be read: {0}")]
    Storage(String),
}
