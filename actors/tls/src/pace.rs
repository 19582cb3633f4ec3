//! When to look for another certificate: files at even intervals, an authority late in a certificate's life.
//! Does not look.

use std::time::Duration;

use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// When to look again.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two looks at files.
    every: Duration,
    looked: Instant,
    /// An authority that has just refused is left alone until then.
    spared_until: Instant,
    failures: u32,
}

// === impl Pace ===

impl Pace {
    /// Files are looked at after each `every`.
    pub fn new(every: Duration) -> Self {
        let now = Instant::now();
        Self { every, looked: now, spared_until: now, failures: 0 }
    }

    /// Whether files may have changed.
    pub fn is_time_for_files(&self) -> bool {
        self.looked.elapsed() >= self.every
    }

    /// Whether the authority should be asked for a pair after one that is due at this time.
    pub fn is_time_for_authority(&self, renew_at: Option<Instant>) -> bool {
        let now = Instant::now();
        now >= self.spared_until && renew_at.is_some_and(|at| now >= at)
    }

    /// Somebody looks now.
    pub fn look(&mut self) {
        self.looked = Instant::now();
    }

    /// The authority gave a pair.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }

    /// It did not: the pause doubles, and half of it is drawn, so that processes that failed together do not ask together.
    pub fn fail(&mut self) {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures += 1;
        let half = doubled / 2;
        self.spared_until = Instant::now() + half + half.mul_f64(fastrand::f64());
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn files_are_looked_at_at_even_intervals() {
        let mut pace = Pace::new(Duration::from_secs(10));
        assert!(!pace.is_time_for_files());
        advance(Duration::from_secs(10)).await;
        assert!(pace.is_time_for_files());
        pace.look();
        assert!(!pace.is_time_for_files());
    }

    #[tokio::test(start_paused = true)]
    async fn an_authority_that_refuses_is_asked_at_growing_intervals_and_at_once_after_a_success() {
        let mut pace = Pace::new(Duration::from_secs(10));
        let due = Some(Instant::now());
        assert!(pace.is_time_for_authority(due));
        assert!(!pace.is_time_for_authority(None));
        for longest in [1, 2, 4, 8, 16, 32, 60, 60] {
            pace.fail();
            advance(Duration::from_millis(longest * 500 - 1)).await;
            assert!(!pace.is_time_for_authority(due));
            advance(Duration::from_millis(longest * 500 + 1)).await;
            assert!(pace.is_time_for_authority(due));
        }
        pace.succeed();
        pace.fail();
        advance(Duration::from_secs(1)).await;
        assert!(pace.is_time_for_authority(due));
    }
}
