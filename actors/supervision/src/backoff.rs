//! How long to wait before the next restart of one child.
//! Reads no clock: time enters as an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::spec::Backoff;

/// Failures in a row of one child.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failures: u32,
    up_since: Option<Instant>,
}

impl Attempts {
    pub(crate) fn started(&mut self, now: Instant) {
        self.up_since = Some(now);
    }

    /// Failures since the last good service.
    pub(crate) fn in_a_row(&self) -> usize {
        self.failures as usize
    }

    /// Counts a failure and says how long to wait: nothing after good service, else ever longer.
    pub(crate) fn failed(&mut self, now: Instant, backoff: &Backoff, chance: f32) -> Duration {
        let served = self.up_since.take().is_some_and(|since| now - since >= backoff.healthy_after);
        if served {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let doublings = match self.failures {
            1 => return Duration::ZERO,
            failures => (failures - 2).min(30),
        };
        let delay = backoff.min.saturating_mul(1 << doublings).min(backoff.max);
        jittered(delay, backoff, chance)
    }
}

/// Takes a share off, so that children that failed together do not come back together. `chance` is in `0.0..1.0`.
pub(crate) fn jittered(delay: Duration, backoff: &Backoff, chance: f32) -> Duration {
    delay.mul_f32(1.0 - backoff.jitter.clamp(0.0, 1.0) * chance)
}
