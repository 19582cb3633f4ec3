//! The handle of one supervisor: adding, removing and looking at children, from any thread.
//! Decides nothing about failures; that is the loop in `keeper`, which runs on the supervisor's own place.

use std::future::Future;
use std::sync::{Arc, MutexGuard};

use actix::{Actor, Supervised};
use tokio::sync::oneshot;

use crate::cell::{Link, Tenancy};
use crate::context::SupervisedContext;
use crate::error::{FaultError, SpawnError};
use crate::fault::Fault;
use crate::fence;
use crate::handle::Handle;
use crate::injection::{Injection, Seen, look};
use crate::keeper::{Core, Op};
use crate::metrics;
use crate::node::{self, Node, ShutdownReport};
use crate::place::{Estate, Place};
use crate::roster::{Child, Phase, Roster};
use crate::seat::Seat;
use crate::spec::{ActorSpec, Restart, SupervisorSpec};
use crate::unit::Unit;

/// A supervisor; dropping the handle does not stop it. Clone + Send + Sync; usable from inside handlers.
#[derive(Clone)]
pub struct Supervisor(Arc<Core>);

impl Supervisor {
    /// The root of a tree; it runs on `place` and never runs actor code there unless actors are placed there too.
    pub fn root(spec: SupervisorSpec, place: &Place) -> Supervisor {
        Supervisor(Core::launch(plain(&spec.name), spec, place, Arc::default(), None))
    }

    /// Adds a supervisor, which runs where this one runs.
    pub fn supervisor(&self, spec: SupervisorSpec) -> Result<Supervisor, SpawnError> {
        let name = plain(&spec.name);
        let mut roster = self.vacancy(&name)?;
        let link = Link { child: roster.next(), events: self.0.events.clone() };
        let path = format!("{}.{name}", self.0.path);
        let group = Supervisor(Core::launch(path, spec, &self.0.place, Arc::clone(&self.0.estate), Some(link)));
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
        let (seat, lodging) = Seat::new(path, spec.kind, spec.mailbox);
        let link = Link { child: roster.next(), events: self.0.events.clone() };
        let tenancy = Tenancy { seat: Arc::clone(&seat), factory: Box::new(factory), link };
        if !Arc::new(tenancy).settle(place, lodging) {
            return Err(SpawnError::PlaceGone);
        }
        self.0.estate.add(place);
        metrics::declare(spec.kind);
        metrics::gauges().watch(&seat.shared);
        let unit = Unit::Actor(Arc::clone(&seat.shared));
        roster.add(Child::new(name.into(), unit, spec.restart, spec.shutdown, place.clone()));
        Ok(Handle::new(seat))
    }

    /// Stops a child (polite, then terminated) and forgets it. False when there is none of that name.
    /// It is under way when this returns; the future only tells the end.
    pub fn remove(&self, name: &str) -> impl Future<Output = bool> + Send + use<> + 'static {
        let (ack, done) = oneshot::channel();
        let sent = self.0.order(Op::Remove { name: plain(name), ack });
        async move { sent && done.await.unwrap_or(false) }
    }

    /// This node and everything below.
    pub fn tree(&self) -> Node {
        node::group(&self.0)
    }

    /// Whether anybody here has used up its restart budget, or a group is held down; names the actor and its last
    /// failure.
    pub fn degraded(&self) -> Option<String> {
        self.0.degraded()
    }

    /// Makes the actor or supervisor at that path fail; the injection goes on watching it.
    pub fn inject(&self, path: &str, fault: Fault) -> Result<Injection, FaultError> {
        let target = self.find(path).ok_or_else(|| FaultError::NoSuchActor(path.to_owned()))?;
        let before = look(self);
        let record = match &target {
            Unit::Actor(actor) => actor.arm(fault),
            Unit::Group(group) => group.0.arm(fault),
        };
        Ok(Injection::new(self.clone(), target, record, before))
    }

    /// Children in reverse order of start, each within its own timeout; names those that had to be terminated.
    /// It is under way when this returns; the future only tells the end. A second call reports nothing.
    pub fn shutdown(&self) -> impl Future<Output = ShutdownReport> + Send + use<> + 'static {
        let (ack, done) = oneshot::channel();
        let sent = self.0.order(Op::Shutdown(ack));
        async move { if sent { done.await.unwrap_or_default() } else { ShutdownReport::default() } }
    }

    pub(crate) fn estate(&self) -> &Arc<Estate> {
        &self.0.estate
    }

    /// Notes how this supervisor and everybody below are doing.
    pub(crate) fn see(&self, seen: &mut Vec<Seen>) {
        let roster = self.0.roster();
        let running = roster.phase == Phase::Active;
        let generation = self.0.generation();
        seen.push(Seen { unit: Unit::Group(self.clone()), generation, running, temporary: false });
        for child in roster.children.values() {
            match &child.unit {
                Unit::Group(group) => group.see(seen),
                Unit::Actor(_) => seen.push(child.seen()),
            }
        }
    }

    /// Stops all children but keeps them; for the parent.
    pub(crate) fn halt(&self) -> impl Future<Output = ShutdownReport> + Send + use<> + 'static {
        let (ack, done) = oneshot::channel();
        // A loop that has ended has nobody to halt.
        let _ = self.0.order(Op::Halt(ack));
        async move { done.await.unwrap_or_default() }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0
    }

    /// The roster, if a child of that name may be added.
    fn vacancy(&self, name: &str) -> Result<MutexGuard<'_, Roster>, SpawnError> {
        let roster = self.0.roster();
        if roster.phase == Phase::Stopped || fence::abandoned() {
            return Err(SpawnError::Stopping);
        }
        if self.0.is_closed() {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::LocalSet;

    use super::*;
    use crate::exit::{Event, Exit};
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
