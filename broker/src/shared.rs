//! What the handles and the engine share.
//! Does not hold the storage, which is the engine's alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::clock::Clock;
use crate::inbox::Inbox;
use crate::settings::BrokerSettings;
use crate::state::State;
use crate::topic::Subscriptions;

/// Shared by `Broker`, `Flow` and the engine. Whoever takes both locks takes neither while holding the other.
pub(crate) struct Shared {
    pub(crate) inbox: Inbox,
    pub(crate) state: Mutex<State>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) settings: BrokerSettings,
    pub(crate) clock: Arc<dyn Clock>,
    /// Acknowledgements wait to be written and the engine knows it.
    pub(crate) dirty: AtomicBool,
    departure: Mutex<Departure>,
}

/// The engine's end, and who waits for it.
#[derive(Default)]
struct Departure {
    gone: bool,
    waiting: Vec<Waker>,
}

// === impl Shared ===

impl Shared {
    pub(crate) fn new(
        state: State,
        subscriptions: Subscriptions,
        settings: BrokerSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (inbox, departure, dirty) = (Inbox::default(), Mutex::default(), AtomicBool::new(false));
        Self { inbox, state: Mutex::new(state), subscriptions, settings, clock, dirty, departure }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Something changed that must be written before long: wakes the engine unless it knows.
    pub(crate) fn mark_dirty(&self) {
        if !self.dirty.swap(true, Ordering::AcqRel) {
            self.inbox.ring();
        }
    }

    pub(crate) fn announce_departure(&self) {
        let waiting = {
            let mut departure = lock(&self.departure);
            departure.gone = true;
            std::mem::take(&mut departure.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Resolves when the engine has gone.
    pub(crate) async fn departed(&self) {
        std::future::poll_fn(|context| {
            let mut departure = lock(&self.departure);
            if departure.gone {
                return Poll::Ready(());
            }
            departure.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Locks, also when a thread panicked with the lock held: each critical section leaves sound values behind.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the waker of whoever asked last, without a copy when that is the one who asked before.
pub(crate) fn remember(kept: &mut Option<Waker>, asking: &Waker) {
    match kept {
        Some(waker) => waker.clone_from(asking),
        None => *kept = Some(asking.clone()),
    }
}
