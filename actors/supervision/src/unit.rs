//! What a supervisor treats alike: an actor or a nested supervisor, as something that is run, halted and ended.
//! Does not know when or why.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::fault::FaultSwitch;
use crate::node::ShutdownReport;
use crate::roster::Phase;
use crate::shared::{Command, Life, Shared};
use crate::supervisor::Supervisor;

/// A terminated actor needs one turn of its thread; longer means that the thread is blocked and the actor is given up.
const TERMINATE_WITHIN: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(crate) enum Unit {
    Actor(Arc<Shared>),
    Group(Supervisor),
}

impl Unit {
    /// Starts the incarnation of this number; its start is reported by an event.
    pub(crate) fn run(&self, generation: u64) {
        match self {
            Unit::Actor(actor) => actor.command(Command::Run(generation)),
            Unit::Group(group) => group.core().run(generation),
        }
    }

    /// Stops it politely, or else by force, so that it can be run again.
    pub(crate) async fn halt(&self, within: Duration) -> ShutdownReport {
        match self {
            Unit::Actor(actor) => halt_actor(actor, within).await,
            Unit::Group(group) => group.halt().await,
        }
    }

    /// Stops it for good.
    pub(crate) async fn end(&self, within: Duration) -> ShutdownReport {
        match self {
            Unit::Actor(actor) => {
                let report = halt_actor(actor, within).await;
                self.forget();
                report
            }
            Unit::Group(group) => group.shutdown().await,
        }
    }

    /// Lets go of an actor that is down already, and of its mailbox.
    pub(crate) fn forget(&self) {
        if let Unit::Actor(actor) = self {
            actor.set_life(Life::Terminated);
            actor.command(Command::Quit);
        }
    }

    pub(crate) fn path(&self) -> &str {
        match self {
            Unit::Actor(actor) => &actor.path,
            Unit::Group(group) => &group.core().path,
        }
    }

    pub(crate) fn faults(&self) -> &FaultSwitch {
        match self {
            Unit::Actor(actor) => &actor.fault,
            Unit::Group(group) => &group.core().fault,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        match self {
            Unit::Actor(actor) => actor.life() == Life::Up,
            Unit::Group(group) => group.core().roster().phase == Phase::Active,
        }
    }

    /// Of the incarnation that is the newest now.
    pub(crate) fn generation(&self) -> u64 {
        match self {
            Unit::Actor(actor) => actor.generation(),
            Unit::Group(group) => group.core().generation(),
        }
    }

    /// Whether the incarnation that its supervisor numbered so has started.
    pub(crate) fn serves(&self, generation: u64) -> bool {
        match self {
            Unit::Actor(actor) => actor.life() == Life::Up && actor.generation() == generation,
            Unit::Group(group) => {
                let roster = group.core().roster();
                roster.phase == Phase::Active && roster.run == generation
            }
        }
    }

    /// Whether that incarnation has ended, or could not start, and nothing is under way.
    pub(crate) fn has_ended(&self, generation: u64) -> bool {
        match self {
            Unit::Actor(actor) => actor.is_at_rest() && actor.generation() == generation,
            Unit::Group(group) => {
                let roster = group.core().roster();
                roster.phase == Phase::Idle && roster.run == generation
            }
        }
    }

    /// Whether there is nothing left that could run it.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Unit::Actor(actor) => actor.life() == Life::Terminated,
            Unit::Group(group) => group.core().is_closed(),
        }
    }

    /// Label of its metrics; a supervisor has none.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        match self {
            Unit::Actor(actor) => Some(actor.kind),
            Unit::Group(_) => None,
        }
    }
}

async fn halt_actor(actor: &Shared, within: Duration) -> ShutdownReport {
    let mut report = ShutdownReport::default();
    if actor.life() != Life::Terminated && !stopped(actor, within).await {
        let (ack, done) = oneshot::channel();
        actor.command(Command::Terminate(ack));
        // Given up when it takes longer; the cell will find `Quit` or a newer `Run` when its thread comes back.
        let _ = timeout(TERMINATE_WITHIN, done).await;
        report.terminated.push(actor.path.clone());
        return report;
    }
    report.stopped.push(actor.path.clone());
    report
}

async fn stopped(actor: &Shared, within: Duration) -> bool {
    let (ack, done) = oneshot::channel();
    actor.command(Command::Stop(ack));
    // An ack that was dropped means that somebody else's newer command has taken over, or that the thread has ended.
    timeout(within, done).await.is_ok()
}

impl std::fmt::Debug for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.path())
    }
}
