//! When to read again: at the refresh, a little earlier so that processes spread, and sooner after a failure.
//! Reads nothing and keeps no timer.

use std::time::Duration;

use tokio::time::Instant;

use crate::pauses::{early, pause};
use crate::settings::VaultSettings;

/// Of one incarnation.
#[derive(Debug)]
pub struct Schedule {
    refresh: Duration,
    jitter_percent: u8,
    retry_min: Duration,
    retry_max: Duration,
    failures: u32,
    due: Instant,
}

// === impl Schedule ===

impl Schedule {
    /// The first reading is due at once.
    pub fn new(settings: &VaultSettings, refresh: Duration) -> Self {
        let retry_max = settings.retry_max.min(refresh);
        Self {
            refresh,
            jitter_percent: settings.jitter_percent,
            retry_min: settings.retry_min.min(retry_max),
            retry_max,
            failures: 0,
            due: Instant::now(),
        }
    }

    /// A reading begins: the next is due one refresh from now, however long this one takes.
    pub fn begins(&mut self) {
        self.due = Instant::now() + early(self.refresh, self.jitter_percent);
    }

    /// It brought what was wanted.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// It brought nothing.
    pub fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.due = Instant::now() + pause(self.retry_min, self.retry_max, self.failures);
    }

    /// How long until the next reading.
    pub fn wait(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFRESH: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn readings_come_within_the_refresh_and_never_bunch() {
        let mut schedule = Schedule::new(&VaultSettings::default(), REFRESH);
        assert_eq!(schedule.wait(), Duration::ZERO);
        for _ in 0..100 {
            schedule.begins();
            schedule.succeeded();
            assert!(schedule.wait() <= REFRESH && schedule.wait() >= REFRESH * 9 / 10, "{:?}", schedule.wait());
            tokio::time::advance(schedule.wait()).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_hour_of_failures_is_neither_a_storm_nor_a_silence() {
        let mut schedule = Schedule::new(&VaultSettings::default(), REFRESH);
        let began = Instant::now();
        let mut readings = 0;
        while began.elapsed() < Duration::from_secs(3_600) {
            schedule.begins();
            schedule.failed();
            readings += 1;
            assert!(schedule.wait() <= Duration::from_secs(15));
            tokio::time::advance(schedule.wait()).await;
        }
        assert!((240..=520).contains(&readings), "{readings} readings");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refresh_that_is_shorter_than_the_longest_pause_bounds_it() {
        let mut schedule = Schedule::new(&VaultSettings::default(), Duration::from_millis(300));
        for _ in 0..20 {
            schedule.failed();
            assert!(schedule.wait() <= Duration::from_millis(300));
        }
    }
}
