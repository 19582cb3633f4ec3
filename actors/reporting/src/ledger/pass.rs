//! One pass over a batch of receipts: counts each distinct sale once and writes everything in one synced commit.
//! Does not acknowledge; a pass over the same messages again changes nothing.

use std::collections::BTreeMap;
use std::fmt;

use ahash::AHashMap;
use tillstream_domain::{Money, PoisonPayload, RejectedMessage, Sale, SentTotals, StoreId, TopicKind, Topics};
use tillstream_messages::{InboundMessage, TraceContext};
use tillstream_traces::Correlation;
use uuid::Uuid;

use super::side::Counted;
use super::store::{LedgerStore, WindowKey, window_bytes};
use crate::consumer::Written;
use crate::error::StoreError;
use crate::journey::{Note, Published};
use crate::rejects::Reject;
use crate::settings::ReportingPlan;
use crate::storage::{self, Fields};

/// Namespace of the ids of conflicting sales: UUIDv5 of `id/store/cents`.
const CONFLICT_NAMESPACE: Uuid = Uuid::from_u128(0x4c9f_1d62_70ab_5e14_b3d8_25e6_90fc_417b);

/// What a pass has changed, for the copy in memory.
#[derive(Debug, Default)]
pub(crate) struct LedgerChange {
    /// New totals of every store that was touched.
    pub(crate) totals: Vec<(StoreId, Counted)>,
    /// New sums of every window that was touched.
    pub(crate) windows: Vec<(WindowKey, Counted)>,
    /// Messages that could not be read, of all time.
    pub(crate) poison: u64,
}

/// What was read and counted so far, on top of what is on disk.
pub(crate) struct Pass<'a> {
    store: &'a LedgerStore,
    plan: &'a ReportingPlan,
    /// Ids of this batch; the index does not see them before the commit.
    ids: AHashMap<Uuid, Meaning>,
    totals: AHashMap<StoreId, Counted>,
    windows: BTreeMap<WindowKey, Counted>,
    poison: u64,
    rejects: Vec<Reject>,
    notes: Vec<Note>,
}

/// What an id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// A sale of this store and amount.
    Sale { store: StoreId, cents: i64 },
    /// A message that could not be read; its id is made of its payload.
    Unreadable,
}

