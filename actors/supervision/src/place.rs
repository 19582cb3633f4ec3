//! Where actors run: a thread of their own, which can be replaced when it blocks, or the caller's.
//! Cannot interrupt a blocked thread, and does not judge whether one is; see `watchdog`.

use std::io;
use std::sync::{Arc, Mutex, Weak};

use actix_rt::System;
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tracing::error;

use crate::berth::{Berth, Job, launch, run};
use crate::shared::lock;
use crate::tenant::{Blockage, Resident, Tenant};
use crate::vitals::Vitals;

/// Below this many residents it is not worth while to look for those that have left.
const FEW: usize = 64;

/// Where an actor runs: its own OS thread (arbiter) or one shared by a failure domain.
///
/// The thread lives as long as a clone of its place or an actor that was placed there. A thread that a
/// [`Watchdog`](crate::Watchdog) finds blocked is replaced, and everybody there starts afresh on the new one.
#[derive(Clone)]
pub struct Place(Arc<Inner>);

struct Inner {
    name: String,
    /// Of whoever made the place; its threads show it to actors.
    system: Option<System>,
    /// False for the thread of a caller, which nobody can replace.
    own: bool,
    state: Mutex<State>,
}

/// Changed as a whole, so that a tenant moves in either before its thread is abandoned or on the next one.
struct State {
    berth: Arc<Berth>,
    jobs: mpsc::UnboundedSender<Job>,
    residents: Vec<Resident>,
    /// Length at which those that left are swept out again: twice what was left the last time.
    sweep_at: usize,
}

impl Place {
    /// A new named arbiter (OS thread); clones of the place share it.
    ///
    /// It is a single-threaded tokio runtime like an actix arbiter, but needs no actix system, and the name shows in
    /// `top`. If the system has no thread left, every spawn there fails with `PlaceGone`.
    pub fn arbiter(name: &str) -> Place {
        let system = System::try_current();
        let (berth, jobs) = launch(name, system.clone()).unwrap_or_else(|failure| {
            error!(place.name = name, error = %failure, "no thread for arbiter `{name}`");
            // The receiver is dropped here, so the place takes no job.
            (Arc::new(Berth::new()), mpsc::unbounded_channel().0)
        });
        Self::new(name, system, true, berth, jobs)
    }

    /// The arbiter (or LocalSet) of the caller: whole trees on one paused clock in tests. No watchdog looks at it.
    ///
    /// # Panics
    /// Outside of an arbiter, an actix system and a `LocalSet`, because nothing could run there.
    pub fn here() -> Place {
        let (jobs, waiting) = mpsc::unbounded_channel();
        spawn_local(run(waiting));
        Self::new("here", None, false, Arc::new(Berth::new()), jobs)
    }

    fn new(
        name: &str,
        system: Option<System>,
        own: bool,
        berth: Arc<Berth>,
        jobs: mpsc::UnboundedSender<Job>,
    ) -> Place {
        let state = State { berth, jobs, residents: Vec::new(), sweep_at: 0 };
        Self(Arc::new(Inner { name: name.to_owned(), system, own, state: Mutex::new(state) }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Takes a tenant in: the job starts it there, soon. False when the thread has ended.
    ///
    /// What the job starts has to say when it is over, see [`Vitals::end`].
    pub(crate) fn house(
        &self,
        tenant: Weak<dyn Tenant>,
        vitals: Arc<Vitals>,
        job: impl FnOnce() + Send + 'static,
    ) -> bool {
        let mut state = lock(&self.0.state);
        state.residents.push(Resident::new(tenant, vitals));
        state.sweep();
        let sent = state.jobs.send(Box::new(job));
        drop(state); // A job that is refused may hold anything.
        sent.is_ok()
    }

    /// Shows the thread and who lives there to the watchdog.
    pub(crate) fn inspect<R>(&self, look: impl FnOnce(&Arc<Berth>, &mut Vec<Resident>) -> R) -> R {
        let state = &mut *lock(&self.0.state);
        look(&state.berth, &mut state.residents)
    }

    /// Abandons that thread and moves everybody to a new one. Nothing happens if it was abandoned already; an error
    /// when there is no new thread to be had, and then nothing has changed either.
    pub(crate) fn replace(&self, blocked: &Arc<Berth>, blockage: &Blockage) -> io::Result<()> {
        let (berth, jobs) = launch(&self.0.name, self.0.system.clone())?;
        let mut state = lock(&self.0.state);
        if !Arc::ptr_eq(&state.berth, blocked) {
            return Ok(()); // The new thread ends for want of jobs.
        }
        let leaving = blocked.abandon();
        state.berth = berth;
        state.jobs = jobs;
        let residents = std::mem::take(&mut state.residents);
        drop(state);
        for resident in residents {
            resident.move_to(self, blockage);
        }
        drop(leaving);
        Ok(())
    }
}

impl State {
    fn sweep(&mut self) {
        if self.residents.len() >= self.sweep_at.max(FEW) {
            self.residents.retain(Resident::is_there);
            self.sweep_at = self.residents.len() * 2;
        }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Place").field(&self.0.name).finish()
    }
}

/// The places of one tree that have a thread of their own, for its watchdog. Keeps none of them alive.
#[derive(Debug, Default)]
pub(crate) struct Estate(Mutex<Vec<Weak<Inner>>>);

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Estate {
    /// Called whenever somebody of the tree moves in; there are few places, so looking for it is cheap.
    pub(crate) fn add(&self, place: &Place) {
        let mut known = lock(&self.0);
        let is_known = known.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(&place.0)));
        if place.0.own && !is_known {
            known.retain(|place| place.strong_count() > 0);
            known.push(Arc::downgrade(&place.0));
        }
    }

    pub(crate) fn places(&self) -> Vec<Place> {
        lock(&self.0).iter().filter_map(Weak::upgrade).map(Place).collect()
    }
}
