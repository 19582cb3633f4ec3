//! Where the broker reads the time of day, which only the age of messages needs.
//! Does not measure waits; those are monotonic.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time of day, so that a test can let a day pass.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64)
    }
}
