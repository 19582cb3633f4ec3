//! Suspects our own clock when most recent sales of several tills lie in the future.
//! Does not look at a clock, and never suspects one because a single till is wrong.

use std::collections::VecDeque;

use ahash::AHashSet;

use crate::{CashierId, StoreId};

/// How many of the latest sales count.
const SALES: usize = 100;

/// How many cashiers must say the same.
const CASHIERS: usize = 3;

/// A cashier of a store: who rang up a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Till {
    /// `CASHIER_1` of another store is somebody else.
    pub store: StoreId,
    /// Who.
    pub cashier: CashierId,
}

/// The verdicts on the latest sales.
#[derive(Debug, Clone, Default)]
pub struct ClockSuspicion {
    /// Oldest first, at most [`SALES`]: the till where a sale failed on the future rule alone, `None` where it did not.
    latest: VecDeque<Option<Till>>,
}

impl ClockSuspicion {
    /// Notes one sale: whose it was, if that is known, and whether it failed on `timestamp_in_future` alone.
    pub fn record(&mut self, till: Option<Till>, failed_on_future_only: bool) {
        if self.latest.len() == SALES {
            self.latest.pop_front();
        }
        self.latest.push_back(till.filter(|_| failed_on_future_only));
    }

    /// Whether it is our clock: a hundred sales are known, more than half of them lie in the future, and they are those
    /// of at least three cashiers. Sales that pass take the suspicion away again.
    pub fn suspect(&self) -> bool {
        if self.latest.len() < SALES {
            return false;
        }
        let future = self.latest.iter().flatten();
        let tills: AHashSet<&Till> = future.clone().collect();
        future.count() > SALES / 2 && tills.len() >= CASHIERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn till(cashier: u32) -> Option<Till> {
        let store = StoreId::from_number(1).unwrap();
        Some(Till { store, cashier: CashierId::from_number(cashier).unwrap() })
    }

    fn after(verdicts: impl Iterator<Item = (Option<Till>, bool)>) -> ClockSuspicion {
        let mut suspicion = ClockSuspicion::default();
        verdicts.for_each(|(till, future)| suspicion.record(till, future));
        suspicion
    }

    #[test]
    fn a_hundred_future_sales_of_three_cashiers_mean_our_clock() {
        assert!(after((0..100).map(|n| (till(n % 3 + 1), true))).suspect());
        assert!(!after((0..99).map(|n| (till(n % 3 + 1), true))).suspect(), "99 sales are too few");
    }

    #[test]
    fn two_cashiers_with_wrong_clocks_are_their_own_problem() {
        assert!(!after((0..1_000).map(|n| (till(n % 2 + 1), true))).suspect());
        assert!(!after((0..1_000).map(|_| (None, true))).suspect());
    }

    #[test]
    fn the_third_cashier_must_fail_too_and_not_only_sell() {
        assert!(!after((0..100).map(|n| (till(n % 5 + 1), n % 5 < 2))).suspect());
        assert!(!after((0..100).map(|n| (till(n % 4 + 1), n % 4 != 0 && n % 4 != 3))).suspect(), "half is not most");
    }

    #[test]
    fn fresh_sales_that_pass_take_the_suspicion_away() {
        let mut suspicion = after((0..500).map(|n| (till(n % 8 + 1), true)));
        (0..49).for_each(|n| suspicion.record(till(n % 8 + 1), false));
        assert!(suspicion.suspect());
        suspicion.record(till(1), false);
        assert!(!suspicion.suspect());
    }
}
