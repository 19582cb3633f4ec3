//! What is noted of a sale and of a window, as small as it can be kept for the newest hundreds of thousands.
//! Does not judge what became of a sale; notes only add up what messages said, in whatever order they came.

use std::num::{NonZeroI64, NonZeroU64};

use chrono::{DateTime, Utc};
use tillstream_domain::{AggregatedEvent, Money, PaymentMethod, Sale, SentTotals, StoreId, TransactionId};
use tillstream_messages::ToldAs;

/// What one message said.
#[derive(Debug, Clone)]
pub(crate) enum Note {
    /// The ledger's queue delivered a sale.
    Paid(Published),
    /// It delivered one again that it had counted before, perhaps in another life of the process: when it came, and into which
    /// window, only the first delivery says.
    Again(Published),
    /// It delivered one whose id belongs to another sale.
    Refused(Sale, String),
    /// A failed payment.
    Failed(Published),
    /// A sale whose window was final.
    Late(Sale),
    /// A window's turnover.
    Window(AggregatedEvent),
}

/// A transaction as validation published it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Published {
    pub(crate) sale: Sale,
    pub(crate) sent: SentTotals,
    pub(crate) method: Option<PaymentMethod>,
    pub(crate) trace: Option<u128>,
}

/// A moment in microseconds since the epoch; never 0, so that none takes no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(NonZeroI64);

/// All that is known of one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SaleNote {
    store: StoreId,
    cents: i64,
    timestamp: DateTime<Utc>,
    accepted_at: DateTime<Utc>,
    sent_total: Option<NonZeroI64>,
    sent_receipt_total: Option<NonZeroI64>,
    /// Two halves, because one whole number would be aligned to more than the rest.
    trace: [u64; 2],
    /// When the ledger's queue delivered it first.
    pub(crate) read_at: Option<Moment>,
    /// When reporting read that it is late.
    pub(crate) late_at: Option<Moment>,
    /// When reporting read that the payment failed.
    pub(crate) failed_at: Option<Moment>,
    /// The last sale that was refused for this id.
    pub(crate) refused: Option<Box<Refused>>,
    /// How often the ledger's queue delivered this sale; where no sale of the id counts, those that were refused.
    pub(crate) deliveries: u16,
    pub(crate) method: Option<PaymentMethod>,
}

/// A sale that was refused because its id belongs to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) at: DateTime<Utc>,
    pub(crate) store: StoreId,
    pub(crate) amount: Money,
    /// As which sale the id is known.
    pub(crate) detail: String,
    /// How often a sale was refused for this id, repetitions among them.
    pub(crate) times: u16,
}

/// When a window was told of, and what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WindowNote {
    first: Option<Told>,
    update: Option<Told>,
    last: Option<Told>,
}

/// One event of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) at: Moment,
    pub(crate) cents: i64,
    /// An event counts at least one sale.
    pub(crate) count: NonZeroU64,
}

// === impl Published ===

impl Published {
    /// A transaction without what only its message says.
    pub(crate) fn bare(sale: Sale) -> Self {
        Self { sale, sent: SentTotals::default(), method: None, trace: None }
    }
}

// === impl Moment ===

impl Moment {
    /// To the microsecond.
    pub(crate) fn of(time: DateTime<Utc>) -> Self {
        Self(NonZeroI64::new(time.timestamp_micros()).unwrap_or(NonZeroI64::MIN))
    }

    /// The time again.
    pub(crate) fn time(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.get()).unwrap_or_default()
    }
}

// === impl SaleNote ===

impl SaleNote {
    /// Nothing has happened to it yet.
    pub(crate) fn of(sale: &Sale) -> Self {
        Self {
            store: sale.store,
            cents: sale.amount.cents(),
            timestamp: sale.timestamp,
            accepted_at: sale.accepted_at,
            sent_total: None,
            sent_receipt_total: None,
            trace: [0; 2],
            read_at: None,
            late_at: None,
            failed_at: None,
            refused: None,
            deliveries: 0,
            method: None,
        }
    }

    /// Whether a sale of this id counts; else its payment failed or it was refused.
    pub(crate) const fn counts(&self) -> bool {
        self.read_at.is_some() || self.late_at.is_some()
    }

