//! The book of faults: the newest 1,000 of this process, each with its number, its state and its verdict.
//! Lives in memory only: the log has them for good.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::verdict::{Difference, Verdict};

/// How many faults are kept.
const KEPT: usize = 1_000;

/// How far a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultState {
    /// Not over.
    Pending,
    /// What failed is back.
    Recovered,
    /// What it waited for did not come (a message, a sale), so nothing happened; it is disarmed.
    NotFired,
    /// What failed did not come back in time.
    Unrecovered,
}

/// One injected fault.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct FaultRecord {
    /// Its number in this process, from 1.
    #[schema(example = 17)]
    pub id: u64,
    /// An actor's or supervisor's path, or `environment`.
    #[schema(example = "root.pipeline.windows.STORE_3")]
    pub target: String,
    /// What was done to it.
    #[schema(example = "panic")]
    pub kind: &'static str,
    /// How far it is.
    pub state: FaultState,
    /// What it cost; null while it is pending and when it did not fire.
    #[schema(required = true)]
    pub verdict: Option<Verdict>,
}

/// The book itself.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    last_id: u64,
    /// Oldest first, without a gap in their numbers.
    records: VecDeque<FaultRecord>,
}

// === impl FaultState ===

impl FaultState {
    /// Its name outside.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Recovered => "recovered",
            Self::NotFired => "not_fired",
            Self::Unrecovered => "unrecovered",
        }
    }
}

// === impl Book ===

impl Book {
    /// Enters a fault that begins now and gives it its number.
    pub(super) fn open(&self, target: &str, kind: &'static str) -> u64 {
        let mut pages = self.pages();
        pages.last_id += 1;
        let id = pages.last_id;
        if pages.records.len() == KEPT {
            pages.records.pop_front();
        }
        pages.records.push_back(FaultRecord {
            id,
            target: target.to_owned(),
            kind,
            state: FaultState::Pending,
            verdict: None,
        });
        id
    }

    /// Enters what became of it; `None` when the book no longer has it.
    pub(super) fn close(&self, id: u64, state: FaultState, verdict: Option<Verdict>) -> Option<FaultRecord> {
        let mut pages = self.pages();
        let record = pages.find(id)?;
        record.state = state;
        record.verdict = verdict;
        Some(record.clone())
    }

    /// Enters what the windows that were open at the verdict have come to.
    pub(super) fn revise(&self, id: u64, lost: Difference, double: Difference) -> Option<FaultRecord> {
        let mut pages = self.pages();
        let record = pages.find(id)?;
        record.verdict.as_mut()?.revise(lost, double);
        Some(record.clone())
    }

    pub(super) fn get(&self, id: u64) -> Option<FaultRecord> {
        self.pages().find(id).cloned()
    }

    /// Newest first.
    pub(super) fn newest(&self, limit: usize) -> Vec<FaultRecord> {
        self.pages().records.iter().rev().take(limit).cloned().collect()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn find(&mut self, id: u64) -> Option<&mut FaultRecord> {
        let oldest = self.records.front()?.id;
        let index = usize::try_from(id.checked_sub(oldest)?).ok()?;
        self.records.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_thousand_are_kept_and_numbers_go_on() {
        let book = Book::default();
        let ids: Vec<_> = (0..1_002).map(|_| book.open("root.a", "panic")).collect();
        assert_eq!((ids[0], ids[1_001]), (1, 1_002));

        let newest = book.newest(usize::MAX);
        assert_eq!((newest.len(), newest[0].id, newest[999].id), (1_000, 1_002, 3));
        assert!(book.get(2).is_none() && book.get(0).is_none() && book.get(1_003).is_none());
        assert!(book.close(2, FaultState::Recovered, None).is_none());
    }

    #[test]
    fn a_fault_is_pending_until_its_verdict() {
        let book = Book::default();
        let id = book.open("root.a", "stop");
        assert_eq!(book.get(id).unwrap().state, FaultState::Pending);
        book.close(id, FaultState::NotFired, None);
        assert_eq!(book.get(id).unwrap().state, FaultState::NotFired);
    }
}
