//! One OS thread of a place, from its start to its end, which may come long after it was abandoned.
//! Does not know who lives there.

use std::io;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};

use actix_rt::System;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc};
use tokio::task::{LocalSet, spawn_local};

use crate::fence::{self, Fence};
use crate::metrics;

pub(crate) type Job = Box<dyn FnOnce() + Send>;

const AT_WORK: u8 = 0;
const ZOMBIE: u8 = 1;
const ENDED: u8 = 2;

pub(crate) struct Berth {
    fence: Arc<Fence>,
    stage: AtomicU8,
    /// Beats asked for and answered.
    asked: AtomicU64,
    answered: AtomicU64,
    beat: Notify,
    /// Rounds without any sign of life.
    silent: AtomicU32,
}

impl Berth {
    pub(crate) fn new() -> Self {
        Self {
            fence: Arc::default(),
            stage: AtomicU8::new(AT_WORK),
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            beat: Notify::new(),
            silent: AtomicU32::new(0),
        }
    }

    /// Whether everything that was ready on the thread when the last beat was asked for has had its turn since.
    pub(crate) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed) == self.asked.load(Ordering::Relaxed)
    }

    /// Asks the thread for a sign of life, unless it still owes one. Returns how often in a row it was asked and there was
    /// none at all; the caller may know of others than the answer.
    ///
    /// Waking a task from outside puts it behind all others that are ready.
    pub(crate) fn ask(&self, is_alive: bool) -> u32 {
        if self.has_answered() {
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.beat.notify_one();
        }
        let silent = if is_alive { 0 } else { self.silent.load(Ordering::Relaxed) + 1 };
        self.silent.store(silent, Ordering::Relaxed);
        silent
    }

    /// Fences the thread off. It ends when whatever blocks it returns, but not before the guard is dropped.
    pub(crate) fn abandon(&self) -> MutexGuard<'_, ()> {
        let leaving = self.fence.close();
        if self.stage.compare_exchange(AT_WORK, ZOMBIE, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            metrics::zombies().inc();
        }
        leaving
    }

    /// Abandoned and not yet at its end.
    pub(crate) fn is_zombie(&self) -> bool {
        self.stage.load(Ordering::Acquire) == ZOMBIE
    }

    fn end(&self) {
        if self.stage.swap(ENDED, Ordering::AcqRel) == ZOMBIE {
            metrics::zombies().dec();
        }
    }
}

/// Starts a thread; it is ready when this returns, and ends when the sender of its jobs is dropped.
pub(crate) fn launch(name: &str, system: Option<System>) -> io::Result<(Arc<Berth>, mpsc::UnboundedSender<Job>)> {
    let berth = Arc::new(Berth::new());
    let (jobs, waiting) = mpsc::unbounded_channel();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let taken = Arc::clone(&berth);
    std::thread::Builder::new().name(name.to_owned()).spawn(move || work(system, &taken, runtime, waiting))?;
    Ok((berth, jobs))
}

fn work(system: Option<System>, berth: &Arc<Berth>, runtime: Runtime, waiting: mpsc::UnboundedReceiver<Job>) {
    let _end = End(berth);
    berth.fence.enclose();
    if let Some(system) = system {
        System::set_current(system); // Actors may ask for it, as on actix's own arbiters.
    }
    LocalSet::new().block_on(&runtime, async {
        spawn_local(pulse(Arc::clone(berth)));
        run(waiting).await;
    });
    if fence::abandoned() {
        // Otherwise it would wait for blocking calls of actors that are gone.
        runtime.shutdown_background();
    }
}

/// Says that the thread is no more, even if something panicked in it.
struct End<'a>(&'a Berth);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Runs jobs until nobody can send one any more or the thread is abandoned; then whatever they started is dropped.
pub(crate) async fn run(mut waiting: mpsc::UnboundedReceiver<Job>) {
    while let Some(job) = waiting.recv().await {
        if fence::abandoned() {
            fence::wait_for_the_move();
            return;
        }
        job();
    }
}

/// Answers beats: a task like any other of the thread, so it has its turn when they have theirs.
async fn pulse(berth: Arc<Berth>) {
    loop {
        berth.beat.notified().await;
        berth.answered.store(berth.asked.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}