    /// The sale.
    pub(crate) fn sale(&self, id: TransactionId) -> Sale {
        let amount = Money::from_cents(self.cents);
        Sale { id, store: self.store, timestamp: self.timestamp, accepted_at: self.accepted_at, amount }
    }

    /// What the till had sent instead.
    pub(crate) fn sent(&self) -> SentTotals {
        let money = |cents: Option<NonZeroI64>| cents.map(|cents| Money::from_cents(cents.get()));
        SentTotals { total: money(self.sent_total), receipt_total: money(self.sent_receipt_total) }
    }

    /// The trace that the message belonged to.
    pub(crate) fn trace_id(&self) -> Option<u128> {
        let [high, low] = self.trace.map(u128::from);
        Some(high << 64 | low).filter(|trace| *trace != 0)
    }

    pub(crate) fn paid(&mut self, published: &Published, at: DateTime<Utc>) {
        if self.read_at.is_none() {
            self.describe(published);
            self.read_at = Some(Moment::of(at));
            // Those of refused sales are none of this one.
            self.deliveries = 0;
        }
        self.deliveries = self.deliveries.saturating_add(1);
    }

    pub(crate) fn late(&mut self, sale: &Sale, at: DateTime<Utc>) {
        if !self.counts() {
            self.take(sale);
            self.deliveries = 0;
        }
        self.late_at.get_or_insert(Moment::of(at));
    }

    pub(crate) fn failed(&mut self, published: &Published, at: DateTime<Utc>) {
        if self.failed_at.is_none() && !self.counts() {
            self.describe(published);
            self.deliveries = 0;
        }
        self.failed_at.get_or_insert(Moment::of(at));
    }

    pub(crate) fn refused(&mut self, sale: &Sale, detail: String, at: DateTime<Utc>) {
        let times = self.refused.as_ref().map_or(0, |refused| refused.times).saturating_add(1);
        if !self.counts() && self.failed_at.is_none() {
            self.deliveries = times;
        }
        self.refused = Some(Box::new(Refused { at, store: sale.store, amount: sale.amount, detail, times }));
    }

    fn take(&mut self, sale: &Sale) {
        *self = Self {
            read_at: self.read_at,
            late_at: self.late_at,
            failed_at: self.failed_at,
            refused: self.refused.take(),
            deliveries: self.deliveries,
            ..Self::of(sale)
        };
    }

    fn describe(&mut self, published: &Published) {
        self.take(&published.sale);
        let cents = |sent: Option<Money>| sent.and_then(|sent| NonZeroI64::new(sent.cents()));
        (self.sent_total, self.sent_receipt_total) = (cents(published.sent.total), cents(published.sent.receipt_total));
        self.method = published.method;
        let trace = published.trace.unwrap_or_default();
        self.trace = [(trace >> 64) as u64, trace as u64];
    }
}

// === impl WindowNote ===

impl WindowNote {
    /// Takes note of an event; one that says no more than is known is a repetition.
    pub(crate) fn tell(&mut self, event: &AggregatedEvent, at: DateTime<Utc>) {
        let Some(count) = NonZeroU64::new(event.transaction_count) else { return };
        let told = Told { at: Moment::of(at), cents: event.total_amount.cents(), count };
        if event.is_final {
            self.last.get_or_insert(told);
            return;
        }
        let known = self.update.or(self.first);
        match known {
            None => self.first = Some(told),
            Some(known) if known.count < told.count => self.update = Some(told),
            Some(_) => {}
        }
    }

    /// In their order.
    pub(crate) fn told(&self) -> impl Iterator<Item = (ToldAs, Told)> {
        let events = [(ToldAs::First, self.first), (ToldAs::Update, self.update), (ToldAs::Final, self.last)];
        events.into_iter().filter_map(|(kind, told)| Some((kind, told?)))
    }

    /// When the event of this rank was read.
    pub(crate) fn read_at(&self, event: &AggregatedEvent) -> Option<DateTime<Utc>> {
        let is_it = |(kind, told): &(ToldAs, Told)| {
            told.count.get() == event.transaction_count && (*kind == ToldAs::Final) == event.is_final
        };
        self.told().find(is_it).map(|(_, told)| told.at.time())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs and settings say how much memory a sale takes: look there when this changes.
    #[test]
    fn a_note_stays_small() {
        assert_eq!(size_of::<SaleNote>(), 104);
        assert_eq!(size_of::<WindowNote>(), 72);
    }
}
