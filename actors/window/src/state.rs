//! The room's state on disk: ids of decided sales, how far stores are final, pending events, the journal.
//! One writer at a time, fenced by number; readers never wait for a write. Does not decide anything.

mod codec;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use tillstream_domain::{Money, Sale, StoreId, TransactionId};
use tillstream_index::{IdIndex, IndexError, WriteGate};

pub(crate) use codec::{PendingEvent, PendingKey};
pub(crate) use writer::{Entry, Outcome};

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Two aggregations on one state would each decide what the other has decided already.
    #[error("`{0}` is used by another process: stop it, or start this one with another --data-dir and broker")]
    Locked(PathBuf),
    /// The disk or the storage engine fails.
    #[error("the window state in `{path}` cannot be used: {reason}; check space and permissions")]
    Storage {
        /// Where.
        path: PathBuf,
        /// What the storage said.
        reason: String,
    },
    /// A newer incarnation of the writer has taken over.
    #[error("another writer has taken over")]
    Fenced,
}

impl StateError {
    /// What was under way on the blocking pool has panicked; whether it is on disk nobody knows.
    pub(crate) fn lost(work: &tokio::task::JoinError) -> Self {
        Self::Storage { path: "aggregation".into(), reason: work.to_string() }
    }
}

/// The state store; shared by the one writer and all readers.
pub(crate) struct StateStore {
    dir: PathBuf,
    horizon: Duration,
    gate: WriteGate,
    /// `None` after a failed write, until it is opened again.
    opened: RwLock<Option<Arc<Opened>>>,
    /// The writer that may write; taken only on threads that may block.
    writer: Mutex<u64>,
}

/// An open database; everything in it is dropped together, because its lock must go before it is opened again.
pub(crate) struct Opened {
    database: Database,
    gate: WriteGate,
    index: IdIndex,
    final_until: Keyspace,
    pending: Keyspace,
    journal: Keyspace,
}

/// What the index says about an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Indexed {
    pub store: StoreId,
    pub amount: Money,
}

impl StateStore {
    /// Opens the state in `data_dir/aggregation` and locks it. Whatever is written has to pass the gate.
    pub(crate) fn open(data_dir: &Path, horizon: Duration, gate: WriteGate) -> Result<Self, StateError> {
        let dir = data_dir.join("aggregation");
        let opened = Opened::open(&dir, horizon, gate.clone())?;
        Ok(Self { dir, horizon, gate, opened: RwLock::new(Some(Arc::new(opened))), writer: Mutex::new(0) })
    }

    /// The open database, for reading. Fails while the storage does.
    pub(crate) fn opened(&self) -> Result<Arc<Opened>, StateError> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        opened.clone().ok_or_else(|| self.storage_error(&"closed after a failed write"))
    }

    /// Makes `writer` the only one whose writes are taken, after those under way; opens the state again if it is closed.
    /// Blocks.
    pub(crate) fn take_over(&self, writer: u64) -> Result<Vec<(PendingKey, PendingEvent)>, StateError> {
        let mut current = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        *current = writer.max(*current);
        let opened = self.reopen()?;
        opened.load_pending().map_err(|error| self.failed(&error))
    }

    /// Writes these entries in one atomic batch, synced unless all of it may be lost. Blocks.
    pub(crate) fn write(&self, writer: u64, entries: &[Entry], forget: &Forget) -> Result<Vec<Outcome>, StateError> {
        let current = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != writer {
            return Err(StateError::Fenced);
        }
        let opened = self.opened()?;
        opened.write(entries, forget).map_err(|error| self.failed(&error))
    }

    /// Starts and drops generations of the index. Blocks.
    pub(crate) fn rotate(&self, writer: u64) -> Result<(), StateError> {
        let current = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != writer {
            return Err(StateError::Fenced);
        }
        self.opened()?.index.rotate().map_err(|error| self.failed(&error))
    }

    /// Sales that are acknowledged and not known to be decided. Blocks.
    pub(crate) fn journal(&self) -> Result<Vec<(u64, Sale)>, StateError> {
        self.opened()?.load_journal().map_err(|error| self.storage_error(&error))
    }

    /// Whether and how this id is decided.
    pub(crate) fn indexed(&self, opened: &Opened, id: TransactionId) -> Result<Option<Indexed>, StateError> {
        opened.indexed(id).map_err(|error| self.storage_error(&error))
    }

    /// Windows of the store that end at or before this are final.
    pub(crate) fn final_until(&self, store: StoreId) -> Result<Option<DateTime<Utc>>, StateError> {
        self.opened()?.final_until(store).map_err(|error| self.storage_error(&error))
    }

    /// Called by the one writer; readers do not wait meanwhile.
    fn reopen(&self) -> Result<Arc<Opened>, StateError> {
        if let Ok(opened) = self.opened() {
            return Ok(opened);
        }
        // What the failed write left may be readable and yet not on disk: it must not be published or settled as it is.
        tillstream_index::rewrite_journals(&self.dir, &self.gate).map_err(|error| self.storage_error(&error))?;
        let opened = Arc::new(Opened::open(&self.dir, self.horizon, self.gate.clone())?);
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// A write that failed may be on disk or not: nobody uses the database before it was opened again.
    fn failed(&self, error: &dyn std::fmt::Display) -> StateError {
        drop(self.opened.write().unwrap_or_else(PoisonError::into_inner).take());
        self.storage_error(error)
    }

    fn storage_error(&self, reason: &dyn std::fmt::Display) -> StateError {
        StateError::Storage { path: self.dir.clone(), reason: reason.to_string() }
    }
}

/// What may be forgotten along with the next batch.
#[derive(Debug, Default)]
pub(crate) struct Forget {
    /// Events that the broker has.
    pub pending: Vec<PendingKey>,
    /// Numbers of journalled sales that are decided.
    pub journal: Vec<u64>,
}

impl Forget {
    pub(crate) const fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.journal.is_empty()
    }
}

impl Opened {
    fn open(dir: &Path, horizon: Duration, gate: WriteGate) -> Result<Self, StateError> {
        let storage =
            |error: &dyn std::fmt::Display| StateError::Storage { path: dir.to_owned(), reason: error.to_string() };
        gate.check().and_then(|()| tillstream_index::make_directory(dir)).map_err(|error| storage(&error))?;
        let database = Database::builder(dir).worker_threads(1).open().map_err(|error| match error {
            fjall::Error::Locked => StateError::Locked(dir.to_owned()),
            error => storage(&error),
        })?;
        let keyspace = |name| database.keyspace(name, small_keyspace).map_err(|error| storage(&error));
        let (final_until, pending, journal) = (keyspace("final_until")?, keyspace("pending")?, keyspace("journal")?);
        let index = IdIndex::open(&database, "ids", horizon, unix_now(), &gate).map_err(|error| storage(&error))?;
        Ok(Self { database, gate, index, final_until, pending, journal })
    }

    fn indexed(&self, id: TransactionId) -> Result<Option<Indexed>, IndexError> {
        Ok(self.index.get(id.uuid())?.as_deref().and_then(codec::read_indexed))
    }

    fn final_until(&self, store: StoreId) -> Result<Option<DateTime<Utc>>, IndexError> {
        let value = self.final_until.get(codec::store_key(store))?;
        Ok(value.as_deref().and_then(codec::read_millis).and_then(DateTime::from_timestamp_millis))
    }
}

/// Keyspaces beside the index hold little.
fn small_keyspace() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(8 * 1024 * 1024)
}

fn unix_now() -> u64 {
    u64::try_from(Utc::now().timestamp()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
