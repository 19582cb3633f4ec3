//! A sliding window of failures.
//! Reads no clock and does not know what exceeding it means.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::spec::Intensity;

/// The failures that still count.
#[derive(Debug, Default)]
pub(crate) struct Window {
    failures: VecDeque<Instant>,
}

impl Window {
    /// Counts a failure; true when there are now more than `max` within the time.
    pub(crate) fn exceeded_by_failure_at(&mut self, now: Instant, max: usize, budget: &Intensity) -> bool {
        self.failures.push_back(now);
        while self.failures.front().is_some_and(|first| now - *first > budget.within) {
            self.failures.pop_front();
        }
        let exceeded = self.failures.len() > max;
        if exceeded {
            // One more than fits says it all; a storm must not grow the window.
            self.failures.truncate(max.saturating_add(1));
            self.failures.pop_front();
            self.failures.push_back(now);
        }
        exceeded
    }

    pub(crate) fn clear(&mut self) {
        self.failures.clear();
    }
}
