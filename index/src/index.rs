//! The index itself: generations of ids in keyspaces of the caller's database.
//! Does not commit and does not sync; the caller's batch does both, or neither.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, Slice};
use uuid::Uuid;

use crate::filter::Filter;
use crate::gate::WriteGate;
use crate::generation::{Calendar, KEPT, keyspace_name, number_of};

/// Why the index could not answer or change.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The storage below fails; what it says is for an operator.
    #[error("the id index cannot be read or written: {0}")]
    Storage(#[from] fjall::Error),
}

/// Clone + Send + Sync: clones see the same ids.
#[derive(Clone)]
pub struct IdIndex {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    name: String,
    calendar: Calendar,
    opened_at: Instant,
    gate: WriteGate,
    /// Newest first; the first one takes new ids.
    generations: ArcSwap<Vec<Generation>>,
}

#[derive(Clone)]
struct Generation {
    number: u64,
    ids: Keyspace,
    /// Spares the storage most questions.
    filter: Arc<Filter>,
}

/// Ids in memory before they are sorted into a table; several times this where the disk is slow.
const MEMTABLE: u64 = 8 * 1024 * 1024;

/// Reading more ids than this at start would delay it by seconds: the filter then denies nothing, for a generation's time.
const MAX_READ_AT_START: usize = 1_000_000;

impl IdIndex {
    /// Opens the generations of index `name` inside `database`, and the one that takes ids now.
    ///
    /// # Errors
    /// The storage fails.
    pub fn open(
        database: &Database,
        name: &str,
        horizon: Duration,
        now_unix: u64,
        gate: &WriteGate,
    ) -> Result<Self, IndexError> {
        let known = database.list_keyspace_names();
        let numbers = known.iter().filter_map(|keyspace| number_of(name, keyspace));
        let mut generations =
            numbers.map(|number| open_generation(database, name, number)).collect::<Result<Vec<_>, _>>()?;
        generations.sort_by_key(|generation| std::cmp::Reverse(generation.number));
        let newest = generations.first().map(|generation| generation.number);
        let calendar = Calendar::new(horizon, now_unix, newest);
        let generations = ArcSwap::from_pointee(generations);
        let index = Self {
            inner: Arc::new(Inner {
                database: database.clone(),
                name: name.to_owned(),
                calendar,
                opened_at: Instant::now(),
                gate: gate.clone(),
                generations,
            }),
        };
        index.rotate_after(Duration::ZERO)?;
        Ok(index)
    }

    /// The value that was put with this id, the newest if it was put more than once.
    ///
    /// # Errors
    /// The storage fails.
    pub fn get(&self, id: Uuid) -> Result<Option<Slice>, IndexError> {
        for generation in self.inner.generations.load().iter() {
            if !generation.filter.may_hold(id) {
                continue;
            }
            if let Some(value) = generation.ids.get(id.as_bytes())? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Adds to the caller's atomic batch; visible when the batch commits.
    pub fn put(&self, batch: &mut OwnedWriteBatch, id: Uuid, value: &[u8]) {
        let generations = self.inner.generations.load();
        let newest = generations.first().expect("opening has made a generation and rotating keeps the newest");
        newest.filter.add(id);
        batch.insert(&newest.ids, *id.as_bytes(), value);
    }

    /// Starts a new generation when due and drops those wholly older than the horizon. Called by the one writer, between
    /// its batches, about once a minute. A wall clock that jumps, far ahead or back, changes nothing.
    ///
    /// # Errors
    /// The storage fails; calling again later is enough.
    pub fn rotate(&self) -> Result<(), IndexError> {
        self.rotate_after(self.inner.opened_at.elapsed())
    }

    /// A generation is dropped for those that came after it, never for what a clock says: each of them took its time.
    fn rotate_after(&self, elapsed: Duration) -> Result<(), IndexError> {
        let mut kept = self.inner.generations.load_full().to_vec();
        let due = self.inner.calendar.number_after(elapsed);
        let starts = kept.first().is_none_or(|newest| newest.number < due);
        let over = kept.split_off(kept.len().min(if starts { KEPT } else { KEPT + 1 }));
        if !starts && over.is_empty() {
            return Ok(());
        }
        self.inner.gate.check().map_err(fjall::Error::from)?;
        if starts {
            self.freeze(kept.first())?;
            kept.insert(0, open_generation(&self.inner.database, &self.inner.name, due)?);
        }
        self.inner.generations.store(Arc::new(kept));
        over.into_iter().try_for_each(|generation| self.drop_generation(generation))
    }

    /// A generation that takes no more ids leaves memory, and lets go of the journal that would rebuild it.
    fn freeze(&self, newest: Option<&Generation>) -> Result<(), IndexError> {
        let Some(generation) = newest else { return Ok(()) };
        generation.ids.rotate_memtable()?;
        Ok(())
    }

    fn drop_generation(&self, generation: Generation) -> Result<(), IndexError> {
        tracing::info!(index.name = %self.inner.name, index.generation = generation.number, "forgetting ids older than the horizon");
        self.inner.database.delete_keyspace(generation.ids)?;
        Ok(())
    }
}

fn open_generation(database: &Database, name: &str, number: u64) -> Result<Generation, IndexError> {
    let ids = database.keyspace(&keyspace_name(name, number), options)?;
    let filter = Arc::new(filter_of(&ids)?);
    Ok(Generation { number, ids, filter })
}

/// Random ids miss the processor's caches in sorted memory as soon as that outgrows them.
fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE)
}

fn filter_of(ids: &Keyspace) -> Result<Filter, IndexError> {
    if ids.approximate_len() > MAX_READ_AT_START {
        return Ok(Filter::undecided());
    }
    let filter = Filter::default();
    for entry in ids.iter() {
        match Uuid::from_slice(&entry.key()?) {
            Ok(id) => filter.add(id),
            Err(_) => return Ok(Filter::undecided()),
        }
    }
    Ok(filter)
}

#[cfg(test)]
mod tests;
