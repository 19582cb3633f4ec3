//! What an actor, its handles, its supervisor and a watchdog on another thread share: a few atomics per actor.
//! Holds no message and no actor state.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::task::AtomicWaker;
use tokio::sync::{Notify, oneshot};

use crate::fault::{Fault, FaultSwitch};

/// What the supervisor wants of a cell. A newer command replaces one that was not yet seen.
pub(crate) enum Command {
    /// Build and start the incarnation of this number.
    Run(u64),
    /// Stop politely.
    Stop(oneshot::Sender<()>),
    /// Drop the incarnation now, without `stopping()` and `stopped()`.
    Terminate(oneshot::Sender<()>),
    /// Drop everything, mailbox included: the actor was removed for good.
    Quit,
}

/// Whether an incarnation is there to take messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Life {
    Down = 0,
    Up = 1,
    Terminated = 2,
}

pub(crate) struct Shared {
    pub(crate) path: String,
    pub(crate) kind: &'static str,
    pub(crate) capacity: usize,
    /// Messages accepted and not yet taken out of the mailbox.
    pub(crate) depth: AtomicUsize,
    pub(crate) generation: AtomicU64,
    /// Grows with every poll and every message: a watchdog sees by it that the actor moves.
    pub(crate) progress: AtomicU64,
    /// Set while the actor's code runs: together with a still `progress` it tells a blocked thread from a waiting future.
    pub(crate) in_poll: AtomicBool,
    pub(crate) fault: FaultSwitch,
    waker: AtomicWaker,
    life: AtomicU8,
    life_changed: Notify,
    commanded: AtomicBool,
    command: Mutex<Option<Command>>,
}

impl Shared {
    pub(crate) fn new(path: String, kind: &'static str, capacity: usize) -> Self {
        Self {
            path,
            kind,
            capacity,
            depth: AtomicUsize::new(0),
            generation: AtomicU64::new(0),
            progress: AtomicU64::new(0),
            in_poll: AtomicBool::new(false),
            fault: FaultSwitch::default(),
            waker: AtomicWaker::new(),
            life: AtomicU8::new(Life::Down as u8),
            life_changed: Notify::new(),
            commanded: AtomicBool::new(false),
            command: Mutex::new(None),
        }
    }

    pub(crate) fn command(&self, command: Command) {
        let replaced = lock(&self.command).replace(command);
        self.commanded.store(true, Ordering::Release);
        self.waker.wake();
        drop(replaced);
    }

    pub(crate) fn take_command(&self) -> Option<Command> {
        if !self.commanded.load(Ordering::Relaxed) {
            return None;
        }
        let mut slot = lock(&self.command);
        self.commanded.store(false, Ordering::Relaxed);
        slot.take()
    }

    pub(crate) fn arm(&self, fault: Fault) {
        self.fault.arm(fault);
        self.waker.wake();
    }

    pub(crate) fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }

    pub(crate) fn life(&self) -> Life {
        match self.life.load(Ordering::Acquire) {
            0 => Life::Down,
            1 => Life::Up,
            _ => Life::Terminated,
        }
    }

    pub(crate) fn set_life(&self, life: Life) {
        self.life.store(life as u8, Ordering::Release);
        self.life_changed.notify_waiters();
    }

    /// Waits until the actor runs (true) or is removed for good (false).
    pub(crate) async fn up(&self) -> bool {
        loop {
            let mut changed = std::pin::pin!(self.life_changed.notified());
            changed.as_mut().enable();
            match self.life() {
                Life::Up => return true,
                Life::Terminated => return false,
                Life::Down => changed.await,
            }
        }
    }

    /// Takes a place in the mailbox, or refuses when it is full. The bound holds across all handles and threads.
    pub(crate) fn admit(&self) -> bool {
        if self.depth.fetch_add(1, Ordering::Relaxed) < self.capacity {
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

/// A lock that a panic elsewhere does not take away: what these locks guard is never left half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
