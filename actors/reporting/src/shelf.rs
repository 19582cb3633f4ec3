//! Where the open database of one consumer lies, so that the next incarnation can close it.
//! Does not open anything, and does not wait for a commit that is under way.
//!
//! The engine locks its directory, and an incarnation whose thread is blocked cannot let go of what it holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared by all incarnations of one consumer.
pub(crate) struct Shelf<S>(Arc<Mutex<Slot<S>>>);

struct Slot<S> {
    /// Of the newest lease.
    ticket: u64,
    database: Option<S>,
}

/// The right to use the database until a later incarnation takes it away.
pub(crate) struct Lease<S> {
    shelf: Shelf<S>,
    ticket: u64,
}

// === impl Shelf ===

impl<S> Shelf<S> {
    /// Takes the database from whoever has it; it closes when the last commit on it is through.
    pub(crate) fn evict(&self) {
        let mut slot = self.slot();
        slot.ticket += 1;
        let database = slot.database.take();
        drop(slot);
        drop(database);
    }

    /// Puts a database there for its new owner.
    pub(crate) fn put(&self, database: S) -> Lease<S> {
        let mut slot = self.slot();
        slot.ticket += 1;
        slot.database = Some(database);
        Lease { shelf: self.clone(), ticket: slot.ticket }
    }

    fn slot(&self) -> MutexGuard<'_, Slot<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Clone for Shelf<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Default for Shelf<S> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Slot { ticket: 0, database: None })))
    }
}

// === impl Lease ===

impl<S: Clone> Lease<S> {
    /// Handles to the database; none once it was taken away.
    pub(crate) fn get(&self) -> Option<S> {
        let slot = self.shelf.slot();
        slot.database.clone().filter(|_| slot.ticket == self.ticket)
    }
}

impl<S> Drop for Lease<S> {
    fn drop(&mut self) {
        let mut slot = self.shelf.slot();
        let database = if slot.ticket == self.ticket { slot.database.take() } else { None };
        drop(slot);
        drop(database);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_takes_the_database_from_an_incarnation_that_hangs() {
        let (shelf, database) = (Shelf::default(), Arc::new("open"));
        let hung = shelf.put(Arc::clone(&database));

        shelf.evict();

        assert!(hung.get().is_none());
        assert_eq!(Arc::strong_count(&database), 1, "nothing keeps it open");
    }

    #[test]
    fn an_incarnation_that_wakes_up_late_does_not_close_the_database_of_its_successor() {
        let shelf = Shelf::default();
        let hung = shelf.put(1);
        shelf.evict();
        let lease = shelf.put(2);

        drop(hung);

        assert_eq!(lease.get(), Some(2));
    }

    #[test]
    fn a_database_is_closed_with_its_owner() {
        let (shelf, database) = (Shelf::default(), Arc::new("open"));

        drop(shelf.put(Arc::clone(&database)));

        assert_eq!(Arc::strong_count(&database), 1);
    }
}
