//! One window while it grows, and the decision that it becomes.
//! Does not know when it is due.

use chrono::{DateTime, Utc};

use super::rules::{WindowRules, time_of};
use crate::{AggregatedEvent, Money, Sale, StoreId, TransactionId};

/// Names one delivery of a sale; whoever delivered it is told once the sale is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SaleTag {
    /// Deliveries of different epochs may be of the same sale without being a duplicate: it was delivered again.
    pub epoch: u32,
    /// Within one epoch every message has its own number.
    pub number: u64,
}

impl SaleTag {
    /// The epoch of copies on the caller's own disk. One sale may have several: it was copied, delivered again and copied
    /// again. None of them may be settled before the sale is, because after a restart another one may be told first.
    pub const COPIES: u32 = 0;
}

/// What a window keeps of a sale that it counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoldedSale {
    /// Which.
    pub id: TransactionId,
    /// How much.
    pub amount: Money,
    /// The newest delivery of it.
    pub tag: SaleTag,
}

/// The decision that a window is final: what cannot be taken back once it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalWindow {
    /// Tells this decision from another one about the same window, made by whoever held the store before.
    pub decision: u64,
    /// What had been decided of the store before: windows that end until then. Stored before those are, this decision
    /// would take their place.
    pub follows: Option<DateTime<Utc>>,
    /// The event, as it will be published.
    pub event: AggregatedEvent,
    /// Everything that it counts.
    pub sales: Vec<FoldedSale>,
    /// Older deliveries of these sales.
    pub older_tags: Vec<SaleTag>,
}

/// A window that still takes sales.
#[derive(Debug)]
pub(super) struct OpenWindow {
    pub(super) sales: Vec<FoldedSale>,
    pub(super) older_tags: Vec<SaleTag>,
    /// Count and time (since start) of the last event that was not final.
    pub(super) emitted: Option<(usize, i64)>,
    total: Money,
    begin: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl OpenWindow {
    pub(super) fn new(first_at: DateTime<Utc>) -> Self {
        let (begin, end) = (first_at, first_at);
        Self { sales: Vec::new(), older_tags: Vec::new(), emitted: None, total: Money::ZERO, begin, end }
    }

    /// Counts a sale and returns its position.
    pub(super) fn push(&mut self, sale: &Sale, tag: SaleTag) -> u32 {
        self.total = self.total.checked_add(sale.amount).expect("memory ends before a window's total does");
        self.begin = self.begin.min(sale.timestamp);
        self.end = self.end.max(sale.timestamp);
        self.sales.push(FoldedSale { id: sale.id, amount: sale.amount, tag });
        u32::try_from(self.sales.len() - 1).expect("memory ends before a window's count does")
    }

    pub(super) fn event(&self, store: StoreId, start_ms: i64, rules: &WindowRules, is_final: bool) -> AggregatedEvent {
        let window_start = time_of(start_ms);
        let transaction_count = self.sales.len() as u64;
        AggregatedEvent {
            total_amount: self.total,
            event_id: AggregatedEvent::id_of(store, window_start, transaction_count, is_final),
            store_id: store,
            begin_stream_aggregator: self.begin,
            end_stream_aggregator: self.end,
            window_start,
            window_end: time_of(rules.end_of(start_ms)),
            transaction_count,
            is_final,
            currency: rules.currency.to_string(),
        }
    }
}
