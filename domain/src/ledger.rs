//! The ledger equation: what the broker took of a store must be in its windows, late or rejected.
//! Does not count: reporting brings the sums, from queues that aggregation cannot reach.

use crate::Money;

/// A number of sales and their money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// How much.
    pub amount: Money,
}

/// One store's ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Distinct paid sales on the broker whose window is final.
    pub accepted: Tally,
    /// What the final windows say.
    pub in_windows: Tally,
    /// Late sales of final windows.
    pub late: Tally,
    /// Rejected: the same id with another store or amount.
    pub rejected: Tally,
    /// Distinct paid sales whose window is still open: shown, not balanced.
    pub open: Tally,
}

/// `accepted - (in_windows + late + rejected)`: positive when sales are missing, negative when some count twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imbalance {
    /// In sales.
    pub count: i64,
    /// In cents.
    pub cents: i64,
}

/// A sum of the ledger is out of any till's reach: the books are damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sum of the ledger does not fit; check the reporting store for damage")]
pub struct LedgerOverflow;

impl Tally {
    /// One sale, or a window's worth of them.
    pub const fn new(count: u64, amount: Money) -> Self {
        Self { count, amount }
    }

    /// Both sums.
    ///
    /// # Errors
    /// Either does not fit.
    pub fn plus(self, other: Self) -> Result<Self, LedgerOverflow> {
        let count = self.count.checked_add(other.count).ok_or(LedgerOverflow)?;
        let amount = self.amount.checked_add(other.amount).ok_or(LedgerOverflow)?;
        Ok(Self { count, amount })
    }
}

impl Ledger {
    /// Both sides of the equation, in sales and in cents; never clamped.
    ///
    /// # Errors
    /// A difference does not fit into 64 bits.
    pub fn imbalance(&self) -> Result<Imbalance, LedgerOverflow> {
        let right = [self.in_windows, self.late, self.rejected];
        let counted: i128 = right.iter().map(|tally| i128::from(tally.count)).sum();
        let cents: i128 = right.iter().map(|tally| i128::from(tally.amount.cents())).sum();
        Ok(Imbalance {
            count: i64::try_from(i128::from(self.accepted.count) - counted).map_err(|_| LedgerOverflow)?,
            cents: i64::try_from(i128::from(self.accepted.amount.cents()) - cents).map_err(|_| LedgerOverflow)?,
        })
    }

    /// Whether nothing is missing and nothing counts twice.
    pub fn is_balanced(&self) -> bool {
        self.imbalance() == Ok(Imbalance::default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tally(count: u64, cents: i64) -> Tally {
        Tally::new(count, Money::from_cents(cents))
    }

    fn balanced() -> Ledger {
        Ledger {
            accepted: tally(10, 1_000),
            in_windows: tally(7, 700),
            late: tally(2, 250),
            rejected: tally(1, 50),
            open: tally(99, 9_900),
        }
    }

    #[test]
    fn open_windows_do_not_disturb_the_balance() {
        assert!(balanced().is_balanced());
    }

    #[test]
    fn a_missing_sale_is_positive_and_a_double_one_negative() {
        let missing = Ledger { late: tally(1, 150), ..balanced() };
        let double = Ledger { in_windows: tally(8, 800), ..balanced() };
        assert_eq!(missing.imbalance(), Ok(Imbalance { count: 1, cents: 100 }));
        assert_eq!(double.imbalance(), Ok(Imbalance { count: -1, cents: -100 }));
    }

    #[test]
    fn money_that_is_off_is_seen_although_the_counts_agree() {
        let off = Ledger { in_windows: tally(7, 699), ..balanced() };
        assert!(!off.is_balanced());
    }

    #[test]
    fn sums_out_of_reach_are_an_error_and_no_balance() {
        let absurd = Ledger { accepted: tally(0, i64::MIN), ..balanced() };
        assert_eq!(absurd.imbalance(), Err(LedgerOverflow));
        assert!(!absurd.is_balanced());
        assert_eq!(tally(u64::MAX, 0).plus(tally(1, 0)), Err(LedgerOverflow));
        assert_eq!(tally(1, i64::MAX).plus(tally(1, 1)), Err(LedgerOverflow));
    }

    proptest! {
        #[test]
        fn the_difference_is_exact_or_an_error(sums in any::<[(u64, i64); 4]>()) {
            let [accepted, in_windows, late, rejected] = sums.map(|(count, cents)| tally(count, cents));
            let ledger = Ledger { accepted, in_windows, late, rejected, open: Tally::default() };
            let difference = |of: fn(&(u64, i64)) -> i128| of(&sums[0]) - sums[1..].iter().map(of).sum::<i128>();
            let (count, cents) = (difference(|one| one.0.into()), difference(|one| one.1.into()));
            match ledger.imbalance() {
                Ok(found) => prop_assert_eq!((i128::from(found.count), i128::from(found.cents)), (count, cents)),
                Err(LedgerOverflow) => prop_assert!(i64::try_from(count).is_err() || i64::try_from(cents).is_err()),
            }
        }
    }
}
