//! The wall clock as a value that is handed in: rooms that stamp or judge times read this one.
//! Measures no durations; those are tokio's `Instant`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// The system's clock, or a stopped one, plus an offset that all clones share.
#[derive(Debug, Clone, Default)]
pub struct WallClock {
    stopped_at: Option<DateTime<Utc>>,
    offset_ms: Arc<AtomicI64>,
}

impl WallClock {
    /// A clock that stands still: it moves with its offset only.
    pub fn stopped_at(time: DateTime<Utc>) -> Self {
        Self { stopped_at: Some(time), ..Self::default() }
    }

    /// What time it is.
    pub fn now(&self) -> DateTime<Utc> {
        let time = self.stopped_at.unwrap_or_else(Utc::now);
        let offset = TimeDelta::milliseconds(self.offset_ms.load(Ordering::Relaxed));
        time.checked_add_signed(offset).unwrap_or(time)
    }

    /// Puts the clock wrong (or right again) by this much for everybody who holds it.
    pub fn set_offset(&self, offset: TimeDelta) {
        self.offset_ms.store(offset.num_milliseconds(), Ordering::Relaxed);
    }
}
