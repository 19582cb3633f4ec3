//! The essence of every sale that is not settled yet: those that the flow holds, by delivery number, and the journalled.
//! Plain memory, one slot per delivery, so that a million of them fit into a hundred megabytes. Acknowledges nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tillstream_domain::{RejectedMessage, Sale, SaleTag};

use crate::messages::{JOURNAL_EPOCH, ToldSale};

/// What is delivered and not settled.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    epoch: u32,
    /// Delivery number of the first slot.
    first: u64,
    slots: VecDeque<Option<Kept>>,
    live: usize,
    /// Messages that cannot be read, until their rejection is published.
    poison: BTreeMap<u64, RejectedMessage>,
    /// Acknowledged, on disk, not decided; by their number in the journal.
    journal: BTreeMap<u64, Sale>,
    /// Numbers under which the journal may have a copy of what the flow still holds, until it is known to have none.
    spare: BTreeSet<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    sale: Sale,
    redelivered: bool,
}

impl Unsettled {
    /// The flow is bound anew: everything that it held comes again.
    pub(crate) fn bound(&mut self, epoch: u32) {
        let (journal, spare) = (std::mem::take(&mut self.journal), std::mem::take(&mut self.spare));
        *self = Self { epoch, journal, spare, ..Self::default() };
    }

    /// Which binding the slots belong to.
    pub(crate) const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Keeps a delivered sale. Numbers grow; one that comes twice is kept once.
    pub(crate) fn keep(&mut self, told: &ToldSale) {
        let number = told.tag.number;
        if self.slots.is_empty() {
            self.first = number;
        }
        let Some(offset) = number.checked_sub(self.first).and_then(|offset| usize::try_from(offset).ok()) else {
            return;
        };
        while self.slots.len() <= offset {
            self.slots.push_back(None);
        }
        let kept = Kept { sale: told.sale, redelivered: told.redelivered };
        if self.slots[offset].replace(kept).is_none() {
            self.live += 1;
        }
    }

    /// Keeps a message that cannot be read.
    pub(crate) fn keep_poison(&mut self, number: u64, message: RejectedMessage) {
        self.poison.insert(number, message);
    }

    /// Forgets a delivery. True when the flow has to be told.
    pub(crate) fn settle(&mut self, tag: SaleTag) -> bool {
        if tag.epoch == JOURNAL_EPOCH {
            self.journal.remove(&tag.number);
            self.spare.remove(&tag.number);
            return false;
        }
        tag.epoch == self.epoch && (self.remove(tag.number).is_some() || self.poison.remove(&tag.number).is_some())
    }

    /// What the flow holds.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.live + self.poison.len()
    }

    /// The older half of the sales that the flow holds, to be journalled.
    pub(crate) fn older_half(&self) -> Vec<(SaleTag, Sale)> {
        self.delivered().take(self.live.div_ceil(2)).map(|told| (told.tag, told.sale)).collect()
    }

    /// A sale is on disk under this number. True when the flow still holds it and has to be told.
    pub(crate) fn journalled(&mut self, from: SaleTag, number: u64, sale: Sale) -> bool {
        self.journal.insert(number, sale);
        from.epoch == self.epoch && self.remove(from.number).is_some()
    }

    /// Nobody knows whether the journal has copies under these numbers, and nobody needs them.
    pub(crate) fn keep_spare(&mut self, numbers: impl Iterator<Item = u64>) {
        self.spare.extend(numbers);
    }

    /// Names of copies in the journal that are to be forgotten.
    pub(crate) fn spare(&self) -> Vec<SaleTag> {
        self.spare.iter().map(|&number| journal_tag(number)).collect()
    }

    /// All of them, oldest first: the journal, then the flow's.
    pub(crate) fn told(&self) -> impl Iterator<Item = ToldSale> {
        let journal =
            self.journal.iter().map(|(&number, &sale)| ToldSale { sale, tag: journal_tag(number), redelivered: true });
        journal.chain(self.delivered())
    }

    /// Messages that wait for their rejection.
    pub(crate) fn poison(&self) -> impl Iterator<Item = (SaleTag, &RejectedMessage)> {
        self.poison.iter().map(|(&number, message)| (SaleTag { epoch: self.epoch, number }, message))
    }

    fn delivered(&self) -> impl Iterator<Item = ToldSale> {
        let slots = self.slots.iter().zip(self.first..);
        slots.filter_map(|(slot, number)| {
            let Kept { sale, redelivered } = (*slot)?;
            Some(ToldSale { sale, tag: SaleTag { epoch: self.epoch, number }, redelivered })
        })
    }

    fn remove(&mut self, number: u64) -> Option<Sale> {
        let offset = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let kept = self.slots.get_mut(offset)?.take()?;
        self.live -= 1;
        while matches!(self.slots.front(), Some(None)) {
            self.slots.pop_front();
            self.first += 1;
        }
        Some(kept.sale)
    }
}

/// The name of a journalled sale.
pub(crate) const fn journal_tag(number: u64) -> SaleTag {
    SaleTag { epoch: JOURNAL_EPOCH, number }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use tillstream_domain::{Money, StoreId, TransactionId};
    use uuid::Uuid;

    use super::*;

    fn told(number: u64) -> ToldSale {
        let time = DateTime::UNIX_EPOCH;
        let sale = Sale {
            id: TransactionId::new(Uuid::from_u128(number.into())),
            store: StoreId::from_number(1).unwrap(),
            timestamp: time,
            accepted_at: time,
            amount: Money::from_cents(1),
        };
        ToldSale { sale, tag: SaleTag { epoch: 1, number }, redelivered: false }
    }

    fn kept_for_test(numbers: std::ops::RangeInclusive<u64>) -> Unsettled {
        let mut unsettled = Unsettled::default();
        unsettled.bound(1);
        numbers.for_each(|number| unsettled.keep(&told(number)));
        unsettled
    }

    #[test]
    fn settling_in_any_order_leaves_nothing_and_acknowledges_each_once() {
        let mut unsettled = kept_for_test(1..=4);
        for number in [3, 1, 4, 2] {
            assert!(unsettled.settle(SaleTag { epoch: 1, number }));
            assert!(!unsettled.settle(SaleTag { epoch: 1, number }));
        }
        assert_eq!((unsettled.unacknowledged(), unsettled.slots.len()), (0, 0));
    }

    #[test]
    fn a_journalled_sale_outlives_a_new_binding_and_the_others_come_again() {
        let mut unsettled = kept_for_test(1..=4);
        for (tag, sale) in unsettled.older_half() {
            assert!(unsettled.journalled(tag, 100 + tag.number, sale));
        }
        assert_eq!(unsettled.unacknowledged(), 2);
        unsettled.bound(2);
        let left: Vec<_> = unsettled.told().map(|told| told.tag).collect();
        assert_eq!(left, [journal_tag(101), journal_tag(102)]);
    }

    #[test]
    fn a_million_unsettled_sales_cost_less_than_a_hundred_and_fifty_megabytes() {
        assert!(size_of::<Option<Kept>>() <= 72, "a queue that has just doubled has two slots per sale");
    }
}
