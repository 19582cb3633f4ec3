//! The handle of one supervisor: adding, removing and looking at children, from any thread.
//! Decides nothing about failures; that is the loop in `keeper`, which runs on the supervisor's own place.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};

use actix::dev::channel::channel;
use actix::{Actor, Supervised};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;
use tokio::time::Instant;

use crate::cell::{Cell, Factory, Link};
use crate::context::SupervisedContext;
use crate::error::{FaultError, SpawnError};
use crate::exit::Event;
use crate::fault::Fault;
use crate::handle::{Handle, Seat};
use crate::keeper::{Keeper, Op};
use crate::metrics;
use crate::node::{Node, ShutdownReport};
use crate::place::Place;
use crate::roster::{Child, Phase, Roster, Status};
use crate::shared::{Shared, lock};
use crate::spec::{ActorSpec, Restart, SupervisorSpec};
use crate::unit::Unit;

/// A supervisor; dropping the handle does not stop it. Clone + Send + Sync; usable from inside handlers.
#[derive(Clone)]
pub struct Supervisor(Arc<Core>);

/// What the handles of a supervisor and its loop share.
pub(crate) struct Core {
    pub(crate) path: String,
    pub(crate) spec: SupervisorSpec,
    place: Place,
    since: Instant,
    ops: mpsc::UnboundedSender<Op>,
    pub(crate) events: mpsc::UnboundedSender<Event>,
    roster: Mutex<Roster>,
}

impl Core {
    /// Held for a few instructions at a time, never across an await.
    pub(crate) fn roster(&self) -> MutexGuard<'_, Roster> {
        lock(&self.roster)
    }
}

impl Supervisor {
    /// The root of a tree; it runs on `place` and never runs actor code there unless actors are placed there too.
    pub fn root(spec: SupervisorSpec, place: &Place) -> Supervisor {
        Self::launch(plain(&spec.name), spec, place, None, Phase::Active)
    }

    /// Adds a supervisor, which runs where this one runs.
    pub fn supervisor(&self, spec: SupervisorSpec) -> Result<Supervisor, SpawnError> {
        let name = plain(&spec.name);
        let mut roster = self.vacancy(&name)?;
        let link = Link { child: roster.next(), events: self.0.events.clone() };
        let path = format!("{}.{name}", self.0.path);
        let group = Self::launch(path, spec, &self.0.place, Some(link), Phase::Held);
        let unit = Unit::Group(group.clone());
        // A supervisor's own children have their own time limits, so there is none for the whole.
        let child = Child::new(name.into(), unit, Restart::Permanent, std::time::Duration::MAX, self.0.place.clone());
        roster.add(child);
        Ok(group)
    }

    /// Adds an actor. Returns at once; the mailbox exists, so messages may be told before `started()` ran. The factory
    /// runs on the actor's arbiter for every incarnation, after the previous one was dropped.
    pub fn spawn<A, F>(&self, spec: ActorSpec, place: &Place, factory: F) -> Result<Handle<A>, SpawnError>
    where
        A: Actor<Context = SupervisedContext<A>> + Supervised,
        F: Fn() -> A + Send + Sync + 'static,
    {
        let name = plain(&spec.name);
        let mut roster = self.vacancy(&name)?;
        let path = format!("{}.{name}", self.0.path);
        let shared = Arc::new(Shared::new(path, spec.kind, spec.mailbox));
        let (sender, mailbox) = channel(0);
        let seat = Arc::new(Seat { sender, shared: Arc::clone(&shared) });
        let link = Link { child: roster.next(), events: self.0.events.clone() };
        let (taken, factory) = (Arc::clone(&seat), Box::new(factory) as Factory<A>);
        if !place.post(move || drop(spawn_local(Cell::new(taken, factory, mailbox, link)))) {
            return Err(SpawnError::PlaceGone);
        }
        metrics::gauges().watch(&shared);
        let unit = Unit::Actor(shared);
        roster.add(Child::new(name.into(), unit, spec.restart, spec.shutdown, place.clone()));
        Ok(Handle::new(seat))
    }

