//! Threads that the drill's own faults have blocked and that still sleep.
//! A process ends itself when too many threads are blocked; a seeded drill keeps below that, a scripted one does as it is told.

use std::time::Duration;

use tokio::time::Instant;

/// As many as the service tolerates by default (`watchdog.max_zombies`).
const MOST: usize = 2;
/// A thread that wakes needs a moment to end.
const TO_END: Duration = Duration::from_millis(500);

/// When each of them ends.
#[derive(Debug, Default)]
pub(crate) struct Sleepers(Vec<Instant>);

impl Sleepers {
    /// One more sleeps for so many seconds.
    pub(crate) fn add(&mut self, now: Instant, seconds: f64) {
        let sleep = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        self.0.push(now + sleep + TO_END);
    }

    /// When one more may be blocked.
    pub(crate) fn room_at(&mut self, now: Instant) -> Instant {
        self.0.retain(|end| *end > now);
        self.0.sort_unstable();
        // So many must end before the next one falls asleep.
        let surplus = (self.0.len() + 1).saturating_sub(MOST);
        surplus.checked_sub(1).map_or(now, |last| self.0[last])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_thread_is_not_blocked_before_the_first_one_has_woken() {
        let (mut sleepers, start) = (Sleepers::default(), Instant::now());
        let after = |seconds: f64| start + Duration::from_secs_f64(seconds);
        assert_eq!(sleepers.room_at(start), start);
        sleepers.add(start, 3.0);
        assert_eq!(sleepers.room_at(after(1.0)), after(1.0));
        sleepers.add(after(1.0), 3.0);
        assert_eq!(sleepers.room_at(after(2.0)), after(3.5));
        assert_eq!(sleepers.room_at(after(3.6)), after(3.6));
    }
}
