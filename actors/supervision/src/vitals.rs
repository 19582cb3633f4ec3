//! What a watchdog on another thread can see of one tenant of a thread: a few atomics, written by the tenant itself.
//! Judges nothing; see `watchdog`.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::fence;

/// Of one tenant on one thread. A tenant that is moved to another thread gets new ones, so that whatever still runs on
/// the abandoned thread writes where nobody looks.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    /// Messages accepted and not yet taken out of this mailbox.
    depth: AtomicUsize,
    /// Grows with every poll and every message.
    progress: AtomicU64,
    /// Set while the tenant's code runs: with a still `progress` it tells a blocked thread from a waiting future.
    in_poll: AtomicBool,
    /// Number of the future without which nothing goes on here; 0 while there is none.
    wait: AtomicU64,
    /// The last such number.
    waits: AtomicU64,
    /// Whether there is anybody to take messages. One that is down is neither idle nor hung.
    up: AtomicBool,
    /// The tenant has left the thread for good, or its thread has.
    over: AtomicBool,
}

impl Vitals {
    /// Runs a piece of the tenant's code in sight of the watchdog. It must not unwind.
    pub(crate) fn during<R>(&self, code: impl FnOnce() -> R) -> R {
        self.advance();
        self.set_in_poll(true);
        let result = code();
        self.set_in_poll(false);
        result
    }

    /// Set around the tenant's code: a thread that blocks in between was blocked by this tenant.
    pub(crate) fn set_in_poll(&self, in_poll: bool) {
        self.in_poll.store(in_poll, Ordering::Relaxed);
    }

    /// Something was done.
    pub(crate) fn advance(&self) {
        // Only the tenant's own thread writes, so two plain accesses do what a locked instruction would.
        self.progress.store(self.progress.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// A number for the next future that everything has to wait for; never 0 and never the same twice.
    pub(crate) fn next_wait(&self) -> u64 {
        self.waits.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Nothing goes on here until the future of this number has ended.
    pub(crate) fn waits_for(&self, number: u64) {
        self.wait.store(number, Ordering::Relaxed);
    }

    /// Nothing is waited for.
    pub(crate) fn waits_no_more(&self) {
        self.wait.store(0, Ordering::Relaxed);
    }

    pub(crate) fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Nobody lives here any more: the place forgets the tenant and does not move it. What ends on an abandoned thread
    /// says nothing of the tenant, who may not have been moved yet.
    pub(crate) fn end(&self) {
        if !fence::abandoned() {
            self.over.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn wait(&self) -> u64 {
        self.wait.load(Ordering::Relaxed)
    }

    pub(crate) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    pub(crate) fn in_poll(&self) -> bool {
        self.in_poll.load(Ordering::Relaxed)
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }

    /// Takes a place in the mailbox, or refuses when it is full. The bound holds across all handles and threads.
    pub(crate) fn admit(&self, capacity: usize) -> bool {
        if self.depth.fetch_add(1, Ordering::Relaxed) < capacity {
            return true;
        }
        self.leave();
        false
    }

    /// Takes a place whatever the bound says.
    pub(crate) fn admit_beyond_bound(&self) {
        self.depth.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives a place back.
    pub(crate) fn leave(&self) {
        self.depth.fetch_sub(1, Ordering::Relaxed);
    }
}
