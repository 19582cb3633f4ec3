//! The database: chunks, what queues owe of them, how far queues have come, and their definitions.
//! Does not know what is in memory; a commit is handed in whole and lands whole, or not at all.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::chunks::Chunk;
use crate::disk::Disk;
use crate::group::Group;
use crate::guard::{Guard, Wreck};
use crate::record::{Damaged, Kind, Progress, Row, decode_chunk, encode_chunk};
use crate::settings::QueueSpec;

const CHUNKS: TableDefinition<u64, &[u8]> = TableDefinition::new("chunks");
const BODIES: TableDefinition<u64, &[u8]> = TableDefinition::new("bodies");
/// By chunk and queue, so that the rows of a chunk are deleted together.
const ROWS: TableDefinition<(u64, u16), &[u8]> = TableDefinition::new("rows");
const PROGRESS: TableDefinition<u16, &[u8]> = TableDefinition::new("progress");
const QUEUES: TableDefinition<u16, &[u8]> = TableDefinition::new("queues");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// The number of the newest commit.
const SEQUENCE: &str = "sequence";
/// 1 when the broker was closed in order, so that `PROGRESS` is exact.
const CLEAN: &str = "clean";

/// Pages that the database keeps in memory; bodies that matter are cached above it.
const PAGE_CACHE_BYTES: usize = 8 * 1024 * 1024;

/// An open database.
pub(crate) struct Store {
    db: Database,
    guard: Guard,
}

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(transparent)]
    Database(Box<redb::Error>),
    #[error(transparent)]
    File(#[from] io::Error),
    #[error(transparent)]
    Damaged(#[from] Damaged),
    #[error("chunk {0} has no body")]
    Missing(u64),
}

/// A database that did not open, and what the next attempt must know.
pub(crate) struct NotOpened {
    pub(crate) error: StoreError,
    pub(crate) wreck: Wreck,
}

/// Everything but bodies.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) chunks: Vec<(u64, Chunk)>,
    pub(crate) rows: Vec<(u64, u16, Row)>,
    pub(crate) progress: Vec<(u16, Progress)>,
    pub(crate) queues: Vec<(u16, QueueSpec)>,
    pub(crate) sequence: u64,
    pub(crate) clean: bool,
}

// === impl Store ===

impl Store {
    /// Opens the log over what an earlier handle left behind.
    pub(crate) fn open(disk: &Arc<dyn Disk>, wreck: Wreck) -> Result<Self, NotOpened> {
        let guard = match disk.open().and_then(|file| Guard::over(file, &wreck)) {
            Ok(guard) => guard,
            Err(error) => {
                let wreck = Wreck::of(&error).after(wreck);
                return Err(NotOpened { error: error.into(), wreck });
            }
        };
        let opened = Database::builder().set_cache_size(PAGE_CACHE_BYTES).create_with_backend(guard.clone());
        let prepared = opened.map_err(StoreError::from).and_then(|db| {
            let store = Self { db, guard: guard.clone() };
            store.create_tables()?;
            Ok(store)
        });
        prepared.map_err(|error| NotOpened { error, wreck: guard.retire().after(wreck) })
    }