impl<'a> Pass<'a> {
    /// `settled` windows are forgotten with the commit; sums that come for them later start from nothing and are settled in turn.
    pub(crate) fn new(
        store: &'a LedgerStore,
        plan: &'a ReportingPlan,
        settled: &[WindowKey],
    ) -> Result<Self, StoreError> {
        Ok(Self {
            store,
            plan,
            ids: AHashMap::new(),
            totals: AHashMap::new(),
            windows: settled.iter().map(|key| (*key, Counted::default())).collect(),
            poison: store.poison()?,
            rejects: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// Counts one message.
    pub(crate) fn fold(&mut self, message: &InboundMessage) -> Result<(), StoreError> {
        let sale = match self.plan.topics.kind_of(&message.topic) {
            TopicKind::Receipt => Sale::from_payload(&message.payload),
            _ => Err(PoisonPayload::Malformed("a topic that this queue does not subscribe to".to_owned())),
        };
        match sale {
            Ok(sale) => self.fold_sale(message, &sale),
            Err(error) => self.reject_poison(message, &error),
        }
    }

    /// Writes everything in one synced commit.
    pub(crate) fn commit(self) -> Result<Written<LedgerChange>, StoreError> {
        let mut batch = self.store.db.batch();
        for (id, meaning) in &self.ids {
            self.store.sales.put(&mut batch, *id, &meaning.encode());
        }
        for (store, counted) in &self.totals {
            batch.insert(&self.store.totals, store.number().to_be_bytes(), counted.encode());
        }
        let mut windows: Vec<_> = self.windows.into_iter().collect();
        for (key, counted) in &windows {
            if *counted == Counted::default() {
                batch.remove(&self.store.open, window_bytes(*key));
            } else {
                batch.insert(&self.store.open, window_bytes(*key), counted.encode());
            }
        }
        self.store.put_poison(&mut batch, self.poison);
        storage::commit(batch, &self.store.gate)?;
        windows.retain(|(_, counted)| *counted != Counted::default());
        let change = LedgerChange { totals: self.totals.into_iter().collect(), windows, poison: self.poison };
        Ok(Written { change, rejects: self.rejects, notes: self.notes })
    }

    /// The first message of an id is the sale; another one with the same content is a repetition, any other a conflict.
    fn fold_sale(&mut self, message: &InboundMessage, sale: &Sale) -> Result<(), StoreError> {
        let meaning = Meaning::Sale { store: sale.store, cents: sale.amount.cents() };
        let Some(known) = self.meaning_of(sale.id.uuid())? else {
            self.ids.insert(sale.id.uuid(), meaning);
            self.notes.push(Note::Paid(published(message, sale)));
            return self.count(sale, false);
        };
        if known == meaning {
            self.notes.push(Note::Again(published(message, sale)));
            return Ok(());
        }
        let repetition = conflict_id(sale);
        if self.meaning_of(repetition)?.is_none() {
            self.ids.insert(repetition, meaning);
            self.count(sale, true)?;
        }
        self.reject_conflict(message, sale, known);
        Ok(())
    }

    fn count(&mut self, sale: &Sale, is_rejected: bool) -> Result<(), StoreError> {
        use std::collections::{btree_map, hash_map};
        let total = match self.totals.entry(sale.store) {
            hash_map::Entry::Occupied(total) => total.into_mut(),
            hash_map::Entry::Vacant(place) => place.insert(self.store.total(sale.store)?),
        };
        total.add(sale.amount, is_rejected);
        let key = (sale.store, self.plan.window_start(sale.timestamp.timestamp_micros()));
        let window = match self.windows.entry(key) {
            btree_map::Entry::Occupied(window) => window.into_mut(),
            btree_map::Entry::Vacant(place) => place.insert(self.store.window(key)?),
        };
        window.add(sale.amount, is_rejected);
        Ok(())
    }

    fn meaning_of(&self, id: Uuid) -> Result<Option<Meaning>, StoreError> {
        if let Some(meaning) = self.ids.get(&id) {
            return Ok(Some(*meaning));
        }
        let Some(record) = self.store.sales.get(id)? else { return Ok(None) };
        Meaning::decode(&record).map(Some).ok_or(StoreError::Damaged("sales"))
    }

    fn reject_conflict(&mut self, message: &InboundMessage, sale: &Sale, known: Meaning) {
        let _correlation = Correlation::begin(message.trace.as_ref().map(TraceContext::ids));
        tracing::warn!(store.id = %sale.store, transaction.id = %sale.id, "sale `{}` is known with another store or amount", sale.id);
        let detail = format!("the id is known as {known}");
        let document = RejectedMessage::conflict(&self.plan.ledger_queue, sale, &detail);
        self.notes.push(Note::Refused(*sale, detail));
        self.rejects.push(Reject { tag: message.tag, document, trace: message.trace.clone() });
    }

    /// Counted once however often it is delivered; published each time, because the last time may not have got that far.
    fn reject_poison(&mut self, message: &InboundMessage, error: &PoisonPayload) -> Result<(), StoreError> {
        let document = RejectedMessage::poison(&self.plan.ledger_queue, &message.payload, error);
        if self.meaning_of(document.message_id)?.is_none() {
            self.ids.insert(document.message_id, Meaning::Unreadable);
            self.poison = self.poison.saturating_add(1);
        }
        let _correlation = Correlation::begin(message.trace.as_ref().map(TraceContext::ids));
        tracing::warn!(topic = %message.topic, error = %error, "rejected a message that cannot be read");
        self.rejects.push(Reject { tag: message.tag, document, trace: message.trace.clone() });
        Ok(())
    }
}

impl Meaning {
    /// The record of an unreadable message is empty.
    fn encode(self) -> Vec<u8> {
        match self {
            Self::Unreadable => Vec::new(),
            Self::Sale { store, cents } => [&store.number().to_be_bytes()[..], &cents.to_be_bytes()[..]].concat(),
        }
    }

    fn decode(record: &[u8]) -> Option<Self> {
        if record.is_empty() {
            return Some(Self::Unreadable);
        }
        let mut fields = Fields(record);
        Some(Self::Sale { store: StoreId::from_number(fields.u32()?)?, cents: fields.i64()? })
    }
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => write!(f, "an unreadable message"),
            Self::Sale { store, cents } => write!(f, "a sale of {store} over {}", Money::from_cents(*cents)),
        }
    }
}

fn published(message: &InboundMessage, sale: &Sale) -> Published {
    Published {
        sent: SentTotals::from_payload(&message.payload),
        method: Topics::method_of(&message.topic),
        trace: message.trace.as_ref().map(|trace| trace.ids().trace),
        ..Published::bare(*sale)
    }
}

fn conflict_id(sale: &Sale) -> Uuid {
    let name = format!("{}/{}/{}", sale.id, sale.store, sale.amount.cents());
    Uuid::new_v5(&CONFLICT_NAMESPACE, name.as_bytes())
}
