//! Where actors run: a thread of their own or the caller's.
//! Does not restart a thread and cannot interrupt one that is blocked.

use actix_rt::System;
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};
use tracing::error;

type Job = Box<dyn FnOnce() + Send>;

/// Where an actor runs: its own OS thread (arbiter) or one shared by a failure domain.
///
/// The thread lives as long as a clone of its place or an actor that was placed there.
#[derive(Clone)]
pub struct Place {
    jobs: mpsc::UnboundedSender<Job>,
}

impl Place {
    /// A new named arbiter (OS thread); clones of the place share it.
    ///
    /// It is a single-threaded tokio runtime like an actix arbiter, but needs no actix system, and the name shows in
    /// `top`. If the system has no thread left, every spawn there fails with `PlaceGone`.
    pub fn arbiter(name: &str) -> Place {
        let (jobs, waiting) = mpsc::unbounded_channel();
        let system = System::try_current();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(system, waiting));
        if let Err(failure) = thread {
            error!(place.name = name, error = %failure, "no thread for arbiter `{name}`");
        }
        Place { jobs }
    }

    /// The arbiter (or LocalSet) of the caller: whole trees on one paused clock in tests.
    ///
    /// # Panics
    /// Outside of an arbiter, an actix system and a `LocalSet`, because nothing could run there.
    pub fn here() -> Place {
        let (jobs, waiting) = mpsc::unbounded_channel();
        spawn_local(run(waiting));
        Place { jobs }
    }

    /// Runs a job there, soon. False when the thread has ended.
    pub(crate) fn post(&self, job: impl FnOnce() + Send + 'static) -> bool {
        self.jobs.send(Box::new(job)).is_ok()
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Place")
    }
}

fn work(system: Option<System>, waiting: mpsc::UnboundedReceiver<Job>) {
    if let Some(system) = system {
        System::set_current(system); // Actors may ask for it, as on actix's own arbiters.
    }
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => LocalSet::new().block_on(&runtime, run(waiting)),
        Err(failure) => error!(error = %failure, "no runtime for an arbiter"),
    }
}

async fn run(mut waiting: mpsc::UnboundedReceiver<Job>) {
    while let Some(job) = waiting.recv().await {
        job();
    }
}
