//! One atomic batch of decisions, and reading back what was pending.
//! Checks each decision against what is stored, so that repeating one, or making a stale one, changes nothing.

use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use chrono::{DateTime, Utc};
use fjall::{OwnedWriteBatch, PersistMode};
use tillstream_domain::{FinalWindow, HeldLate, RejectedMessage, Sale, StoreId, TransactionId};
use tillstream_index::IndexError;
use tillstream_messages::PublishMessage;

use super::codec::{self, PendingEvent, PendingKey};
use super::{Forget, Opened};

/// Something to be stored.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// A window is final.
    Final(Arc<FinalWindow>),
    /// A sale is late; with the message that will say so.
    Late(HeldLate, PublishMessage),
    /// A message cannot be counted; with the message that will say so.
    Rejected(RejectedMessage, PublishMessage),
    /// Nothing itself; what is settled waits for everything before.
    Settle,
    /// Unsettled sales, by number.
    Journal(Arc<Vec<(u64, Sale)>>),
}

/// What became of an entry, in the order of the entries.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Stored; publish this.
    Publish(PendingKey, PendingEvent),
    /// Stored before; perhaps being published under this key.
    Known(PendingKey),
    /// Another decision of the window is stored.
    Overtaken,
    /// It builds on a decision that is not stored: that one was lost, and whoever made it tells both again, in order.
    Premature,
    /// Nothing to publish.
    Done,
}

/// What this batch adds to what is stored already.
#[derive(Default)]
struct Fresh {
    final_until: AHashMap<StoreId, DateTime<Utc>>,
    /// Decided in this batch: the index shows them only once it is committed.
    ids: AHashSet<TransactionId>,
    /// Of final windows, for the index.
    indexed: Vec<(TransactionId, [u8; 12])>,
}

impl Opened {
    pub(super) fn write(&self, entries: &[Entry], forget: &Forget) -> Result<Vec<Outcome>, IndexError> {
        let mut batch = self.database.batch();
        let mut fresh = Fresh::default();
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in entries {
            outcomes.push(self.add(&mut batch, &mut fresh, entry)?);
        }
        self.add_indexed(&mut batch, fresh.indexed);
        let must_last = !batch.is_empty();
        for key in &forget.pending {
            batch.remove(&self.pending, key.bytes());
        }
        for number in &forget.journal {
            batch.remove(&self.journal, number.to_be_bytes());
        }
        if !batch.is_empty() {
            self.gate.check().map_err(fjall::Error::from)?;
            batch.durability(must_last.then_some(PersistMode::SyncData)).commit()?;
        }
        Ok(outcomes)
    }

    fn add(&self, batch: &mut OwnedWriteBatch, fresh: &mut Fresh, entry: &Entry) -> Result<Outcome, IndexError> {
        match entry {
            Entry::Final(window) => self.add_final(batch, fresh, window),
            Entry::Late(held, message) => self.add_late(batch, fresh, held, message),
            Entry::Rejected(rejected, message) => self.add_rejected(batch, rejected, message),
            Entry::Settle => Ok(Outcome::Done),
            Entry::Journal(sales) => Ok(self.add_journal(batch, sales)),
        }
    }

    fn add_final(
        &self,
        batch: &mut OwnedWriteBatch,
        fresh: &mut Fresh,
        window: &FinalWindow,
    ) -> Result<Outcome, IndexError> {
        let (store, end) = (window.event.store_id, window.event.window_end);
        let until = self.decided_until(fresh, store)?;
        if until.is_some_and(|until| end <= until) {
            return Ok(Outcome::Overtaken);
        }
        // A final window proves those before it final: without this, their sales would all be late.
        if window.follows > until {
            return Ok(Outcome::Premature);
        }
        let ids = window.sales.iter().map(|sale| (sale.id, codec::indexed_bytes(store, sale.amount)));
        fresh.indexed.extend(ids);
        fresh.ids.extend(window.sales.iter().map(|sale| sale.id));
        batch.insert(&self.final_until, codec::store_key(store), end.timestamp_millis().to_be_bytes());
        fresh.final_until.insert(store, end);
        let event = PendingEvent::Aggregate(window.event.clone());
        Ok(self.add_pending(batch, PendingKey::of_window(&window.event), event))
    }

