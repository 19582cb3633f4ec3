//! What can be set about reporting, and what the process tells it about the rest of the system.
//! Does not read files or the environment; the process does.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tillstream_domain::{LEDGER_QUEUE, REPORTING_QUEUE, Topics};
use tillstream_index::WriteGate;
use tillstream_messages::StorageSwitch;

/// The section `[reporting]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportingSettings {
    /// How long a window's row is kept after its last change.
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
    /// Deliveries of this long are gathered for one synced commit.
    #[serde(with = "humantime_serde")]
    pub commit_interval: Duration,
    /// Beyond this many uncommitted messages a flow has to wait.
    pub max_uncommitted: usize,
    /// So many of the newest sales, and windows, can be asked for one by one; 0 for none.
    pub journeys: usize,
    /// And for so long.
    #[serde(with = "humantime_serde")]
    pub journeys_for: Duration,
}

impl Default for ReportingSettings {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(400 * 24 * 60 * 60),
            commit_interval: Duration::from_millis(100),
            max_uncommitted: 10_000,
            journeys: 200_000,
            journeys_for: Duration::from_secs(60 * 60),
        }
    }
}

/// What reporting has to know of other sections, filled in by the process.
#[derive(Debug, Clone)]
pub struct ReportingPlan {
    /// Holds the databases `turnover` and `ledger`: `DATA_DIR/reporting`.
    pub directory: PathBuf,
    /// `window.size`: in which window a sale of the ledger's queue belongs.
    pub window_size: Duration,
    /// `dedup.horizon`: how long an id is remembered.
    pub horizon: Duration,
    /// `metrics.max_store_labels`.
    pub max_store_labels: usize,
    /// Currency of a window that has late sales only and therefore never had an event.
    pub currency: String,
    /// Names the topics of the queues' messages and of what is rejected.
    pub topics: Topics,
    /// The queue that Turnover consumes.
    pub reporting_queue: String,
    /// The queue that Ledger consumes.
    pub ledger_queue: String,
    /// May make both databases refuse writes from outside; does nothing by default.
    pub storage: StorageSwitch,
}

impl ReportingPlan {
    /// A plan with the contract's names and bounds.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            window_size: Duration::from_secs(10),
            horizon: Duration::from_secs(24 * 60 * 60),
            max_store_labels: 100,
            currency: "EUR".to_owned(),
            topics: Topics::default(),
            reporting_queue: REPORTING_QUEUE.to_owned(),
            ledger_queue: LEDGER_QUEUE.to_owned(),
            storage: StorageSwitch::default(),
        }
    }

    /// What the databases ask before they write.
    pub(crate) fn gate(&self) -> WriteGate {
        let storage = self.storage.clone();
        WriteGate::new(move || storage.check())
    }

    /// The window's length in microseconds, at least one.
    pub(crate) fn window_micros(&self) -> i64 {
        i64::try_from(self.window_size.as_micros()).unwrap_or(i64::MAX).max(1)
    }

    /// The start of the window that holds this event time, in microseconds since the epoch.
    pub(crate) fn window_start(&self, event_micros: i64) -> i64 {
        event_micros - event_micros.rem_euclid(self.window_micros())
    }
}
