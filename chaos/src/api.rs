//! The shapes of the interface that the drill reads: ledger, turnover, faults, generator.
//! Does not fetch them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::cents::Cents;

/// `/api/v1/ledger`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Ledger {
    /// By store.
    pub(crate) stores: Vec<StoreLedger>,
}

/// One store of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct StoreLedger {
    /// `STORE_<n>`.
    pub(crate) store_id: String,
    /// Distinct paid sales of final windows.
    pub(crate) accepted: Side,
    /// Those of windows that are not final.
    pub(crate) open: Side,
    /// What is missing; must be 0.
    pub(crate) imbalance: Imbalance,
}

/// Count and money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Side {
    /// How many sales.
    pub(crate) count: u64,
    /// How much money.
    pub(crate) amount: Cents,
}

/// A difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imbalance {
    /// In sales.
    pub count: i64,
    /// In cents.
    pub cents: i64,
}

/// A row of `/turnover`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Row {
    /// `STORE_<n>`.
    pub(crate) store_id: String,
    /// Inclusive.
    pub(crate) window_start: DateTime<Utc>,
    /// Exclusive.
    pub(crate) window_end: DateTime<Utc>,
    /// Money in the window.
    pub(crate) total_amount: Cents,
    /// Sales in the window.
    pub(crate) transaction_count: u64,
    /// No further event follows.
    #[serde(rename = "final")]
    pub(crate) is_final: bool,
    /// Money that came when it was final.
    pub(crate) late_amount: Cents,
    /// Sales that did.
    pub(crate) late_count: u64,
}

/// `/api/v1/generator`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct GeneratorState {
    /// Sales per second.
    pub(crate) rate: u32,
}

/// A fault as the service tells of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct FaultRecord {
    /// Its number in this life of the process.
    pub(crate) id: u64,
    /// The path; for the environment whatever the service says.
    #[serde(default)]
    pub(crate) target: Option<String>,
    /// What was asked for.
    pub(crate) kind: String,
    /// `pending`, `recovered`, `not_fired` or `unrecovered`.
    pub(crate) state: String,
    /// Once it is known.
    #[serde(default)]
    pub(crate) verdict: Option<Verdict>,
}

/// What a fault cost, by the service's own word.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Verdict {
    /// From the fault to the supervisor's or watchdog's knowledge.
    pub detection_ms: Option<f64>,
    /// From there until the next incarnation had started.
    pub restart_ms: Option<f64>,
    /// Of the target.
    pub generation_before: Option<u64>,
    /// Of the target.
    pub generation_after: Option<u64>,
    /// Messages told again.
    pub replayed: Option<u64>,
    /// Repetitions that were recognised.
    pub duplicates: Option<u64>,
    /// What the live ledger missed more than before, so far: of final windows only.
    pub lost: Option<Imbalance>,
    /// What it had too much more than before, so far.
    pub double: Option<Imbalance>,
    /// Sales of windows that were not final and therefore not judged.
    pub open: Option<Imbalance>,
    /// Others that were not left alone.
    pub disturbed: Vec<String>,
}
