//! Per-store sums over all final windows, kept up to date so that no question has to read rows.
//! Does not forget with retention: a deleted row stays counted.

use std::sync::Arc;

use ahash::AHashMap;
use tillstream_domain::{AggregatedEvent, Money, StoreId, Tally};

use crate::storage::Fields;

/// What final windows of one store say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreFigures {
    /// All windows that end until then are final, in microseconds since the epoch: aggregation decides a store's windows in order,
    /// so a final one proves those before it, also those that never had a sale.
    pub(crate) final_until: i64,
    /// In final windows.
    pub(crate) in_windows: Tally,
    /// Late sales.
    pub(crate) late: Tally,
    /// Failed payments.
    pub(crate) failed: u64,
}

/// The figures of all stores at one moment; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    /// By store.
    pub(crate) stores: Arc<AHashMap<StoreId, StoreFigures>>,
    /// Messages that could not be read.
    pub(crate) poison: u64,
}

impl Default for StoreFigures {
    fn default() -> Self {
        Self { final_until: i64::MIN, in_windows: Tally::default(), late: Tally::default(), failed: 0 }
    }
}

impl StoreFigures {
    /// An event took the place of another one of its window.
    pub(crate) fn replace(&mut self, old: Option<&AggregatedEvent>, new: &AggregatedEvent) {
        if !new.is_final {
            return;
        }
        if let Some(old) = old.filter(|old| old.is_final) {
            self.in_windows = plus(self.in_windows, -1, old);
        }
        self.in_windows = plus(self.in_windows, 1, new);
        self.final_until = self.final_until.max(new.window_end.timestamp_micros());
    }

    /// A late sale; that it is late proves that its window is final.
    pub(crate) fn add_late(&mut self, amount: Money, window_end: i64) {
        let cents = self.late.amount.cents().saturating_add(amount.cents());
        self.late = Tally::new(self.late.count.saturating_add(1), Money::from_cents(cents));
        self.final_until = self.final_until.max(window_end);
    }

    /// As it is stored.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut record = Vec::with_capacity(48);
        record.extend(self.final_until.to_be_bytes());
        for tally in [self.in_windows, self.late] {
            record.extend(tally.count.to_be_bytes());
            record.extend(tally.amount.cents().to_be_bytes());
        }
        record.extend(self.failed.to_be_bytes());
        record
    }

    /// Reads what [`Self::encode`] wrote; `None` when damaged.
    pub(crate) fn decode(record: &[u8]) -> Option<Self> {
        let mut fields = Fields(record);
        let final_until = fields.i64()?;
        let mut tally = || Some(Tally::new(fields.u64()?, Money::from_cents(fields.i64()?)));
        Some(Self { final_until, in_windows: tally()?, late: tally()?, failed: fields.u64()? })
    }
}

/// Adds or takes away one event. Saturating: no chain reaches the bound, and a hostile event must not panic.
fn plus(sum: Tally, sign: i64, event: &AggregatedEvent) -> Tally {
    let count = i64::try_from(event.transaction_count).unwrap_or(i64::MAX);
    let cents = event.total_amount.cents().saturating_mul(sign);
    let total = sum.amount.cents().saturating_add(cents);
    Tally::new(sum.count.saturating_add_signed(count.saturating_mul(sign)), Money::from_cents(total))
}