    /// In order, because neighbours in the storage's sorted memory are found without a walk from its top.
    fn add_indexed(&self, batch: &mut OwnedWriteBatch, mut indexed: Vec<(TransactionId, [u8; 12])>) {
        indexed.sort_unstable_by_key(|&(id, _)| id);
        for (id, value) in indexed {
            self.index.put(batch, id.uuid(), &value);
        }
    }

    fn add_late(
        &self,
        batch: &mut OwnedWriteBatch,
        fresh: &mut Fresh,
        held: &HeldLate,
        message: &PublishMessage,
    ) -> Result<Outcome, IndexError> {
        let sale = &held.late.sale;
        if self.decided_until(fresh, sale.store)?.is_none_or(|until| held.late.window_end > until) {
            return Ok(Outcome::Premature);
        }
        let key = PendingKey::of_late(sale.id);
        if !fresh.ids.insert(sale.id) || self.indexed(sale.id)?.is_some() {
            return Ok(Outcome::Known(key));
        }
        self.index.put(batch, sale.id.uuid(), &codec::indexed_bytes(sale.store, sale.amount));
        Ok(self.add_pending(batch, key, PendingEvent::Message(message.clone())))
    }

    /// The id is not indexed: where it conflicts, it belongs to the sale that was counted. A repetition of that very sale
    /// is no conflict, though the router may take it for one while another sale claims the id of a sale long decided.
    fn add_rejected(
        &self,
        batch: &mut OwnedWriteBatch,
        rejected: &RejectedMessage,
        message: &PublishMessage,
    ) -> Result<Outcome, IndexError> {
        let decided = self.indexed(TransactionId::new(rejected.message_id))?;
        if decided
            .is_some_and(|counted| rejected.store == Some(counted.store) && rejected.amount == Some(counted.amount))
        {
            return Ok(Outcome::Done);
        }
        let event = PendingEvent::Message(message.clone());
        Ok(self.add_pending(batch, PendingKey::of_rejected(rejected), event))
    }

    fn add_journal(&self, batch: &mut OwnedWriteBatch, sales: &[(u64, Sale)]) -> Outcome {
        for (number, sale) in sales {
            batch.insert(&self.journal, number.to_be_bytes(), codec::sale_bytes(sale));
        }
        Outcome::Done
    }

    fn add_pending(&self, batch: &mut OwnedWriteBatch, key: PendingKey, event: PendingEvent) -> Outcome {
        batch.insert(&self.pending, key.bytes(), event.to_bytes());
        Outcome::Publish(key, event)
    }

    fn decided_until(&self, fresh: &Fresh, store: StoreId) -> Result<Option<DateTime<Utc>>, IndexError> {
        match fresh.final_until.get(&store) {
            Some(until) => Ok(Some(*until)),
            None => self.final_until(store),
        }
    }

    /// Decided, not known to be published: to be published again, byte for byte.
    pub(super) fn load_pending(&self) -> Result<Vec<(PendingKey, PendingEvent)>, IndexError> {
        let mut pending = Vec::new();
        for entry in self.pending.iter() {
            let (key, value) = entry.into_inner()?;
            match PendingEvent::from_bytes(&value) {
                Some(event) => pending.push((PendingKey::from_bytes(&key), event)),
                None => {
                    tracing::error!(pending.bytes = value.len(), "a pending event cannot be read and stays on disk")
                }
            }
        }
        Ok(pending)
    }

    pub(super) fn load_journal(&self) -> Result<Vec<(u64, Sale)>, IndexError> {
        let mut journal = Vec::new();
        for entry in self.journal.iter() {
            let (key, value) = entry.into_inner()?;
            let number = <[u8; 8]>::try_from(&key[..]).ok().map(u64::from_be_bytes);
            match number.zip(codec::read_sale(&value)) {
                Some(entry) => journal.push(entry),
                None => {
                    tracing::error!(journal.bytes = value.len(), "a journalled sale cannot be read and stays on disk")
                }
            }
        }
        Ok(journal)
    }
}
