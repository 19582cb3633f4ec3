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
    /// Takes a reading and says per second how fast each counter has grown; nothing of those that are new, or not in it.
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
        let Some((at, newest)) = self.0.back() else { return BTreeMap::new() };
        newest.iter().filter_map(|(name, count)| Some((*name, self.rate(name, *count, *at)?))).collect()
    }

    /// Since the oldest reading that knows this counter: not every reading does.
    fn rate(&self, name: &str, count: u64, at: Instant) -> Option<f64> {
        let (from, old) = self.0.iter().find_map(|(from, reading)| Some((*from, *reading.get(name)?)))?;
        let span = at.saturating_duration_since(from);
        if span < AT_LEAST {
            return None;
        }
        // Rates are shown, never added up; counters stay whole.
        #[expect(clippy::cast_precision_loss, reason = "a rate with one decimal needs no more")]
        let rate = count.saturating_sub(old) as f64 / span.as_secs_f64();
        Some((rate * 10.0).round() / 10.0)
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
    fn a_counter_that_was_not_read_for_a_while_has_no_rate_then_and_one_over_that_while_afterwards() {
        let (mut rates, begun) = (Rates::default(), Instant::now());
        let second = |number| begun + Duration::from_secs(number);
        rates.take(second(0), [("a", 0), ("b", 0)].into());
        assert_eq!(rates.take(second(1), [("b", 1)].into()), [("b", 1.0)].into());
        assert_eq!(rates.take(second(2), [("a", 8), ("b", 2)].into()), [("a", 4.0), ("b", 1.0)].into());
        for number in 3..20 {
            rates.take(second(number), [("b", number)].into());
        }
        assert_eq!(rates.take(second(20), [("a", 900), ("b", 20)].into()), [("b", 1.0)].into());
        assert_eq!(rates.take(second(21), [("a", 905), ("b", 21)].into()), [("a", 5.0), ("b", 1.0)].into());
    }

    #[test]
    fn a_counter_that_begins_again_has_not_grown_backwards() {
        let (mut rates, begun) = (Rates::default(), Instant::now());
        rates.take(begun, [("a", 50)].into());
        assert_eq!(rates.take(begun + AT_LEAST, [("a", 1), ("b", 7)].into()), [("a", 0.0)].into());
    }
}
