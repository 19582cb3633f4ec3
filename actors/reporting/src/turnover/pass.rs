//! One pass over a batch of messages: reads what they touch, folds them in order, writes everything in one synced commit.
//! Does not acknowledge; a pass over the same messages again changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use ahash::AHashMap;
use chrono::{DateTime, Utc};
use tillstream_domain::{
    AggregatedEvent, LateSale, PoisonPayload, RejectedMessage, Sale, SentTotals, StoreId, TopicKind, TransactionId,
    rfc3339,
};
use tillstream_messages::{InboundMessage, TraceContext};
use tillstream_traces::{Correlation, Step};
use uuid::Uuid;

use super::figures::StoreFigures;
use super::keys::RowKey;
use super::row::Row;
use super::store::{TurnoverStore, day_of};
use crate::consumer::Written;
use crate::error::StoreError;
use crate::journey::{Note, Published};
use crate::rejects::Reject;
use crate::settings::ReportingPlan;
use crate::storage;

/// What a pass has changed, for the copy in memory.
#[derive(Debug, Default)]
pub(crate) struct TurnoverChange {
    /// New figures of every store that was touched.
    pub(crate) figures: Vec<(StoreId, StoreFigures)>,
    /// Every row that was touched, as it is now.
    pub(crate) rows: Vec<(RowKey, Row)>,
    /// Messages that could not be read, of all time.
    pub(crate) poison: u64,
}

/// What was read and changed so far, on top of what is on disk.
pub(crate) struct Pass<'a> {
    store: &'a TurnoverStore,
    plan: &'a ReportingPlan,
    today: u32,
    rows: BTreeMap<RowKey, Row>,
    changed: BTreeSet<RowKey>,
    late: BTreeSet<[u8; 28]>,
    seen: BTreeSet<Uuid>,
    figures: AHashMap<StoreId, StoreFigures>,
    poison: u64,
    rejects: Vec<Reject>,
    notes: Vec<Note>,
}

