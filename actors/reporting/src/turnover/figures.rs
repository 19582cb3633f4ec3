//! Per-store sums over all final windows, kept up to date so that no question has to read rows.
//! Does not forget with retention: a deleted row stays counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;
use tillstream_domain::{AggregatedEvent, Money, StoreId, Tally};

use crate::storage::Fields;

/// What final windows of one store say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreFigures {
    /// All windows that end until then are final, in microseconds since the epoch: aggregation decides a store's windows in order,
    /// so a final one proves those before it, also those that never had a sale.
    pub(crate) final_until: i64,
    /// What final events count.
    pub(crate) in_finals: Tally,
    /// Late sales.
    pub(crate) late: Tally,
    /// Failed payments.
    pub(crate) failed: u64,
    /// Windows without a final event, by their start: their ends and what their newest events count.
    pub(crate) tentative: BTreeMap<i64, (i64, Tally)>,
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
        Self {
            final_until: i64::MIN,
            in_finals: Tally::default(),
            late: Tally::default(),
            failed: 0,
            tentative: BTreeMap::new(),
        }
    }
}

impl StoreFigures {
    /// What the rows of all windows count that are final by now. A row that shows no final event though later windows of the
    /// store are final counts as it stands: turnover shows it, so it must balance.
    pub(crate) fn in_windows(&self) -> Tally {
        let ended = self.tentative.values().filter(|(end, _)| *end <= self.final_until);
        ended.fold(self.in_finals, |sum, (_, tally)| plus(sum, 1, *tally))
    }

    /// What the rows of all windows say, late sales among it, whether they are final or not.
    pub(crate) fn shown(&self) -> Tally {
        self.tentative.values().fold(plus(self.in_finals, 1, self.late), |sum, (_, tally)| plus(sum, 1, *tally))
    }

    /// An event took the place of another one of its window.
    pub(crate) fn replace(&mut self, old: Option<&AggregatedEvent>, new: &AggregatedEvent) {
        let (start, end) = (new.window_start.timestamp_micros(), new.window_end.timestamp_micros());
        if !new.is_final {
            self.tentative.insert(start, (end, tally_of(new)));
            return;
        }
        self.tentative.remove(&start);
        if let Some(old) = old.filter(|old| old.is_final) {
            self.in_finals = plus(self.in_finals, -1, tally_of(old));
        }
        self.in_finals = plus(self.in_finals, 1, tally_of(new));
        self.final_until = self.final_until.max(end);
    }

    /// A late sale; that it is late proves that its window is final.
    pub(crate) fn add_late(&mut self, amount: Money, window_end: i64) {
        let cents = self.late.amount.cents().saturating_add(amount.cents());
        self.late = Tally::new(self.late.count.saturating_add(1), Money::from_cents(cents));
        self.final_until = self.final_until.max(window_end);
    }

    /// As it is stored.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut record = Vec::with_capacity(48 + self.tentative.len() * 32);
        record.extend(self.final_until.to_be_bytes());
        put(&mut record, self.in_finals);
        put(&mut record, self.late);
        record.extend(self.failed.to_be_bytes());
        for (start, (end, tally)) in &self.tentative {
            record.extend(start.to_be_bytes());
            record.extend(end.to_be_bytes());
            put(&mut record, *tally);
        }
        record
    }

    /// Reads what [`Self::encode`] wrote; `None` when damaged.
    pub(crate) fn decode(record: &[u8]) -> Option<Self> {
        let mut fields = Fields(record);
        let final_until = fields.i64()?;
        let (in_finals, late) = (take(&mut fields)?, take(&mut fields)?);
        let failed = fields.u64()?;
        let mut tentative = BTreeMap::new();
        while !fields.0.is_empty() {
            let (start, end) = (fields.i64()?, fields.i64()?);
            tentative.insert(start, (end, take(&mut fields)?));
        }
        Some(Self { final_until, in_finals, late, failed, tentative })
    }
}

fn tally_of(event: &AggregatedEvent) -> Tally {
    Tally::new(event.transaction_count, event.total_amount)
}

fn put(record: &mut Vec<u8>, tally: Tally) {
    record.extend(tally.count.to_be_bytes());
    record.extend(tally.amount.cents().to_be_bytes());
}

fn take(fields: &mut Fields<'_>) -> Option<Tally> {
    Some(Tally::new(fields.u64()?, Money::from_cents(fields.i64()?)))
}

/// Adds or takes away. Saturating: no chain reaches the bound, and a hostile event must not panic.
pub(super) fn plus(sum: Tally, sign: i64, tally: Tally) -> Tally {
    let count = i64::try_from(tally.count).unwrap_or(i64::MAX);
    let cents = tally.amount.cents().saturating_mul(sign);
    let total = sum.amount.cents().saturating_add(cents);
    Tally::new(sum.count.saturating_add_signed(count.saturating_mul(sign)), Money::from_cents(total))
}
