//! The question behind the live page, and the shape of its answer.
//! Holds plain values that were in memory already; nothing here is read from disk.

use actix::Message;
use tillstream_domain::{StoreId, Tally};

use crate::{QueryError, StoreLedger};

/// Asks for how sales stand now: sums over all stores, and the stores that the question picks.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<LiveReport, QueryError>")]
pub struct QueryLive(pub Pick);

/// Which stores to tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// Those with the most turnover in the last minute, and some of those that do not balance.
    Top(usize),
    /// At most `limit` whose id has this in it, whatever its case; those with the most turnover in the last minute first.
    Matching {
        /// A part of an id.
        text: String,
        /// At most this many.
        limit: usize,
    },
}

/// How sales stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveReport {
    /// Stores that were ever seen.
    pub stores_total: usize,
    /// Stores that the question would have picked without a limit.
    pub matching: usize,
    /// Paid sales that the ledger's side has counted, of all time, conflicts not among them.
    pub accepted: Tally,
    /// Those of the last minute.
    pub last_minute: Tally,
    /// What all rows of turnover say, late sales among it.
    pub turnover: Tally,
    /// The newest windows, oldest first.
    pub windows: Vec<CompanyWindow>,
    /// Windows that are not final, as the ledger's side has them, oldest first: start and sales.
    pub filling: Vec<(i64, Tally)>,
    /// Windows of all stores together that start before are not known to this answer; `None` where none is. One from then on that
    /// it does not have is without sales.
    pub windows_since: Option<i64>,
    /// Those picked, in the order of the question.
    pub stores: Vec<LiveStore>,
    /// All stores' ledgers together, at most about a second old.
    pub balance: Balance,
}

/// One window over all stores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompanyWindow {
    /// In microseconds since the epoch.
    pub start: i64,
    /// What its events count.
    pub sales: Tally,
    /// Late sales of it.
    pub late: Tally,
    /// Stores that have an event for it.
    pub stores: u64,
    /// Those of them whose event is final.
    pub final_stores: u64,
}

/// One window of one store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LiveWindow {
    /// In microseconds since the epoch.
    pub start: i64,
    /// What its event counts.
    pub sales: Tally,
    /// Late sales of it.
    pub late: Tally,
    /// Whether it has an event; one of late sales only has none.
    pub has_event: bool,
    /// Whether its event is final.
    pub is_final: bool,
    /// How often its event has changed since this process reads it; 0 where it was read from disk.
    pub revision: u32,
}

/// One store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveStore {
    /// Whose.
    pub store: StoreId,
    /// As [`LiveReport::accepted`].
    pub accepted: Tally,
    /// As [`LiveReport::last_minute`].
    pub last_minute: Tally,
    /// As [`LiveReport::turnover`].
    pub turnover: Tally,
    /// Late sales of all time.
    pub late: Tally,
    /// Failed payments of all time.
    pub failed: u64,
    /// The newest windows, oldest first.
    pub windows: Vec<LiveWindow>,
    /// As [`LiveReport::windows_since`], of this store: with very many stores each keeps few windows.
    pub windows_since: Option<i64>,
    /// As [`LiveReport::filling`].
    pub filling: Vec<(i64, Tally)>,
    /// Its equation.
    pub ledger: StoreLedger,
}

/// All stores' equations in one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// Stores whose equation does not hold.
    pub stores_off: usize,
    /// Sum of the magnitudes, in sales.
    pub off_count: u64,
    /// Sum of the magnitudes, in cents.
    pub off_cents: u64,
    /// Sales whose window is not final.
    pub open: Tally,
    /// Messages that could not be read.
    pub poison: u64,
}
