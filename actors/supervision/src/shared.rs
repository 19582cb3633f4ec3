//! What an actor, its handles, its supervisor and a watchdog on another thread share: a few atomics per actor.
//! Holds no message and no actor state.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::sync::{Notify, oneshot};

use crate::fault::{Fault, FaultRecord, FaultSwitch};
use crate::metrics;
use crate::tally::Tally;
use crate::tenant::Stuck;
use crate::vitals::Vitals;

/// What the supervisor wants of a cell. A newer command replaces one that was not yet seen.
pub(crate) enum Command {
    /// Build and start the incarnation of this number.
    Run(u64),
    /// Stop politely.
    Stop(oneshot::Sender<()>),
    /// Drop the incarnation now, without `stopping()` and `stopped()`.
    Terminate(oneshot::Sender<()>),
    /// If the incarnation is still stuck in this, drop it and report that it hung.
    Unhang(Stuck),
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
    pub(crate) generation: AtomicU64,
    pub(crate) fault: FaultSwitch,
    /// Of everybody of its kind.
    pub(crate) tally: Arc<Tally>,
    /// How often the actor was moved to another thread. Cells of an earlier epoch run on abandoned threads.
    epoch: AtomicU64,
    /// Notified when the epoch changes: what was asked before will not be answered.
    moved: Notify,
    life: AtomicU8,
    life_changed: Notify,
    commanded: AtomicBool,
    desk: Mutex<Desk>,
}

/// What belongs to the cell of the newest epoch only. An abandoned thread may come back at any moment, also in the
/// middle of the move, so everything that it must not touch is behind this lock, and the lock asks for the epoch.
struct Desk {
    epoch: u64,
    command: Option<Command>,
    waker: Option<Waker>,
    vitals: Arc<Vitals>,
}

impl Shared {
    pub(crate) fn new(path: String, kind: &'static str, capacity: usize, vitals: Arc<Vitals>) -> Self {
        Self {
            path,
            kind,
            capacity,
            generation: AtomicU64::new(0),
            fault: FaultSwitch::default(),
            tally: metrics::tally(kind),
            epoch: AtomicU64::new(0),
            moved: Notify::new(),
            life: AtomicU8::new(Life::Down as u8),
            life_changed: Notify::new(),
            commanded: AtomicBool::new(false),
            desk: Mutex::new(Desk { epoch: 0, command: None, waker: None, vitals }),
        }
    }

    // === for supervisors and watchdogs ===

    pub(crate) fn command(&self, command: Command) {
        let mut desk = lock(&self.desk);
        let replaced = desk.command.replace(command);
        self.commanded.store(true, Ordering::Release);
        let waker = desk.waker.clone();
        drop(desk);
        wake(waker);
        drop(replaced);
    }

    /// A command that gives way to any other.
    pub(crate) fn suggest(&self, command: Command) {
        let mut desk = lock(&self.desk);
        if desk.command.is_some() {
            return;
        }
        desk.command = Some(command);
        self.commanded.store(true, Ordering::Release);
        let waker = desk.waker.clone();
        drop(desk);
        wake(waker);
    }

    pub(crate) fn arm(&self, fault: Fault) -> Arc<FaultRecord> {
        let record = self.fault.arm(fault);
        let waker = lock(&self.desk).waker.clone();
        wake(waker);
        record
    }

    /// Down, and nothing under way that could change it.
    pub(crate) fn is_at_rest(&self) -> bool {
        let desk = lock(&self.desk);
        self.life() == Life::Down && desk.command.is_none() && !desk.vitals.in_poll()
    }

    /// Messages that wait. Those in the mailbox of an abandoned thread do not count.
    pub(crate) fn depth(&self) -> usize {
        self.vitals().depth()
    }

    /// Of the newest epoch.
    pub(crate) fn vitals(&self) -> Arc<Vitals> {
        Arc::clone(&lock(&self.desk).vitals)
    }

    /// A new epoch: whatever the cell of the last one still does is void. A command that it has not taken goes to the
    /// next cell.
    pub(crate) fn begin_epoch(&self, vitals: Arc<Vitals>) -> u64 {
        let mut desk = lock(&self.desk);
        desk.epoch += 1;
        desk.waker = None;
        desk.vitals = vitals;
        let epoch = desk.epoch;
        self.change_life(Life::Down);
        self.epoch.store(epoch, Ordering::Release);
        drop(desk);
        self.moved.notify_waiters();
        epoch
    }

    // === for cells ===

    /// The command of the supervisor, if that is still the newest epoch.
    pub(crate) fn take_command(&self, epoch: u64) -> Option<Command> {
        if !self.commanded.load(Ordering::Relaxed) {
            return None;
        }
        let mut desk = lock(&self.desk);
        if desk.epoch != epoch {
            return None;
        }
        self.commanded.store(false, Ordering::Relaxed);
        let command = desk.command.take();
        if let Some(Command::Run(generation)) = command {
            // In one step: whoever begins a new epoch sees either the order or the incarnation that came of it.
            self.generation.store(generation, Ordering::Relaxed);
        }
        command
    }

    /// Who to wake for a command or a fault.
    pub(crate) fn register(&self, epoch: u64, waker: &Waker) {
        let mut desk = lock(&self.desk);
        if desk.epoch == epoch {
            desk.waker = Some(waker.clone());
        }
    }

    /// As [`Shared::set_life`], but void unless that is still the newest epoch.
    pub(crate) fn set_life_in(&self, epoch: u64, life: Life) {
        let desk = lock(&self.desk);
        if desk.epoch == epoch {
            self.change_life(life);
        }
    }

    // === for everybody ===

    pub(crate) fn life(&self) -> Life {
        match self.life.load(Ordering::Acquire) {
            0 => Life::Down,
            1 => Life::Up,
            _ => Life::Terminated,
        }
    }

    /// Nobody comes back from `Terminated`.
    pub(crate) fn set_life(&self, life: Life) {
        let _desk = lock(&self.desk);
        self.change_life(life);
    }

    /// With the desk locked.
    fn change_life(&self, life: Life) {
        if self.life() != Life::Terminated {
            self.life.store(life as u8, Ordering::Release);
        }
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

    /// Of the newest incarnation.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// How often the actor was moved; one relaxed load.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Whether the actor has not been moved since that epoch.
    pub(crate) fn is_in(&self, epoch: u64) -> bool {
        self.epoch.load(Ordering::Acquire) == epoch
    }

    /// The answer to what was asked in that epoch; none when the actor failed with it or was moved away from it. What
    /// an abandoned thread answers afterwards is not heard.
    pub(crate) async fn answer<T>(&self, epoch: u64, answer: impl Future<Output = Option<T>>) -> Option<T> {
        let mut moved = std::pin::pin!(self.moved.notified());
        moved.as_mut().enable();
        if !self.is_in(epoch) {
            return None;
        }
        tokio::select! {
            biased;
            () = moved => None,
            answer = answer => answer,
        }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// A lock that a panic elsewhere does not take away: what these locks guard is never left half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
