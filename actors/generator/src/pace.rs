//! How many sales are due: a rate, a profile over time, and what a slow service has kept from being sent.
//! Does not wait; the caller asks again.

use std::time::Duration;

use chrono::{DateTime, Timelike, Utc};
use serde::{Deserialize, Serialize};

/// How the rate changes with time; on average it is the rate that is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Always the same.
    #[default]
    Constant,
    /// The opening hours of a shop, in UTC: nothing at night, most at noon and in the evening.
    Day,
    /// Ten seconds of every minute at four times the rate, the rest at two fifths.
    Burst,
}

/// Percent of the rate for every hour of a day; they add up to 2,400.
const HOURS: [u32; 24] =
    [0, 0, 0, 0, 0, 0, 20, 80, 120, 140, 150, 180, 220, 180, 140, 140, 180, 240, 260, 190, 120, 40, 0, 0];

impl Profile {
    /// Percent of the rate at this moment.
    fn percent(self, now: DateTime<Utc>) -> u32 {
        match self {
            Self::Constant => 100,
            Self::Day => HOURS[now.hour() as usize % HOURS.len()],
            Self::Burst if now.second() < 10 => 400,
            Self::Burst => 40,
        }
    }
}

/// Sales that are due, in millionths of a sale.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: u32,
    profile: Profile,
    due_millionths: u64,
}

/// A tenth of a microsecond-percent is a millionth of a sale at a rate of one.
const MICROS_PERCENT: u64 = 100;
const ONE_SALE: u64 = 1_000_000;

impl Pace {
    /// Nothing is due yet.
    pub(crate) fn new(rate: u32, profile: Profile) -> Self {
        Self { rate, profile, due_millionths: 0 }
    }

    /// Another rate from now on; with none nothing is due.
    pub(crate) fn set_rate(&mut self, rate: u32) {
        self.rate = rate;
        if rate == 0 {
            self.due_millionths = 0;
        }
    }

    /// Time has passed. What is due is bounded by a second's worth: after a stall the tills do not rush.
    pub(crate) fn pass(&mut self, elapsed: Duration, now: DateTime<Utc>) {
        let per_second = u64::from(self.rate) * u64::from(self.profile.percent(now));
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let due = per_second.saturating_mul(micros) / MICROS_PERCENT;
        let second = (per_second.saturating_mul(ONE_SALE) / MICROS_PERCENT).max(ONE_SALE);
        self.due_millionths = self.due_millionths.saturating_add(due).min(second);
    }

    /// Takes one sale, if one is due.
    pub(crate) fn take(&mut self) -> bool {
        let rest = self.due_millionths.checked_sub(ONE_SALE);
        self.due_millionths = rest.unwrap_or(self.due_millionths);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count_for_test(profile: Profile, seconds: i64, start: i64) -> u64 {
        let mut pace = Pace::new(7, profile);
        let mut count = 0;
        for step in 0..seconds * 50 {
            let now = DateTime::from_timestamp_millis(start * 1_000 + step * 20).expect("in range");
            pace.pass(Duration::from_millis(20), now);
            while pace.take() {
                count += 1;
            }
        }
        count
    }

    #[test]
    fn every_profile_rings_up_the_rate_on_average() {
        assert_eq!(count_for_test(Profile::Constant, 60, 0), 7 * 60);
        assert_eq!(count_for_test(Profile::Burst, 60, 0), 7 * 60);
        assert_eq!(HOURS.iter().sum::<u32>(), 2_400);
    }

    #[test]
    fn a_burst_is_ten_times_the_rest_of_the_minute() {
        assert_eq!(count_for_test(Profile::Burst, 10, 0), 280);
        assert_eq!(count_for_test(Profile::Burst, 10, 30), 28);
    }

    #[test]
    fn a_rate_of_zero_forgets_what_was_due_and_a_new_rate_counts_from_then_on() {
        let mut pace = Pace::new(7, Profile::Constant);
        pace.pass(Duration::from_secs(1), DateTime::UNIX_EPOCH);

        pace.set_rate(0);
        pace.pass(Duration::from_secs(1), DateTime::UNIX_EPOCH);
        assert!(!pace.take());

        pace.set_rate(2);
        pace.pass(Duration::from_secs(1), DateTime::UNIX_EPOCH);
        assert_eq!(std::iter::repeat_with(|| pace.take()).take_while(|due| *due).count(), 2);
    }

    #[test]
    fn after_a_stall_the_tills_do_not_rush() {
        let mut pace = Pace::new(7, Profile::Constant);

        pace.pass(Duration::from_secs(3_600), DateTime::UNIX_EPOCH);

        assert_eq!(std::iter::repeat_with(|| pace.take()).take_while(|due| *due).count(), 7);
    }
}