    /// Stops a child (polite, then terminated) and forgets it. False when there is none of that name.
    /// It is under way when this returns; the future only tells the end.
    pub fn remove(&self, name: &str) -> impl Future<Output = bool> + Send + use<> + 'static {
        let (ack, done) = oneshot::channel();
        let sent = self.0.ops.send(Op::Remove { name: plain(name), ack });
        async move { sent.is_ok() && done.await.unwrap_or(false) }
    }

    /// This node and everything below.
    pub fn tree(&self) -> Node {
        let degraded = self.degraded();
        let roster = self.0.roster();
        let state = match roster.phase {
            Phase::Stopped => "stopped",
            _ if degraded.is_some() => "degraded",
            Phase::Held => "restarting",
            Phase::Active => "running",
        };
        Node {
            path: self.0.path.clone(),
            kind: "supervisor".to_owned(),
            state: state.to_owned(),
            generation: 1,
            restarts: 0,
            last_failure: degraded,
            mailbox: 0,
            uptime_seconds: self.0.since.elapsed().as_secs(),
            children: roster.children.iter().map(|(id, child)| node(child, roster.failing.contains_key(id))).collect(),
        }
    }

    /// Whether any node below has used up its restart budget; names the actor and its last failure.
    pub fn degraded(&self) -> Option<String> {
        let roster = self.0.roster();
        if let Some(failure) = roster.failing.values().next() {
            return Some(failure.clone());
        }
        roster.groups.iter().find_map(|id| match &roster.children.get(id)?.unit {
            Unit::Group(group) => group.degraded(),
            Unit::Actor(_) => None,
        })
    }

    /// Makes the actor at that path fail.
    pub fn inject(&self, path: &str, fault: Fault) -> Result<(), FaultError> {
        match self.find(path) {
            Some(Unit::Actor(actor)) => {
                actor.arm(fault);
                Ok(())
            }
            Some(Unit::Group(_)) => Err(FaultError::NotForSupervisors),
            None => Err(FaultError::NoSuchActor(path.to_owned())),
        }
    }

    /// Children in reverse order of start, each within its own timeout; names those that had to be terminated.
    /// It is under way when this returns; the future only tells the end. A second call reports nothing.
    pub fn shutdown(&self) -> impl Future<Output = ShutdownReport> + Send + use<> + 'static {
        let (ack, done) = oneshot::channel();
        let sent = self.0.ops.send(Op::Shutdown(ack));
        async move { if sent.is_ok() { done.await.unwrap_or_default() } else { ShutdownReport::default() } }
    }

    /// Starts all children; for the parent.
    pub(crate) fn run(&self, generation: u64) {
        // A loop that has ended was shut down, and its parent hears of that by itself.
        let _ = self.0.ops.send(Op::Run(generation));
    }

    /// Stops all children but keeps them; for the parent.
    pub(crate) fn halt(&self) -> impl Future<Output = ShutdownReport> + Send + use<> + 'static {
        let (ack, done) = oneshot::channel();
        let _ = self.0.ops.send(Op::Halt(ack));
        async move { done.await.unwrap_or_default() }
    }

    fn launch(path: String, spec: SupervisorSpec, place: &Place, parent: Option<Link>, phase: Phase) -> Supervisor {
        let (ops, asked) = mpsc::unbounded_channel();
        let (events, heard) = mpsc::unbounded_channel();
        let roster = Mutex::new(Roster::new(phase));
        let core = Arc::new(Core { path, spec, place: place.clone(), since: Instant::now(), ops, events, roster });
        let keeper = Keeper::new(Arc::clone(&core), parent, asked, heard);
        // If the thread is gone the loop's receivers are dropped, and every spawn says so.
        place.post(move || drop(spawn_local(keeper.serve())));
        Supervisor(core)
    }

    /// The roster, if a child of that name may be added.
    fn vacancy(&self, name: &str) -> Result<MutexGuard<'_, Roster>, SpawnError> {
        let roster = self.0.roster();
        if roster.phase == Phase::Stopped {
            return Err(SpawnError::Stopping);
        }
        if self.0.ops.is_closed() {
            return Err(SpawnError::PlaceGone);
        }
        if roster.find(name).is_some() {
            return Err(SpawnError::NameTaken(name.to_owned()));
        }
        Ok(roster)
    }

    fn find(&self, path: &str) -> Option<Unit> {
        let below = path.strip_prefix(&self.0.path)?;
        if below.is_empty() {
            return Some(Unit::Group(self.clone()));
        }
        let name = below.strip_prefix('.')?.split('.').next()?;
        let roster = self.0.roster();
        let unit = roster.children.get(&roster.find(name)?)?.unit.clone();
        drop(roster);
        match unit {
            Unit::Group(group) => group.find(path),
            Unit::Actor(actor) if actor.path == path => Some(Unit::Actor(actor)),
            Unit::Actor(_) => None,
        }
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Supervisor").field(&self.0.path).finish()
    }
}

/// A name that can be part of a dotted path.
fn plain(name: &str) -> String {
    name.replace('.', "_")
}

fn node(child: &Child, failing: bool) -> Node {
    let mut node = match &child.unit {
        Unit::Group(group) => group.tree(),
        Unit::Actor(actor) => actor_node(actor, child, failing),
    };
    node.generation = child.generation;
    node.restarts = child.restarts;
    node.last_failure = child.last_failure.clone().or(node.last_failure);
    node.uptime_seconds = child.up_since.map_or(0, |since| since.elapsed().as_secs());
    node
}

fn actor_node(actor: &Shared, child: &Child, failing: bool) -> Node {
    let state = match child.status {
        Status::Up => "running",
        Status::Leaving => "stopping",
        _ if failing => "degraded",
        Status::Starting => "starting",
        Status::Waiting | Status::Down => "restarting",
    };
    Node {
        path: actor.path.clone(),
        kind: actor.kind.to_owned(),
        state: state.to_owned(),
        generation: child.generation,
        restarts: child.restarts,
        last_failure: None,
        mailbox: actor.depth.load(Ordering::Relaxed),
        uptime_seconds: 0,
        children: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::LocalSet;

    use super::*;
    use crate::exit::Exit;
    use crate::{Strategy, supervised};

    struct Idle;
    supervised!(Idle);
    impl Actor for Idle {
        type Context = SupervisedContext<Self>;
    }

    /// A thread that was blocked may report the end of an incarnation long after its successor was ordered.
    #[tokio::test(start_paused = true)]
    async fn news_of_an_incarnation_that_is_no_longer_the_current_one_changes_nothing() {
        let test = async {
            let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
            let idle = root.spawn(ActorSpec::new("idle", "idle"), &Place::here(), || Idle).expect("the name is free");
            idle.started().await.expect("it starts");

            let stale = Event::Exited { child: 0, generation: 0, exit: Exit::Stopped };
            root.0.events.send(stale).expect("the loop runs");
            tokio::time::sleep(Duration::from_secs(1)).await;

            let node = &root.tree().children[0];
            assert_eq!((node.generation, node.restarts, node.state.as_str()), (1, 0, "running"));
        };
        LocalSet::new().run_until(test).await;
    }
}
