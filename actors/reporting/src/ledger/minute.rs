//! What was counted during the last minute, in steps of five seconds.
//! Does not know a clock: whoever counts says which step it is.

use std::time::Duration;

use tillstream_domain::{Money, Tally};

/// Steps that are kept: a minute of them.
const STEPS: u64 = 12;
const SLOTS: usize = 12;
/// How long a step is.
pub(crate) const STEP: Duration = Duration::from_secs(5);

/// Sums per step, the newest ones; small, because every store has one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Minute {
    counts: [u32; SLOTS],
    cents: [i64; SLOTS],
    /// The step that was added to last.
    newest: u64,
}

impl Minute {
    /// Counts sales in this step; steps never go back.
    pub(crate) fn add(&mut self, step: u64, sales: Tally) {
        for passed in (self.newest + 1..=step).rev().take(SLOTS) {
            (self.counts[slot(passed)], self.cents[slot(passed)]) = (0, 0);
        }
        self.newest = self.newest.max(step);
        let slot = slot(self.newest);
        let count = u32::try_from(sales.count).unwrap_or(u32::MAX);
        self.counts[slot] = self.counts[slot].saturating_add(count);
        self.cents[slot] = self.cents[slot].saturating_add(sales.amount.cents());
    }

    /// What was counted until this step during the last minute.
    pub(crate) fn sum(&self, step: u64) -> Tally {
        let oldest = (step + 1).saturating_sub(STEPS).max((self.newest + 1).saturating_sub(STEPS));
        let slots = (oldest..=self.newest).map(slot);
        let (count, cents) = slots.fold((0_u64, 0_i64), |(count, cents), slot| {
            (count + u64::from(self.counts[slot]), cents.saturating_add(self.cents[slot]))
        });
        Tally::new(count, Money::from_cents(cents))
    }
}

const fn slot(step: u64) -> usize {
    (step % STEPS) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn one(cents: i64) -> Tally {
        Tally::new(1, Money::from_cents(cents))
    }

    #[test]
    fn what_is_a_minute_old_is_not_in_the_sum() {
        let mut minute = Minute::default();
        minute.add(3, one(100));
        minute.add(14, one(1));
        assert_eq!(minute.sum(14).amount.cents(), 101);
        assert_eq!(minute.sum(15).amount.cents(), 1);
        assert_eq!(minute.sum(26), Tally::default());
        assert_eq!(Minute::default().sum(0), Tally::default());
    }

    proptest! {
        #[test]
        fn the_sum_is_what_a_list_of_all_sales_says(steps in prop::collection::vec((0_u64..20, 1_i64..1000), 1..60)) {
            let (mut minute, mut list, mut now) = (Minute::default(), VecDeque::new(), 0);
            for (pause, cents) in steps {
                now += pause;
                minute.add(now, one(cents));
                list.push_back((now, cents));
                let expected: i64 = list.iter().filter(|(step, _)| now - step < STEPS).map(|(_, cents)| cents).sum();
                prop_assert_eq!(minute.sum(now).amount.cents(), expected);
            }
        }
    }
}
