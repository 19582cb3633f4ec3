//! What the handles of one supervisor and its loop share: the roster, the queues of orders and events, and who may act.
//! Outlives every loop, so that the next one goes on where the last one failed; decides nothing itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use futures_util::task::AtomicWaker;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::warn;

use super::Op;
use super::service::Service;
use crate::cell::Link;
use crate::exit::{Event, Exit};
use crate::fault::{Fault, FaultRecord, FaultSwitch};
use crate::fence;
use crate::metrics;
use crate::place::{Estate, Place};
use crate::roster::{Phase, Roster};
use crate::shared::lock;
use crate::spec::SupervisorSpec;
use crate::tenant::{Moved, Stuck, Tenant};
use crate::unit::Unit;

pub(crate) struct Core {
    pub(crate) path: String,
    pub(crate) spec: SupervisorSpec,
    pub(crate) place: Place,
    /// The places of the whole tree, for its watchdog.
    pub(crate) estate: Arc<Estate>,
    /// None at the root.
    pub(crate) parent: Option<Link>,
    ops: mpsc::UnboundedSender<Op>,
    pub(crate) events: mpsc::UnboundedSender<Event>,
    inbox: Mutex<Inbox>,
    roster: Mutex<Roster>,
    pub(crate) fault: FaultSwitch,
    /// Grows with every start of the group or of the loop.
    pub(crate) generation: AtomicU64,
    /// Starts of the loop that were not ordered by a parent.
    pub(crate) revivals: AtomicU64,
    /// Number of the loop that may act; any other finds itself superseded.
    epoch: AtomicU64,
    /// Of the loop.
    waker: AtomicWaker,
    /// What the watchdog has found the loop stuck in.
    stuck: Mutex<Option<Stuck>>,
}

/// Under this kind a supervisor's own restarts are counted.
const SUPERVISOR: &str = "supervisor";

/// The receivers. A loop that fails drops nothing of what waits here.
struct Inbox {
    ops: mpsc::UnboundedReceiver<Op>,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Core {
    /// A supervisor whose loop runs on `place`.
    pub(crate) fn launch(
        path: String,
        spec: SupervisorSpec,
        place: &Place,
        estate: Arc<Estate>,
        parent: Option<Link>,
    ) -> Arc<Core> {
        metrics::declare(SUPERVISOR);
        estate.add(place);
        // The root needs nobody to start it.
        let phase = if parent.is_none() { Phase::Active } else { Phase::Idle };
        let (ops, asked) = mpsc::unbounded_channel();
        let (events, heard) = mpsc::unbounded_channel();
        let core = Arc::new(Core {
            path,
            spec,
            place: place.clone(),
            estate,
            generation: AtomicU64::new(u64::from(parent.is_none())),
            parent,
            ops,
            events,
            inbox: Mutex::new(Inbox { ops: asked, events: heard }),
            roster: Mutex::new(Roster::new(phase)),
            fault: FaultSwitch::default(),
            revivals: AtomicU64::new(0),
            epoch: AtomicU64::new(1),
            waker: AtomicWaker::new(),
            stuck: Mutex::new(None),
        });
        Service::house(&core, place, 1, None);
        core
    }

    /// Held for a few instructions at a time, never across an await.
    pub(crate) fn roster(&self) -> MutexGuard<'_, Roster> {
        lock(&self.roster)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Of the group: the first start or another one is ordered.
    pub(crate) fn run(&self, generation: u64) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        // A loop that has ended was shut down, and its parent hears of that by itself.
        let _ = self.order(Op::Run(generation));
    }

    /// What is wrong here or further down.
    pub(crate) fn degraded(&self) -> Option<String> {
        let roster = self.roster();
        let trouble = roster.trouble(&self.path, self.spec.backoff.healthy_after);
        trouble.or_else(|| {
            roster.groups.iter().find_map(|id| match &roster.children.get(id)?.unit {
                Unit::Group(group) => group.degraded(),
                Unit::Actor(_) => None,
            })
        })
    }

    // === orders and events ===

    /// Hands an order to the loop. False when there is none any more, or when the caller's thread was abandoned: the
    /// order is dropped.
    pub(crate) fn order(&self, op: Op) -> bool {
        !fence::abandoned() && self.ops.send(op).is_ok()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.ops.is_closed()
    }

    pub(crate) fn poll_op(&self, task: &mut Context<'_>) -> Poll<Option<Op>> {
        lock(&self.inbox).ops.poll_recv(task)
    }

    pub(crate) fn poll_event(&self, task: &mut Context<'_>) -> Poll<Option<Event>> {
        lock(&self.inbox).events.poll_recv(task)
    }

    /// Takes one away from the loop.
    #[cfg(test)]
    pub(crate) fn waiting_event(&self) -> Option<Event> {
        lock(&self.inbox).events.try_recv().ok()
    }

    /// There will be no loop any more: whoever waits for an order is told.
    pub(crate) fn close(&self) {
        let mut inbox = lock(&self.inbox);
        inbox.ops.close();
        inbox.events.close();
        let dropped: Vec<_> = std::iter::from_fn(|| inbox.ops.try_recv().ok()).collect();
        while inbox.events.try_recv().is_ok() {}
        drop(inbox);
        drop(dropped);
    }

    // === the loop ===

    pub(crate) fn is_current(&self, epoch: u64) -> bool {
        self.epoch.load(Ordering::Acquire) == epoch && !fence::abandoned()
    }

    /// Ends the term of that loop; the number of the next one, unless its term was over already.
    pub(crate) fn succeed(&self, epoch: u64) -> Option<u64> {
        let next = epoch + 1;
        self.epoch.compare_exchange(epoch, next, Ordering::AcqRel, Ordering::Relaxed).ok().map(|_| next)
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    pub(crate) fn arm(&self, fault: Fault) -> Arc<FaultRecord> {
        let record = self.fault.arm(fault);
        self.waker.wake();
        record
    }

    pub(crate) fn take_stuck(&self) -> Option<Stuck> {
        lock(&self.stuck).take()
    }

    /// The loop, or at the root the whole group, has failed. Says when it may start again.
    pub(crate) fn failed(&self, exit: &Exit) -> Instant {
        self.fault.detected();
        let generation = self.generation.fetch_add(1, Ordering::Relaxed);
        self.revivals.fetch_add(1, Ordering::Relaxed);
        let failure = exit.failure(&self.path);
        let (path, reason) = (self.path.as_str(), exit.reason());
        metrics::restarted(SUPERVISOR, reason);
        let mut roster = self.roster();
        roster.own.ended(failure.to_string());
        // A neighbour's fault costs no budget and no delay.
        let free = matches!(exit, Exit::Displaced(_));
        let chance = fastrand::Rng::with_seed(self.spec.seed ^ generation).f32();
        let at = if free { Instant::now() } else { roster.own.failed(&self.spec, path, chance) };
        drop(roster);
        warn!(
            supervisor.path = path,
            supervisor.generation = generation,
            reason,
            "supervisor `{path}` failed: {}",
            failure.text
        );
        at
    }
}

impl Tenant for Core {
    fn path(&self) -> &str {
        &self.path
    }

    fn moved(self: Arc<Self>, place: &Place, cause: &Moved) {
        let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        // The watchdog knows; the rest needs a lock for which its thread must not wait.
        self.fault.detected();
        Service::house(&self, place, epoch, Some(cause.exit(&self.path)));
    }

    fn hung(&self, stuck: Stuck) {
        self.fault.detected();
        *lock(&self.stuck) = Some(stuck);
        self.waker.wake();
    }
}
