//! Lets a few log lines through per second and counts the rest.
//! Does not touch counters of metrics: those see everything.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const PERIOD: Duration = Duration::from_secs(1);
const LINES: u32 = 5;

/// One kind of line.
pub struct Throttle(Mutex<Option<Period>>);

struct Period {
    began: Instant,
    lines: u32,
    suppressed: u64,
}

impl Throttle {
    /// Nothing said yet.
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Whether a line may be written now, and how many were held back since the last one.
    pub fn admit(&self) -> Option<u64> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let period = slot.get_or_insert_with(|| Period { began: Instant::now(), lines: 0, suppressed: 0 });
        if period.began.elapsed() >= PERIOD {
            (period.began, period.lines) = (Instant::now(), 0);
        }
        if period.lines == LINES {
            period.suppressed += 1;
            return None;
        }
        period.lines += 1;
        Some(std::mem::take(&mut period.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_storm_is_a_few_lines_per_second_and_none_is_forgotten() {
        let throttle = Throttle::new();
        let first: Vec<_> = (0..100).filter_map(|_| throttle.admit()).collect();
        tokio::time::advance(PERIOD).await;

        assert_eq!(first, [0; 5]);
        assert_eq!(throttle.admit(), Some(95));
        assert_eq!(throttle.admit(), Some(0));
    }
}