    /// Writes a group in one transaction; returns after it is synced.
    pub(crate) fn commit(&self, group: &Group) -> Result<(), StoreError> {
        let transaction = self.db.begin_write()?;
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert(SEQUENCE, group.sequence)?;
            if group.clean {
                meta.insert(CLEAN, 1)?;
            }
            let mut progress = transaction.open_table(PROGRESS)?;
            for (queue, value) in &group.progress {
                progress.insert(queue, value.encode().as_slice())?;
            }
            let mut rows = transaction.open_table(ROWS)?;
            for (chunk, queue, row) in &group.rows {
                rows.insert((*chunk, *queue), row.encode().as_slice())?;
            }
            let mut chunks = transaction.open_table(CHUNKS)?;
            let mut bodies = transaction.open_table(BODIES)?;
            for new in &group.chunks {
                chunks.insert(new.id, encode_chunk(&new.chunk).as_slice())?;
                bodies.insert(new.id, new.body.as_ref())?;
            }
            for chunk in &group.dead {
                chunks.remove(chunk)?;
                bodies.remove(chunk)?;
                rows.retain_in((*chunk, 0)..=(*chunk, u16::MAX), |_, _| false)?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Stores the definitions of queues and notes that the broker is running.
    pub(crate) fn define(&self, queues: &[(u16, QueueSpec)]) -> Result<(), StoreError> {
        let transaction = self.db.begin_write()?;
        {
            let mut table = transaction.open_table(QUEUES)?;
            for (id, spec) in queues {
                let json = serde_json::to_vec(spec).map_err(|_| Damaged { what: Kind::Queue })?;
                table.insert(id, json.as_slice())?;
            }
            transaction.open_table(META)?.insert(CLEAN, 0)?;
        }
        Ok(transaction.commit()?)
    }

    pub(crate) fn body(&self, chunk: u64) -> Result<Bytes, StoreError> {
        let table = self.db.begin_read()?.open_table(BODIES)?;
        let body = table.get(chunk)?.ok_or(StoreError::Missing(chunk))?;
        Ok(Bytes::copy_from_slice(body.value()))
    }

    pub(crate) fn sequence(&self) -> Result<u64, StoreError> {
        let meta = self.db.begin_read()?.open_table(META)?;
        Ok(meta.get(SEQUENCE)?.map_or(0, |value| value.value()))
    }

    pub(crate) fn load(&self) -> Result<Loaded, StoreError> {
        let transaction = self.db.begin_read()?;
        let meta = transaction.open_table(META)?;
        let mut loaded = Loaded { sequence: self.sequence()?, ..Loaded::default() };
        loaded.clean = meta.get(CLEAN)?.is_some_and(|value| value.value() == 1);
        for entry in transaction.open_table(CHUNKS)?.iter()? {
            let (id, bytes) = entry?;
            loaded.chunks.push((id.value(), decode_chunk(bytes.value())?));
        }
        for entry in transaction.open_table(ROWS)?.iter()? {
            let (key, bytes) = entry?;
            let (chunk, queue) = key.value();
            loaded.rows.push((chunk, queue, Row::decode(bytes.value())?));
        }
        for entry in transaction.open_table(PROGRESS)?.iter()? {
            let (queue, bytes) = entry?;
            loaded.progress.push((queue.value(), Progress::decode(bytes.value())?));
        }
        for entry in transaction.open_table(QUEUES)?.iter()? {
            let (id, json) = entry?;
            let spec = serde_json::from_slice(json.value()).map_err(|_| Damaged { what: Kind::Queue })?;
            loaded.queues.push((id.value(), spec));
        }
        Ok(loaded)
    }

    pub(crate) fn file_len(&self) -> u64 {
        self.guard.len()
    }

    /// Moves what is live to the front and gives the rest of the file back; takes time by what is live.
    pub(crate) fn compact(&mut self) -> Result<(), StoreError> {
        self.db.compact()?;
        Ok(())
    }

    /// Cuts a failed database off from its file.
    pub(crate) fn retire(self) -> Wreck {
        self.guard.retire()
    }

    fn create_tables(&self) -> Result<(), StoreError> {
        let transaction = self.db.begin_write()?;
        transaction.open_table(CHUNKS)?;
        transaction.open_table(BODIES)?;
        transaction.open_table(ROWS)?;
        transaction.open_table(PROGRESS)?;
        transaction.open_table(QUEUES)?;
        transaction.open_table(META)?;
        Ok(transaction.commit()?)
    }
}

/// The database has an error type per operation; to us they are one.
macro_rules! database_errors {
    ($($error:ty),*) => {
        $(impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        })*
    };
}

database_errors!(
    redb::CommitError,
    redb::CompactionError,
    redb::DatabaseError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError
);
