//! How fast counters grow, over the last few seconds.
//! Does not read them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// What a rate is taken over.
const SPAN: Duration = Duration::from_secs(5);
/// A shorter one says more about chance than about sales.
const AT_LEAST: Duration = Duration::from_millis(500);

/// Counters by name.
pub type Reading = BTreeMap<&'static str, u64>;

/// The newest readings.
#[derive(Debug, Default)]
pub struct Rates(VecDeque<(Instant, Reading)>);

impl Rates {
    /// Takes a reading and says per second how fast each counter has grown; nothing of those that are new.
    pub fn take(&mut self, now: Instant, reading: Reading) -> BTreeMap<&'static str, f64> {
        // The oldest one kept is the youngest of those that are old enough.
        while self.0.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= SPAN) {
            self.0.pop_front();
        }
        // While nobody looked nothing was read.
        self.0.retain(|(at, _)| now.saturating_duration_since(*at) <= SPAN * 2);
        self.0.push_back((now, reading));
        self.per_second()
    }

    fn per_second(&self) -> BTreeMap<&'static str, f64> {
        let Some(((from, old), (to, new))) = self.0.front().zip(self.0.back()) else { return BTreeMap::new() };
        let span = to.saturating_duration_since(*from);
        if span < AT_LEAST {
            return BTreeMap::new();
        }
        // Rates are shown, never added up; counters stay whole.
        #[expect(clippy::cast_precision_loss, reason = "a rate with one decimal needs no more")]
        let rate = |grown: u64| (grown as f64 / span.as_secs_f64() * 10.0).round() / 10.0;
        let grown = new.iter().filter_map(|(name, now)| Some((*name, now.saturating_sub(*old.get(name)?))));
        grown.map(|(name, grown)| (name, rate(grown))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_taken_over_the_last_seconds_and_needs_two_readings() {
        let (mut rates, begun) = (Rates::default(), Instant::now());
        assert_eq!(rates.take(begun, [("a", 0)].into()), BTreeMap::new());
        let mut last = BTreeMap::new();
        for quarter in 1..=40_u64 {
            let counted = if quarter <= 20 { quarter * 100 } else { 2_000 + (quarter - 20) * 5 };
            last = rates.take(begun + Duration::from_millis(250) * quarter as u32, [("a", counted)].into());
        }
        assert_eq!(last, [("a", 20.0)].into());
        assert!(rates.0.len() < 25, "{}", rates.0.len());
    }

    #[test]
    fn what_was_read_before_everybody_left_is_no_beginning() {
        let (mut rates, begun) = (Rates::default(), Instant::now());
        rates.take(begun, [("a", 0)].into());
        assert_eq!(rates.take(begun + SPAN * 3, [("a", 1_000)].into()), BTreeMap::new());
    }

    #[test]
    fn a_counter_that_begins_again_has_not_grown_backwards() {
        let (mut rates, begun) = (Rates::default(), Instant::now());
        rates.take(begun, [("a", 50)].into());
        assert_eq!(rates.take(begun + AT_LEAST, [("a", 1), ("b", 7)].into()), [("a", 0.0)].into());
    }
}
