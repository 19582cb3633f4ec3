//! One store's own side of the ledger: all sales that were ever accepted, and which of them lie in windows that are still open.
//! Does not know how a window becomes final; it is told until when all windows are.

use std::collections::BTreeMap;

use tillstream_domain::{Ledger, LedgerOverflow, Money, StoreId, Tally};
use tillstream_messages::StoreLedger;

use super::minute::Minute;
use crate::storage::Fields;
use crate::turnover::StoreFigures;

/// Distinct sales, and how many of them are rejected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Distinct paid sales, the rejected ones among them.
    pub(crate) accepted: Tally,
    /// Those with the id of another sale.
    pub(crate) rejected: Tally,
}

/// One store's own side.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoreSide {
    /// Of all time.
    pub(crate) total: Counted,
    /// By window start: the part of `total` that is not balanced yet.
    pub(crate) open: BTreeMap<i64, Counted>,
    /// What was counted during the last minute.
    pub(crate) minute: Minute,
}

impl Counted {
    /// Counts one more distinct sale.
    pub(crate) fn add(&mut self, amount: Money, is_rejected: bool) {
        add_one(&mut self.accepted, amount);
        if is_rejected {
            add_one(&mut self.rejected, amount);
        }
    }

    /// Without conflicts.
    pub(crate) fn paid(&self) -> Tally {
        minus(self.accepted, self.rejected)
    }

    /// What has come to an older count.
    pub(crate) fn paid_beyond(&self, older: Self) -> Tally {
        minus(self.paid(), older.paid())
    }

    /// As it is stored.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut record = Vec::with_capacity(32);
        for tally in [self.accepted, self.rejected] {
            record.extend(tally.count.to_be_bytes());
            record.extend(tally.amount.cents().to_be_bytes());
        }
        record
    }

    /// Reads what [`Self::encode`] wrote; `None` when damaged.
    pub(crate) fn decode(record: &[u8]) -> Option<Self> {
        let mut fields = Fields(record);
        let mut tally = || Some(Tally::new(fields.u64()?, Money::from_cents(fields.i64()?)));
        Some(Self { accepted: tally()?, rejected: tally()? })
    }

    fn minus(self, other: Self) -> Self {
        Self { accepted: minus(self.accepted, other.accepted), rejected: minus(self.rejected, other.rejected) }
    }
}

impl StoreSide {
    /// Takes the windows that end until then out of the open ones: from now on they are balanced.
    pub(crate) fn settle(&mut self, final_until: i64, window_micros: i64) -> Vec<i64> {
        let is_final = |start: i64| start.saturating_add(window_micros) <= final_until;
        let settled: Vec<i64> = self.open.keys().copied().take_while(|start| is_final(*start)).collect();
        for start in &settled {
            self.open.remove(start);
        }
        settled
    }

    /// Both sides of the equation.
    pub(crate) fn line(&self, store: StoreId, figures: &StoreFigures) -> Result<StoreLedger, LedgerOverflow> {
        let open = self.open()?;
        let settled = self.total.minus(open);
        let ledger = Ledger {
            accepted: settled.accepted,
            in_windows: figures.in_windows(),
            late: figures.late,
            rejected: settled.rejected,
            open: open.accepted,
        };
        let imbalance = ledger.imbalance()?;
        Ok(StoreLedger {
            store,
            accepted: pair(ledger.accepted),
            in_windows: pair(ledger.in_windows),
            late: pair(ledger.late),
            rejected: pair(ledger.rejected),
            open: pair(ledger.open),
            open_starts: self.open_starts(),
            imbalance_count: imbalance.count,
            imbalance_cents: imbalance.cents,
        })
    }

    fn open_starts(&self) -> Option<(i64, i64)> {
        Some((*self.open.first_key_value()?.0, *self.open.last_key_value()?.0))
    }

    fn open(&self) -> Result<Counted, LedgerOverflow> {
        let mut sum = Counted::default();
        for window in self.open.values() {
            sum.accepted = sum.accepted.plus(window.accepted)?;
            sum.rejected = sum.rejected.plus(window.rejected)?;
        }
        Ok(sum)
    }
}

const fn pair(tally: Tally) -> (u64, Money) {
    (tally.count, tally.amount)
}

/// Saturating: a sale is below 10^9, so no chain reaches the bound, and a hostile one must not panic.
fn add_one(tally: &mut Tally, amount: Money) {
    let cents = tally.amount.cents().saturating_add(amount.cents());
    *tally = Tally::new(tally.count.saturating_add(1), Money::from_cents(cents));
}

fn minus(whole: Tally, part: Tally) -> Tally {
    debug_assert!(whole.count >= part.count);
    let cents = whole.amount.cents().saturating_sub(part.amount.cents());
    Tally::new(whole.count.saturating_sub(part.count), Money::from_cents(cents))
}
