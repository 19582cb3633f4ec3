//! The turnover database: its keyspaces and how it is opened, read and cleaned.
//! Does not fold messages; a pass does.

use chrono::{DateTime, Utc};
use fjall::{Database, Keyspace};
use tillstream_domain::StoreId;
use tillstream_index::{IdIndex, WriteGate};

use super::figures::{Figures, StoreFigures};
use super::keys::RowKey;
use super::row::Row;
use crate::error::StoreError;
use crate::settings::ReportingPlan;
use crate::storage;

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;
/// Rows that one housekeeping deletes at most, so that the queue does not wait for it.
const SWEEP: usize = 20_000;
/// Below the plan's directory.
pub(super) const DIRECTORY: &str = "turnover";
const POISON: &[u8] = b"poison";

/// Handles to the database; clones see the same data.
#[derive(Clone)]
pub(crate) struct TurnoverStore {
    pub(crate) db: Database,
    /// Asked before every write.
    pub(crate) gate: WriteGate,
    /// Window and store to row: the order of the answers.
    pub(crate) rows: Keyspace,
    /// Store and window to nothing: the order of one store's answers.
    pub(crate) by_store: Keyspace,
    /// Window, store and id to nothing: every late sale, for as long as its row is kept.
    pub(crate) late: Keyspace,
    /// Store to figures.
    pub(crate) figures: Keyspace,
    /// Day, window and store to nothing: which rows changed last on which day.
    pub(crate) expiry: Keyspace,
    /// Single counters.
    pub(crate) meta: Keyspace,
    /// Ids of failed payments and of messages that could not be read.
    pub(crate) seen: IdIndex,
}

impl TurnoverStore {
    /// Opens or makes the database.
    pub(crate) fn open(plan: &ReportingPlan, now: DateTime<Utc>) -> Result<Self, StoreError> {
        let gate = plan.gate();
        let db = storage::open(&plan.directory.join(DIRECTORY), &gate)?;
        Ok(Self {
            rows: storage::keyspace(&db, "rows")?,
            by_store: storage::keyspace(&db, "by_store")?,
            late: storage::keyspace(&db, "late")?,
            figures: storage::keyspace(&db, "figures")?,
            expiry: storage::keyspace(&db, "expiry")?,
            meta: storage::keyspace(&db, "meta")?,
            seen: IdIndex::open(&db, "seen", plan.horizon, unix(now), &gate)?,
            db,
            gate,
        })
    }

    /// The figures of all stores.
    pub(crate) fn load_figures(&self) -> Result<Figures, StoreError> {
        let mut figures = Figures { poison: self.poison()?, ..Figures::default() };
        let stores = std::sync::Arc::make_mut(&mut figures.stores);
        for entry in self.figures.iter() {
            let (key, record) = entry.into_inner()?;
            let number = key.as_ref().try_into().map(u32::from_be_bytes).ok();
            let store = number.and_then(StoreId::from_number).ok_or(StoreError::Damaged("figures"))?;
            stores.insert(store, StoreFigures::decode(&record).ok_or(StoreError::Damaged("figures"))?);
        }
        Ok(figures)
    }

    /// The figures of one store.
    pub(crate) fn figures_of(&self, store: StoreId) -> Result<StoreFigures, StoreError> {
        let Some(record) = self.figures.get(store.number().to_be_bytes())? else { return Ok(StoreFigures::default()) };
        StoreFigures::decode(&record).ok_or(StoreError::Damaged("figures"))
    }

    /// One row.
    pub(crate) fn row(&self, key: RowKey) -> Result<Option<Row>, StoreError> {
        let Some(record) = self.rows.get(key.bytes())? else { return Ok(None) };
        Row::decode(key, &record).map(Some).ok_or(StoreError::Damaged("rows"))
    }

    /// The newest rows, newest first.
    pub(crate) fn newest(&self, limit: usize) -> Result<Vec<(RowKey, Row)>, StoreError> {
        let rows = self.rows.iter().take(limit).map(|entry| {
            let (key, record) = entry.into_inner()?;
            let row = RowKey::parse(&key).and_then(|key| Some((key, Row::decode(key, &record)?)));
            row.ok_or(StoreError::Damaged("rows"))
        });
        rows.collect()
    }

    /// Messages that could not be read.
    pub(crate) fn poison(&self) -> Result<u64, StoreError> {
        let Some(record) = self.meta.get(POISON)? else { return Ok(0) };
        record.as_ref().try_into().map(u64::from_be_bytes).map_err(|_| StoreError::Damaged("meta"))
    }

    /// Adds the counter of unreadable messages to a batch.
    pub(crate) fn put_poison(&self, batch: &mut fjall::OwnedWriteBatch, poison: u64) {
        batch.insert(&self.meta, POISON, poison.to_be_bytes());
    }

    /// Deletes rows that last changed before the retention, oldest first and a bounded number, and forgets old ids.
    pub(crate) fn housekeeping(&self, now: DateTime<Utc>, retention_days: u32) -> Result<usize, StoreError> {
        self.seen.rotate()?;
        let Some(first_kept) = day_of(now).checked_sub(retention_days) else { return Ok(0) };
        let mut batch = self.db.batch();
        let mut deleted = 0;
        for entry in self.expiry.range(..first_kept.to_be_bytes()).take(SWEEP) {
            let note = entry.key()?;
            let (day, key) = RowKey::parse_expiry(&note).ok_or(StoreError::Damaged("expiry"))?;
            batch.remove(&self.expiry, note);
            // A row that changed again has a younger note.
            if self.row(key)?.is_some_and(|row| row.touched_day == day) {
                self.delete(&mut batch, key)?;
                deleted += 1;
            }
        }
        storage::commit(batch, &self.gate)?;
        Ok(deleted)
    }

    fn delete(&self, batch: &mut fjall::OwnedWriteBatch, key: RowKey) -> Result<(), StoreError> {
        batch.remove(&self.rows, key.bytes());
        batch.remove(&self.by_store, key.by_store());
        for entry in self.late.prefix(key.bytes()) {
            batch.remove(&self.late, entry.key()?);
        }
        Ok(())
    }
}

/// Seconds since the epoch.
pub(crate) fn unix(now: DateTime<Utc>) -> u64 {
    u64::try_from(now.timestamp()).unwrap_or(0)
}

/// Days since the epoch.
pub(crate) fn day_of(now: DateTime<Utc>) -> u32 {
    u32::try_from(unix(now) / DAY).unwrap_or(u32::MAX)
}

/// Whole days of a retention, at least one.
pub(crate) fn days_of(retention: std::time::Duration) -> u32 {
    u32::try_from(retention.as_secs() / DAY).unwrap_or(u32::MAX).max(1)
}
