//! The context of every supervised actor: what actix's own offers, plus the way back to its handle.
//! Cannot be made outside of this crate, which is why no actor runs unsupervised.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFuture, ActorState, Addr, AsyncContext, SpawnHandle};

use crate::handle::Handle;
use crate::interval::Every;
use crate::seat::Seat;
use crate::shared::Shared;
use crate::vitals::Vitals;

pub(crate) type Job<A> = Pin<Box<dyn ActorFuture<A, Output = ()>>>;

/// Context of a supervised actor: `impl Actor for X { type Context = SupervisedContext<Self>; }` plus `supervised!(X);`
///
/// ```
/// use actix::Actor;
/// use tillstream_supervision::{SupervisedContext, supervised};
///
/// struct Till;
/// impl Actor for Till { type Context = SupervisedContext<Self>; }
/// supervised!(Till);
/// ```
///
/// Such an actor cannot be started without a supervisor; this does not compile:
///
/// ```compile_fail
/// use actix::Actor;
/// use tillstream_supervision::{SupervisedContext, supervised};
///
/// struct Till;
/// impl Actor for Till { type Context = SupervisedContext<Self>; }
/// supervised!(Till);
///
/// Till.start();
/// ```
pub struct SupervisedContext<A: Actor<Context = Self>> {
    seat: Arc<Seat<A>>,
    epoch: u64,
    vitals: Arc<Vitals>,
    state: ActorState,
    last: SpawnHandle,
    /// Spawned or waited for since the incarnation last looked.
    pub(crate) spawned: Vec<(SpawnHandle, Job<A>)>,
    /// Under the number by which the watchdog tells one wait from the next.
    pub(crate) waits: Vec<(u64, Job<A>)>,
    pub(crate) cancelled: Vec<SpawnHandle>,
    /// Type of the message whose handler runs.
    pub(crate) in_hand: Option<&'static str>,
}

impl<A: Actor<Context = Self>> SupervisedContext<A> {
    pub(crate) fn new(seat: Arc<Seat<A>>, epoch: u64, vitals: Arc<Vitals>) -> Self {
        Self {
            seat,
            epoch,
            vitals,
            state: ActorState::Started,
            last: SpawnHandle::default(),
            spawned: Vec::new(),
            waits: Vec::new(),
            cancelled: Vec::new(),
            in_hand: None,
        }
    }

    /// Stable handle of the actor itself (for self-tells from futures).
    pub fn handle(&self) -> Handle<A> {
        Handle::new(Arc::clone(&self.seat))
    }

    /// Its dotted path, such as `root.pipeline.windows.STORE_3`.
    pub fn path(&self) -> &str {
        &self.seat.shared.path
    }

    /// 1 for the first incarnation.
    pub fn generation(&self) -> u64 {
        self.seat.shared.generation()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.seat.shared
    }

    pub(crate) fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    pub(crate) fn set_state(&mut self, state: ActorState) {
        self.state = state;
    }

    pub(crate) fn take_spawned(&mut self) -> Vec<(SpawnHandle, Job<A>)> {
        mem::take(&mut self.spawned)
    }
}

impl<A: Actor<Context = Self>> ActorContext for SupervisedContext<A> {
    /// Ends this incarnation; a permanent actor comes back fresh.
    fn stop(&mut self) {
        if self.state.alive() {
            self.state = ActorState::Stopping;
        }
    }

    fn terminate(&mut self) {
        self.state = ActorState::Stopped;
    }

    fn state(&self) -> ActorState {
        self.state
    }
}

impl<A: Actor<Context = Self>> AsyncContext<A> for SupervisedContext<A> {
    /// For actix's own helpers. It has no bound and is not counted: give [`SupervisedContext::handle`] to others.
    fn address(&self) -> Addr<A> {
        Addr::new(self.seat.sender_of(self.epoch))
    }

    fn spawn<F>(&mut self, job: F) -> SpawnHandle
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.last = self.last.next();
        self.spawned.push((self.last, Box::pin(job)));
        self.last
    }

    fn wait<F>(&mut self, job: F)
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.waits.push((self.vitals.next_wait(), Box::pin(job)));
    }

    fn waiting(&self) -> bool {
        !self.waits.is_empty() || self.state.stopping()
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        self.cancelled.push(handle);
        true
    }

    /// After a stall it ticks once and goes on from there; actix's own would make up for every missed tick.
    fn run_interval<F>(&mut self, period: Duration, call: F) -> SpawnHandle
    where
        F: FnMut(&mut A, &mut A::Context) + 'static,
    {
        self.spawn(Every::new(period, call))
    }
}
