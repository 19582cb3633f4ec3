//! Locking where a panic of another task must not spread.
//! Decides nothing about order: locks of flows, buffers and registers are leaves, taken under a desk's and never around it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A task that panicked leaves its own connection behind and nobody else's.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
