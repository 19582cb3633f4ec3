//! How windows are cut and when they close, and the two clocks that move them: event time and queue progress.
//! Does not read a clock.

use std::sync::Arc;

use chrono::{DateTime, Utc};

/// The contract's settings of windows, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowRules {
    /// Length of a window; at least 1.
    pub size_ms: i64,
    /// How far the watermark stays behind the newest sale.
    pub disorder_ms: i64,
    /// After this much queue progress without a sale a store's watermark follows the progress.
    pub idle_ms: i64,
    /// How long a window that has ended still takes sales.
    pub allowed_lateness_ms: i64,
    /// At most one event that is not final per window in this time.
    pub update_interval_ms: i64,
    /// ISO 4217, written into every event.
    pub currency: Arc<str>,
}

impl WindowRules {
    /// Start of the window that holds this time: aligned to the Unix epoch, before it too.
    pub fn start_of(&self, time: DateTime<Utc>) -> i64 {
        let millis = time.timestamp_millis();
        millis - millis.rem_euclid(self.size_ms)
    }

    /// Exclusive end of the window that starts here.
    pub const fn end_of(&self, start_ms: i64) -> i64 {
        start_ms + self.size_ms
    }

    /// The watermark that reaches this makes the window that starts here final.
    pub const fn final_at(&self, start_ms: i64) -> i64 {
        start_ms + self.size_ms + self.allowed_lateness_ms
    }
}

/// How far the queue has been read: the newest arrival time delivered, or a monotonic clock while nothing waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueProgress {
    /// Which binding of the flow; progress of two bindings is never compared, so an outage is not elapsed time.
    pub span: u32,
    /// Milliseconds; only differences inside one span mean anything.
    pub at_ms: i64,
}

/// A time made of milliseconds that came from a time.
pub(super) fn time_of(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).expect("window bounds lie within a window's length of a real time")
}
