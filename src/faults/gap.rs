//! By how much more each store's ledger is out of balance than it was.
//! Stores do not make up for each other, and what is only under way in one is not taken for a loss.

use std::collections::BTreeMap;

use tillstream_domain::StoreId;
use tillstream_messages::StoreLedger;

use super::verdict::Difference;

/// The imbalance of every store that has one; positive where sales are missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Imbalances(BTreeMap<StoreId, Difference>);

/// What is missing and what is too much in each store, beyond what was before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gap(BTreeMap<StoreId, Sides>);

/// One store's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sides {
    lost: Difference,
    double: Difference,
}

// === impl Imbalances ===

impl Imbalances {
    /// As the ledger says.
    pub(super) fn of(stores: &[StoreLedger]) -> Self {
        let imbalance = |line: &StoreLedger| Difference { count: line.imbalance_count, cents: line.imbalance_cents };
        let all = stores.iter().map(|line| (line.store, imbalance(line)));
        Self(all.filter(|(_, imbalance)| *imbalance != Difference::NONE).collect())
    }

    /// What is missing and what is too much now and was not before; the ledger catching up is no gain.
    pub(super) fn beyond(&self, before: &Self) -> Gap {
        let sides = self.0.iter().map(|(store, now)| {
            let then = before.0.get(store).copied().unwrap_or_default();
            let lost = now.missing().more_than(then.missing());
            (*store, Sides { lost, double: now.surplus().more_than(then.surplus()) })
        });
        Gap(sides.filter(|(_, sides)| *sides != Sides::default()).collect())
    }
}

// === impl Gap ===

impl Gap {
    /// Whether nothing is missing and nothing too much.
    pub(super) fn is_even(&self) -> bool {
        self.0.is_empty()
    }

    /// What is missing and what is too much in all stores together.
    pub(super) fn sums(&self) -> (Difference, Difference) {
        let add = |sum: Difference, more: Difference| Difference {
            count: sum.count.saturating_add(more.count),
            cents: sum.cents.saturating_add(more.cents),
        };
        self.0.values().fold((Difference::NONE, Difference::NONE), |(lost, double), store| {
            (add(lost, store.lost), add(double, store.double))
        })
    }

    /// What is in both: a sale that was only under way at one look is not missing at the other.
    pub(super) fn in_common(&self, other: &Self) -> Self {
        let common = self.0.iter().filter_map(|(store, one)| {
            let two = other.0.get(store)?;
            Some((*store, Sides { lost: one.lost.least(two.lost), double: one.double.least(two.double) }))
        });
        Self(common.filter(|(_, sides)| *sides != Sides::default()).collect())
    }
}

// === impl Difference ===

impl Difference {
    fn missing(self) -> Self {
        Self { count: self.count.max(0), cents: self.cents.max(0) }
    }

    fn surplus(self) -> Self {
        Self { count: self.count.min(0).saturating_neg(), cents: self.cents.min(0).saturating_neg() }
    }

    fn more_than(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_sub(other.count).max(0),
            cents: self.cents.saturating_sub(other.cents).max(0),
        }
    }

    fn least(self, other: Self) -> Self {
        Self { count: self.count.min(other.count), cents: self.cents.min(other.cents) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imbalances(of: &[(u32, i64, i64)]) -> Imbalances {
        let entry = |&(store, count, cents): &(u32, i64, i64)| {
            (StoreId::from_number(store).unwrap(), Difference { count, cents })
        };
        Imbalances(of.iter().map(entry).collect())
    }

    fn sums(now: &[(u32, i64, i64)], before: &[(u32, i64, i64)]) -> ((i64, i64), (i64, i64)) {
        let (lost, double) = imbalances(now).beyond(&imbalances(before)).sums();
        ((lost.count, lost.cents), (double.count, double.cents))
    }

    #[test]
    fn stores_do_not_make_up_for_each_other() {
        assert_eq!(sums(&[(1, 2, 500), (2, -1, -500)], &[]), ((2, 500), (1, 500)));
    }

    #[test]
    fn what_was_before_is_not_counted_and_catching_up_is_no_gain() {
        assert_eq!(sums(&[(1, 3, 900)], &[(1, 3, 900)]), ((0, 0), (0, 0)));
        assert_eq!(sums(&[(1, 3, 900), (2, 1, 50)], &[(1, 1, 300)]), ((3, 650), (0, 0)));
        assert_eq!(sums(&[(1, 1, 100)], &[(1, 5, 900), (2, 7, 70)]), ((0, 0), (0, 0)));
    }

    #[test]
    fn a_wrong_price_shows_without_a_missing_sale() {
        assert_eq!(sums(&[(1, 0, 25)], &[]), ((0, 25), (0, 0)));
    }

    #[test]
    fn sales_that_are_under_way_in_other_stores_each_time_are_not_in_common() {
        let none = Imbalances::default();
        let first = imbalances(&[(1, 1, 100), (3, 2, 700)]).beyond(&none);
        let second = imbalances(&[(2, 1, 100), (3, 1, 300)]).beyond(&none);
        assert_eq!(first.in_common(&second), imbalances(&[(3, 1, 300)]).beyond(&none));
        assert!(first.in_common(&imbalances(&[(2, 9, 9)]).beyond(&none)).is_even());
    }
}
