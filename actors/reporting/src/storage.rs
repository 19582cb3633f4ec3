//! Small helpers around the storage engine that both databases share.
//! Does not know what is stored.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};

use tillstream_index::WriteGate;

use crate::error::StoreError;

/// Block cache of one database; rows are written far more often than asked for.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Bounds what a restart has to read again; the least that the engine takes.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
/// Bounds the memory of one keyspace's newest writes.
const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;

/// Opens or makes the database in this directory.
pub(crate) fn open(directory: &Path, gate: &WriteGate) -> Result<Database, StoreError> {
    gate.check().map_err(fjall::Error::from)?;
    directory.parent().map_or(Ok(()), tillstream_index::make_directory)?;
    tillstream_index::make_directory(directory)?;
    let builder = Database::builder(directory).cache_size(CACHE_BYTES).max_journaling_size(JOURNAL_BYTES);
    Ok(builder.worker_threads(1).open()?)
}

/// Opens or makes a keyspace.
pub(crate) fn keyspace(db: &Database, name: &'static str) -> Result<Keyspace, StoreError> {
    Ok(db.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES))?)
}

/// Returns once what the batch writes is synced.
pub(crate) fn commit(batch: OwnedWriteBatch, gate: &WriteGate) -> Result<(), StoreError> {
    if batch.is_empty() {
        return Ok(());
    }
    gate.check().map_err(fjall::Error::from)?;
    Ok(batch.durability(Some(PersistMode::SyncData)).commit()?)
}

/// Reads big-endian fields of a record in order; `None` where it is too short.
#[derive(Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    /// The next bytes as an array.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    /// The next unsigned number.
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next signed number.
    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// The next short number.
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }
}
