//! Queue progress: how far the queue has been read, in the tills' arrival time, or a monotonic clock while nothing waits.
//! Reads no clock itself and is never set to the wall clock; only its differences within one binding mean anything.

use std::time::Duration;

use tillstream_domain::QueueProgress;
use tokio::time::Instant;

/// After this long without a delivery on an active flow the progress runs on by itself.
const QUIET: Duration = Duration::from_secs(1);

/// Heartbeats that are farther apart than this prove nothing about the time between them.
const LONGEST_RUN: Duration = Duration::from_secs(1);

/// The progress of one binding after another.
#[derive(Debug, Default)]
pub(crate) struct ProgressClock {
    span: u32,
    active: bool,
    /// Redelivered messages are still coming: they are old, and new ones wait behind them.
    rebuilding: bool,
    at_ms: i64,
    /// The newest arrival time, carried on while the clock runs by itself.
    newest_ms: Option<i64>,
    last_delivery: Option<Instant>,
    ran_until: Option<Instant>,
}

impl ProgressClock {
    /// The flow is bound: what is unacknowledged comes first, again.
    pub(crate) fn bound(&mut self, epoch: u32, now: Instant) {
        *self = Self { span: epoch, active: true, rebuilding: true, last_delivery: Some(now), ..Self::default() };
    }

    /// The flow is down: stands still.
    pub(crate) const fn lost(&mut self) {
        self.active = false;
    }

    /// Messages came; `newest_ms` is the newest arrival time among those that came for the first time.
    pub(crate) fn delivered(&mut self, newest_ms: Option<i64>, now: Instant) {
        self.last_delivery = Some(now);
        self.ran_until = None;
        let Some(newest) = newest_ms else { return };
        self.rebuilding = false;
        let before = *self.newest_ms.get_or_insert(newest);
        if newest > before {
            self.at_ms += newest - before;
            self.newest_ms = Some(newest);
        }
    }

    /// The flow is active, has room, and nothing waits.
    pub(crate) fn heartbeat(&mut self, now: Instant) {
        self.rebuilding = false;
        let quiet_from = *self.last_delivery.get_or_insert(now) + QUIET;
        let from = self.ran_until.unwrap_or(quiet_from).max(quiet_from);
        if !self.active || now <= from {
            return;
        }
        let ran = i64::try_from((now - from).min(LONGEST_RUN).as_millis()).unwrap_or_default();
        self.ran_until = Some(now);
        self.at_ms += ran;
        self.newest_ms = self.newest_ms.map(|newest| newest + ran);
    }

    /// `None` while it stands still.
    pub(crate) fn current(&self) -> Option<QueueProgress> {
        let moves = self.active && !self.rebuilding;
        moves.then_some(QueueProgress { span: self.span, at_ms: self.at_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock_for_test(now: Instant) -> ProgressClock {
        let mut clock = ProgressClock::default();
        clock.bound(1, now);
        clock
    }

    fn at(clock: &ProgressClock) -> Option<i64> {
        clock.current().map(|progress| progress.at_ms)
    }

    #[test]
    fn follows_the_newest_arrival_and_never_goes_back() {
        let now = Instant::now();
        let mut clock = clock_for_test(now);
        clock.delivered(Some(10_000), now);
        clock.delivered(Some(12_500), now);
        clock.delivered(Some(11_000), now);
        assert_eq!(at(&clock), Some(2_500));
    }

    #[test]
    fn stands_still_while_redelivered_messages_come_and_while_the_flow_is_down() {
        let now = Instant::now();
        let mut clock = clock_for_test(now);
        clock.delivered(None, now);
        assert_eq!(at(&clock), None);
        clock.delivered(Some(5_000), now);
        assert_eq!(at(&clock), Some(0));
        clock.lost();
        clock.heartbeat(now + Duration::from_secs(60));
        assert_eq!(at(&clock), None);
    }

    #[test]
    fn runs_with_the_monotonic_clock_only_after_a_second_of_silence() {
        let now = Instant::now();
        let mut clock = clock_for_test(now);
        clock.delivered(Some(5_000), now);
        for quarter in 1..=8 {
            clock.heartbeat(now + quarter * Duration::from_millis(250));
        }
        assert_eq!(at(&clock), Some(1_000));
        clock.delivered(Some(7_000), now + Duration::from_secs(2));
        assert_eq!(at(&clock), Some(2_000));
    }

    #[test]
    fn silence_of_the_flow_itself_is_not_elapsed_time() {
        let now = Instant::now();
        let mut clock = clock_for_test(now);
        clock.delivered(Some(5_000), now);
        clock.heartbeat(now + Duration::from_secs(600));
        assert_eq!(at(&clock), Some(1_000));
    }
}
