//! Faults whose verdict left windows open: whether those are final by now, and what is lost or double then.
//! Does not ask the ledger and does not write into the book; it is handed what the one says and says what goes into the other.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::figures::Books;
use super::gap::Gap;
use super::verdict::Difference;

/// Between two looks.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Windows that take longer stay open in the verdict.
const GIVE_UP_AFTER: Duration = Duration::from_secs(300);
/// Both sides of the ledger come by different queues, so one may be ahead of the other at a look. What is missing at so many
/// looks after one another is lost: half a minute, longer than the outbox waits for a publish that nobody answers any more.
const UNEVEN_LOOKS: u8 = 7;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Afterwards(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    waiting: Vec<Waiting>,
    /// Somebody looks for all of them.
    is_watched: bool,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    before: Books,
    newest_open: i64,
    give_up: Instant,
    uneven_looks: u8,
    /// What was missing or too much at every look so far.
    lasting: Option<Gap>,
}

/// What a fault has lost and doubled for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Revision {
    pub(super) id: u64,
    pub(super) lost: Difference,
    pub(super) double: Difference,
}

// === impl Afterwards ===

impl Afterwards {
    /// Another fault, the ledger before it and the newest window that its verdict left open. True when nobody looks yet
    /// and the caller has to.
    pub(super) fn enter(&self, id: u64, (before, newest_open): (Books, i64)) -> bool {
        let mut list = self.list();
        let give_up = Instant::now() + GIVE_UP_AFTER;
        list.waiting.push(Waiting { id, before, newest_open, give_up, uneven_looks: 0, lasting: None });
        !std::mem::replace(&mut list.is_watched, true)
    }

    /// What is settled by what the ledger says now.
    pub(super) fn look(&self, books: Option<&Books>) -> Vec<Revision> {
        let mut revisions = Vec::new();
        let now = Instant::now();
        self.list().waiting.retain_mut(|waiting| {
            let Some(revision) = books.and_then(|books| waiting.look(books)) else { return now < waiting.give_up };
            revisions.push(revision);
            false
        });
        revisions
    }

    /// Whether nobody waits any more; whoever looked may go then, and the next one to enter is told to look.
    pub(super) fn is_over(&self) -> bool {
        let mut list = self.list();
        list.is_watched = !list.waiting.is_empty();
        !list.is_watched
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn look(&mut self, books: &Books) -> Option<Revision> {
        if !books.are_final_until(self.newest_open) {
            return None;
        }
        let gap = books.beyond(&self.before);
        let lasting = self.lasting.take().map_or_else(|| gap.clone(), |earlier| earlier.in_common(&gap));
        self.uneven_looks += 1;
        let is_believed = lasting.is_even() || self.uneven_looks >= UNEVEN_LOOKS;
        let (lost, double) = lasting.sums();
        self.lasting = Some(lasting);
        is_believed.then_some(Revision { id: self.id, lost, double })
    }
}

#[cfg(test)]
mod tests;
