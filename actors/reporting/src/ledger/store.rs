//! The ledger's database: totals per store, the rows of open windows, and every id within the horizon.
//! Forgets a window's row once the window is final: its sums stay in the store's total.

use ahash::AHashMap;
use chrono::{DateTime, Utc};
use fjall::{Database, Keyspace, OwnedWriteBatch};
use tillstream_domain::StoreId;
use tillstream_index::{IdIndex, WriteGate};

use super::side::{Counted, StoreSide};
use crate::error::StoreError;
use crate::settings::ReportingPlan;
use crate::storage::{self, Fields};

/// Below the plan's directory.
pub(super) const DIRECTORY: &str = "ledger";
const POISON: &[u8] = b"poison";

/// Names an open window: store and window start in microseconds since the epoch.
pub(crate) type WindowKey = (StoreId, i64);

/// Handles to the database; clones see the same data.
#[derive(Clone)]
pub(crate) struct LedgerStore {
    pub(crate) db: Database,
    /// Asked before every write.
    pub(crate) gate: WriteGate,
    /// Store to what was ever counted.
    pub(crate) totals: Keyspace,
    /// Store and window to what was counted in it, while it is open.
    pub(crate) open: Keyspace,
    /// Single counters.
    pub(crate) meta: Keyspace,
    /// Id of a sale to its store and cents.
    pub(crate) sales: IdIndex,
}

impl LedgerStore {
    /// Opens or makes the database.
    pub(crate) fn open(plan: &ReportingPlan, now: DateTime<Utc>) -> Result<Self, StoreError> {
        let gate = plan.gate();
        let db = storage::open(&plan.directory.join(DIRECTORY), &gate)?;
        Ok(Self {
            totals: storage::keyspace(&db, "totals")?,
            open: storage::keyspace(&db, "open")?,
            meta: storage::keyspace(&db, "meta")?,
            sales: IdIndex::open(&db, "sales", plan.horizon, unix(now), &gate)?,
            db,
            gate,
        })
    }

    /// The own side of all stores.
    pub(crate) fn load(&self) -> Result<AHashMap<StoreId, StoreSide>, StoreError> {
        let mut stores: AHashMap<StoreId, StoreSide> = AHashMap::new();
        for entry in self.totals.iter() {
            let (key, record) = entry.into_inner()?;
            let store = Fields(&key).u32().and_then(StoreId::from_number).ok_or(StoreError::Damaged("totals"))?;
            stores.entry(store).or_default().total = read(&record, "totals")?;
        }
        for entry in self.open.iter() {
            let (key, record) = entry.into_inner()?;
            let (store, start) = parse_window(&key).ok_or(StoreError::Damaged("open"))?;
            stores.entry(store).or_default().open.insert(start, read(&record, "open")?);
        }
        Ok(stores)
    }

    /// What was ever counted of a store.
    pub(crate) fn total(&self, store: StoreId) -> Result<Counted, StoreError> {
        let record = self.totals.get(store.number().to_be_bytes())?;
        record.map_or(Ok(Counted::default()), |record| read(&record, "totals"))
    }

    /// What was counted in a window.
    pub(crate) fn window(&self, key: WindowKey) -> Result<Counted, StoreError> {
        let record = self.open.get(window_bytes(key))?;
        record.map_or(Ok(Counted::default()), |record| read(&record, "open"))
    }

    /// Messages that could not be read.
    pub(crate) fn poison(&self) -> Result<u64, StoreError> {
        let Some(record) = self.meta.get(POISON)? else { return Ok(0) };
        Fields(&record).u64().ok_or(StoreError::Damaged("meta"))
    }

    /// Adds the counter of unreadable messages to a batch.
    pub(crate) fn put_poison(&self, batch: &mut OwnedWriteBatch, poison: u64) {
        batch.insert(&self.meta, POISON, poison.to_be_bytes());
    }

    /// Forgets ids beyond the horizon.
    pub(crate) fn housekeeping(&self) -> Result<(), StoreError> {
        Ok(self.sales.rotate()?)
    }
}

/// As a window is named on disk.
pub(crate) fn window_bytes((store, start): WindowKey) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&store.number().to_be_bytes());
    key[4..].copy_from_slice(&start.to_be_bytes());
    key
}

fn parse_window(key: &[u8]) -> Option<WindowKey> {
    let mut fields = Fields(key);
    Some((StoreId::from_number(fields.u32()?)?, fields.i64()?))
}

fn read(record: &[u8], keyspace: &'static str) -> Result<Counted, StoreError> {
    Counted::decode(record).ok_or(StoreError::Damaged(keyspace))
}

fn unix(now: DateTime<Utc>) -> u64 {
    u64::try_from(now.timestamp()).unwrap_or(0)
}
