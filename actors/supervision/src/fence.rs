//! Tells code whether the thread that it runs on was abandoned: such a thread must not act on anybody any more.
//! Interrupts nothing; who asks is up to everything that has an effect outside of its thread.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::shared::lock;

/// Whether any thread was ever abandoned. Until then, and that is nearly always, this is all that is looked at.
static EVER: AtomicBool = AtomicBool::new(false);

thread_local! {
    static OWN: OnceCell<Arc<Fence>> = const { OnceCell::new() };
}

/// Of one thread.
#[derive(Debug, Default)]
pub(crate) struct Fence {
    closed: AtomicBool,
    /// Held from the moment at which it closes until everybody has left the thread.
    leaving: Mutex<()>,
}

impl Fence {
    /// Makes it the fence of the calling thread.
    pub(crate) fn enclose(self: &Arc<Self>) {
        // A thread that has a fence keeps it.
        OWN.with(|own| drop(own.set(Arc::clone(self))));
    }

    /// From now on the thread is abandoned. Whoever lives there has to be moved before the guard is dropped.
    pub(crate) fn close(&self) -> MutexGuard<'_, ()> {
        let leaving = lock(&self.leaving);
        self.closed.store(true, Ordering::Release);
        EVER.store(true, Ordering::Release);
        leaving
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// Whether the calling thread was abandoned: its place runs on another one, and whatever it still does is void.
///
/// Asked before every tell, push and ask, before every order to a supervisor, and by everything that runs on a place
/// whenever it may have blocked.
pub(crate) fn abandoned() -> bool {
    EVER.load(Ordering::Relaxed) && own_is_closed()
}

/// On an abandoned thread: waits until everybody has been moved away, so that what is dropped next was replaced before.
/// It may well block, because nobody waits for such a thread.
pub(crate) fn wait_for_the_move() {
    // The thread-local is gone only when everything that lived on the thread is.
    let _ = OWN.try_with(|own| own.get().map(|fence| drop(lock(&fence.leaving))));
}

#[cold]
fn own_is_closed() -> bool {
    // A destructor of another thread-local may ask when the fence is gone already; nothing can be sent by then.
    OWN.try_with(|own| own.get().is_some_and(|fence| fence.is_closed())).unwrap_or(true)
}
