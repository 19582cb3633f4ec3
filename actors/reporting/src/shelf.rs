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

/// The right to put a database there, unless somebody has claimed the shelf since.
pub(crate) struct Claim<S> {
    shelf: Shelf<S>,
    ticket: u64,
}

/// The right to use the database until a later incarnation takes it away.
pub(crate) struct Lease<S> {
    shelf: Shelf<S>,
    ticket: u64,
}

// === impl Shelf ===

impl<S> Shelf<S> {
    /// Takes the database from whoever has it; it closes when the last commit on it is through.
    pub(crate) fn claim(&self) -> Claim<S> {
        let mut slot = self.slot();
        slot.ticket += 1;
        let (ticket, database) = (slot.ticket, slot.database.take());
        drop(slot);
        drop(database);
        Claim { shelf: self.clone(), ticket }
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

// === impl Claim ===

impl<S> Claim<S> {
    /// Puts a database there, and closes it where the claim is no longer the newest. To be called where the database is
    /// opened: on its way to an actor whose thread blocks, nobody could close it.
    pub(crate) fn put(self, database: S) -> Option<Lease<S>> {
        let mut slot = self.shelf.slot();
        if slot.ticket != self.ticket {
            return None;
        }
        slot.database = Some(database);
        drop(slot);
        Some(Lease { shelf: self.shelf, ticket: self.ticket })
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

    fn held_for_test<S>(shelf: &Shelf<S>, database: S) -> Lease<S> {
        shelf.claim().put(database).expect("nobody else has claimed the shelf")
    }

    #[test]
    fn a_successor_takes_the_database_from_an_incarnation_that_hangs() {
        let (shelf, database) = (Shelf::default(), Arc::new("open"));
        let hung = held_for_test(&shelf, Arc::clone(&database));

        let _claim = shelf.claim();

        assert!(hung.get().is_none());
        assert_eq!(Arc::strong_count(&database), 1, "nothing keeps it open");
    }

    #[test]
    fn a_database_that_was_opened_for_an_incarnation_that_hangs_by_now_is_closed() {
        let (shelf, database) = (Shelf::default(), Arc::new("open"));
        let hung = shelf.claim();
        let lease = held_for_test(&shelf, Arc::new("open as well"));

        assert!(hung.put(Arc::clone(&database)).is_none());

        assert_eq!(Arc::strong_count(&database), 1, "nothing keeps it open");
        assert!(lease.get().is_some());
    }

    #[test]
    fn an_incarnation_that_wakes_up_late_does_not_close_the_database_of_its_successor() {
        let shelf = Shelf::default();
        let hung = held_for_test(&shelf, 1);
        let lease = held_for_test(&shelf, 2);

        drop(hung);

        assert_eq!(lease.get(), Some(2));
    }

    #[test]
    fn a_database_is_closed_with_its_owner() {
        let (shelf, database) = (Shelf::default(), Arc::new("open"));

        drop(held_for_test(&shelf, Arc::clone(&database)));

        assert_eq!(Arc::strong_count(&database), 1);
    }
}
