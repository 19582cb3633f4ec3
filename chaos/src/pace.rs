//! How many sales are due: so many per second, without a flood after a pause.
//! Has no clock: the caller says how much time has passed.

use std::time::Duration;

/// Arrears beyond this are forgiven: a service that was away is not met by an hour's worth at once.
const MOST_ARREARS: Duration = Duration::from_secs(2);

/// An even pace.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: u32,
    /// Sales sent or forgiven.
    done: u64,
}

impl Pace {
    /// So many per second.
    pub(crate) const fn new(rate: u32) -> Self {
        Self { rate, done: 0 }
    }

    /// How many are due after this time.
    pub(crate) fn due(&mut self, elapsed: Duration) -> u64 {
        let owed = self.worth(elapsed).saturating_sub(self.done);
        let most = self.worth(MOST_ARREARS).max(1);
        self.done += owed.saturating_sub(most);
        owed.min(most)
    }

    /// One of them is on its way.
    pub(crate) const fn sent(&mut self) {
        self.done += 1;
    }

    fn worth(&self, time: Duration) -> u64 {
        let sales = time.as_micros() * u128::from(self.rate) / 1_000_000;
        u64::try_from(sales).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send_for_test(pace: &mut Pace, milliseconds: u64) -> u64 {
        let due = pace.due(Duration::from_millis(milliseconds));
        (0..due).for_each(|_| pace.sent());
        due
    }

    #[test]
    fn an_even_stream_has_exactly_the_rate() {
        let mut pace = Pace::new(300);
        let sent: u64 = (0..=1_000).map(|step| send_for_test(&mut pace, step * 7)).sum();
        assert_eq!(sent, 2_100);
    }

    #[test]
    fn after_a_long_pause_only_two_seconds_worth_is_made_good() {
        let mut pace = Pace::new(100);
        assert_eq!(send_for_test(&mut pace, 60_000), 200);
        assert_eq!(send_for_test(&mut pace, 60_000), 0);
        assert_eq!(send_for_test(&mut pace, 60_010), 1);
    }

    #[test]
    fn a_rate_of_nothing_sends_nothing() {
        assert_eq!(send_for_test(&mut Pace::new(0), 60_000), 0);
    }
}
