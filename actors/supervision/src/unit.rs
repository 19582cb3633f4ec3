//! What a supervisor treats alike: an actor or a nested supervisor, as something that is run, halted and ended.
//! Does not know when or why.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::node::ShutdownReport;
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
            Unit::Group(group) => group.run(generation),
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