impl<'a> Pass<'a> {
    /// Nothing is read yet.
    pub(crate) fn new(
        store: &'a TurnoverStore,
        plan: &'a ReportingPlan,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            store,
            plan,
            today: day_of(now),
            rows: BTreeMap::new(),
            changed: BTreeSet::new(),
            late: BTreeSet::new(),
            seen: BTreeSet::new(),
            figures: AHashMap::new(),
            poison: store.poison()?,
            rejects: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// Folds one message.
    pub(crate) fn fold(&mut self, message: &InboundMessage) -> Result<(), StoreError> {
        match read(message, self.plan) {
            Ok(Fact::Window(event)) => self.fold_event(event),
            Ok(Fact::Late(late)) => self.fold_late(&late),
            Ok(Fact::Failed(store, id)) => {
                self.note_failed(message);
                self.fold_failed(store, id)
            }
            Err(error) => self.reject(message, &error),
        }
    }

    /// Writes everything in one synced commit.
    pub(crate) fn commit(mut self) -> Result<Written<TurnoverChange>, StoreError> {
        let mut batch = self.store.db.batch();
        for key in &self.changed {
            batch.insert(&self.store.rows, key.bytes(), self.rows[key].encode());
            batch.insert(&self.store.by_store, key.by_store(), []);
            batch.insert(&self.store.expiry, key.expiry(self.today), []);
        }
        for key in &self.late {
            batch.insert(&self.store.late, *key, []);
        }
        for id in &self.seen {
            self.store.seen.put(&mut batch, *id, &[]);
        }
        for (store, figures) in &self.figures {
            batch.insert(&self.store.figures, store.number().to_be_bytes(), figures.encode());
        }
        self.store.put_poison(&mut batch, self.poison);
        storage::commit(batch, &self.store.gate)?;
        self.rows.retain(|key, _| self.changed.contains(key));
        let (figures, rows) = (self.figures.into_iter().collect(), self.rows.into_iter().collect());
        let change = TurnoverChange { figures, rows, poison: self.poison };
        Ok(Written { change, rejects: self.rejects, notes: self.notes })
    }

    fn fold_event(&mut self, event: AggregatedEvent) -> Result<(), StoreError> {
        self.notes.push(Note::Window(event.clone()));
        let key = RowKey::new(event.window_start.timestamp_micros(), event.store_id);
        let known = self.row(key)?.event.clone();
        if known.as_ref().is_some_and(|known| known.rank() >= event.rank()) {
            return Ok(());
        }
        self.figures(event.store_id)?.replace(known.as_ref(), &event);
        let row = self.change(key)?;
        row.window_end = event.window_end.timestamp_micros();
        row.event = Some(event);
        Ok(())
    }

    fn fold_late(&mut self, late: &LateSale) -> Result<(), StoreError> {
        self.notes.push(Note::Late(late.sale));
        let key = RowKey::new(late.window_start.timestamp_micros(), late.sale.store);
        let mark = key.late(late.sale.id);
        if self.late.contains(&mark) || self.store.late.contains_key(mark)? {
            return Ok(());
        }
        self.late.insert(mark);
        let window_end = late.window_end.timestamp_micros();
        self.figures(late.sale.store)?.add_late(late.sale.amount, window_end);
        let row = self.change(key)?;
        row.late_count = row.late_count.saturating_add(1);
        row.late_cents = row.late_cents.saturating_add(late.sale.amount.cents());
        row.window_end = window_end;
        Ok(())
    }

    /// The payload says more than is counted; where it cannot be read, nobody can ask for the payment.
    fn note_failed(&mut self, message: &InboundMessage) {
        let Ok(sale) = Sale::from_failed_payment(&message.payload) else { return };
        let trace = message.trace.as_ref().map(|trace| trace.ids().trace);
        let sent = SentTotals::from_payload(&message.payload);
        self.notes.push(Note::Failed(Published { sent, trace, ..Published::bare(sale) }));
    }

    fn fold_failed(&mut self, store: StoreId, id: TransactionId) -> Result<(), StoreError> {
        if self.is_first(id.uuid())? {
            self.figures(store)?.failed += 1;
        }
        Ok(())
    }

    /// Counted once however often it is delivered; published each time, because the last time may not have got that far.
    fn reject(&mut self, message: &InboundMessage, error: &PoisonPayload) -> Result<(), StoreError> {
        let document = RejectedMessage::poison(&self.plan.reporting_queue, &message.payload, error);
        if self.is_first(document.message_id)? {
            self.poison += 1;
        }
        let _correlation = Correlation::begin(message.trace.as_ref().map(TraceContext::ids));
        tracing::warn!(topic = %message.topic, error = %error, "rejected a message that cannot be read");
        self.rejects.push(Reject { tag: message.tag, document, trace: message.trace.clone() });
        Ok(())
    }

    fn is_first(&mut self, id: Uuid) -> Result<bool, StoreError> {
        Ok(self.store.seen.get(id)?.is_none() && self.seen.insert(id))
    }

    fn row(&mut self, key: RowKey) -> Result<&mut Row, StoreError> {
        use std::collections::btree_map::Entry;
        match self.rows.entry(key) {
            Entry::Occupied(row) => Ok(row.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(self.store.row(key)?.unwrap_or_default())),
        }
    }

    fn change(&mut self, key: RowKey) -> Result<&mut Row, StoreError> {
        self.changed.insert(key);
        let today = self.today;
        let row = self.row(key)?;
        row.touched_day = today;
        Ok(row)
    }

    fn figures(&mut self, store: StoreId) -> Result<&mut StoreFigures, StoreError> {
        use std::collections::hash_map::Entry;
        match self.figures.entry(store) {
            Entry::Occupied(figures) => Ok(figures.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(self.store.figures_of(store)?)),
        }
    }
}

/// Says in a span what a message is about; nothing where that cannot be read.
pub(crate) fn describe(message: &InboundMessage, plan: &ReportingPlan, step: &mut Step) {
    match read(message, plan) {
        Ok(Fact::Window(event)) => {
            step.store(&event.store_id);
            step.window(&rfc3339(event.window_start), &rfc3339(event.window_end));
            step.sales(event.transaction_count);
        }
        Ok(Fact::Late(late)) => {
            step.store(&late.sale.store);
            step.transaction(&late.sale.id);
            step.window(&rfc3339(late.window_start), &rfc3339(late.window_end));
        }
        Ok(Fact::Failed(store, id)) => {
            step.store(&store);
            step.transaction(&id);
        }
        Err(_) => {}
    }
}

/// What a message says.
enum Fact {
    Window(AggregatedEvent),
    Late(LateSale),
    Failed(StoreId, TransactionId),
}

fn read(message: &InboundMessage, plan: &ReportingPlan) -> Result<Fact, PoisonPayload> {
    match plan.topics.kind_of(&message.topic) {
        TopicKind::Aggregation => read_event(&message.payload),
        TopicKind::Late => LateSale::from_json(&message.payload).map(Fact::Late),
        TopicKind::Failed => read_failed(&message.topic),
        _ => Err(PoisonPayload::Malformed("a topic that this queue does not subscribe to".to_owned())),
    }
}

fn read_event(payload: &[u8]) -> Result<Fact, PoisonPayload> {
    let event = AggregatedEvent::from_json(payload).map_err(|errors| {
        let first = errors.first().map(|error| format!("`{}`: {}", error.path, error.message));
        PoisonPayload::Malformed(first.unwrap_or_default())
    })?;
    Ok(Fact::Window(event))
}

/// Store and id are the last two levels of the topic; the payload says nothing that is counted.
fn read_failed(topic: &str) -> Result<Fact, PoisonPayload> {
    let mut levels = topic.rsplit('/');
    let id = levels.next().and_then(|level| level.parse().ok()).ok_or(PoisonPayload::Field("transaction_id"))?;
    let store = levels.next().and_then(|level| level.parse().ok()).ok_or(PoisonPayload::Field("store_id"))?;
    Ok(Fact::Failed(store, id))
}
