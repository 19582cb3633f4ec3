//! What one child has done and what follows for it: start, failure, retry, removal.
//! Groups are restarted in `groups`.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::Keeper;
use super::halting::{Fenced, leave};
use crate::backoff::jittered;
use crate::exit::{Exit, Failure};
use crate::metrics;
use crate::plan::{Due, Then};
use crate::roster::{Child, Roster, Status};
use crate::spec::{Restart, Strategy};

impl Keeper {
    // === starts ===

    pub(super) fn started(&mut self, id: u64, generation: u64) {
        let now = Instant::now();
        let core = Arc::clone(&self.core);
        let mut roster = core.roster();
        let failing = roster.failing.contains_key(&id);
        let Some(child) = roster.children.get_mut(&id) else { return };
        if child.generation != generation || child.status != Status::Starting {
            return;
        }
        child.status = Status::Up;
        child.unit.faults().recovered(child.unit.generation());
        child.up_since = Some(now);
        child.attempts.started(now);
        if let Some(since) = child.down_since.take() {
            metrics::restart_took(now - since);
        }
        if failing {
            let proven = now + core.spec.backoff.healthy_after;
            self.agenda.add(proven, Due::Proven { child: id, generation });
        }
        drop(roster);
        self.settled(id);
    }

    pub(super) fn retry(&mut self, id: u64, generation: u64) {
        let mut roster = self.core.roster();
        let Some(child) = roster.children.get_mut(&id) else { return };
        if child.generation == generation && child.status == Status::Waiting {
            child.run();
        }
    }

    /// A child that was over its budget has run long enough: the tree is well again.
    pub(super) fn proven(&mut self, id: u64, generation: u64) {
        let mut roster = self.core.roster();
        let well = roster.children.get(&id).is_some_and(|c| c.generation == generation && c.status == Status::Up);
        if well && let Some(failure) = roster.failing.remove(&id) {
            info!(supervisor.path = %self.core.path, "recovered from `{failure}`");
        }
    }

    // === failures ===

    pub(super) fn exited(&mut self, id: u64, generation: u64, exit: Exit) {
        let core = Arc::clone(&self.core);
        let mut roster = core.roster();
        let resigning = roster.is_resigning();
        let Some(child) = roster.children.get_mut(&id) else { return };
        if child.generation != generation || !child.status.is_live() {
            return; // Of an earlier incarnation, or it was halted meanwhile.
        }
        child.unit.faults().detected();
        let failure = note_exit(child, &core.path, &exit);
        if is_final(child.restart, &exit) {
            child.unit.forget();
            roster.forget(id);
        } else if matches!(exit, Exit::Gone) {
            child.status = Status::Waiting; // For ever: there is no thread to start it on.
            child.up_since = None;
            roster.failing.insert(id, format!("{}: {failure}", failure.origin));
        } else if resigning {
            child.put_down(Status::Down, exit.reason());
        } else {
            child.put_down(Status::Waiting, exit.reason());
            self.decide(&mut roster, id, &exit, failure);
        }
        drop(roster);
        self.settled(id);
        self.conclude();
    }

    fn decide(&mut self, roster: &mut Roster, id: u64, exit: &Exit, failure: Failure) {
        let core = Arc::clone(&self.core);
        let now = Instant::now();
        if matches!(exit, Exit::Displaced(_)) {
            return self.bring_back(roster, id, now); // A neighbour's fault costs no budget and no delay.
        }
        let (spec, allowance) = (&core.spec, self.allowance(roster.children.len()));
        let known = spec.strategy == Strategy::OneForOne && roster.failing.contains_key(&id);
        let Some(child) = roster.children.get_mut(&id) else { return };
        let mut delay = child.attempts.failed(now, &spec.backoff, self.chance.f32());
        // Failures in a row count as well: a backoff may be longer than the budget's time is for so many of them.
        let child_over = child.window.exceeded_by_failure_at(now, spec.intensity.max, &spec.intensity)
            || child.attempts.in_a_row() > spec.intensity.max;
        // A child that is known to be over its budget is tried slowly by itself; it must not use up that of the others.
        let group_over = !known && roster.window.exceeded_by_failure_at(now, allowance, &spec.intensity);
        let blame = format!("{}: {failure}", failure.origin);
        if child_over || group_over || matches!(exit, Exit::Escalated(_)) {
            roster.failing.insert(id, blame.clone());
        }
        if group_over && core.parent.is_some() {
            error!(supervisor.path = %core.path, "restart budget used up by `{blame}`, escalating");
            return self.regroup(roster, 0, Then::Escalate(failure));
        }
        if child_over || group_over {
            error!(supervisor.path = %core.path, "degraded by `{blame}`, trying on slowly");
            delay = jittered(spec.backoff.max, &spec.backoff, self.chance.f32());
        }
        self.bring_back(roster, id, now + delay);
    }

    /// How many failures of all children together are still fine.
    fn allowance(&self, children: usize) -> usize {
        let max = self.core.spec.intensity.max;
        match self.core.spec.strategy {
            Strategy::OneForOne => max.saturating_mul(1 + children.max(1).ilog2() as usize),
            Strategy::RestForOne | Strategy::OneForAll => max,
        }
    }

    pub(super) fn bring_back(&mut self, roster: &mut Roster, id: u64, at: Instant) {
        match self.core.spec.strategy {
            Strategy::OneForOne => self.restart_one(roster, id, at),
            Strategy::RestForOne => self.regroup(roster, id, Then::Start(at)),
            Strategy::OneForAll => self.regroup(roster, 0, Then::Start(at)),
        }
    }

    pub(super) fn restart_one(&mut self, roster: &mut Roster, id: u64, at: Instant) {
        let Some(child) = roster.children.get_mut(&id) else { return };
        if at <= Instant::now() {
            return child.run();
        }
        child.retry_at = Some(at);
        self.agenda.add(at, Due::Retry { child: id, generation: child.generation });
    }

    // === removal ===

    pub(super) fn remove(&mut self, name: &str, ack: oneshot::Sender<bool>) {
        let mut roster = self.core.roster();
        let found = roster.find(name).and_then(|id| Some((id, roster.children.get_mut(&id)?)));
        let Some((id, child)) = found.filter(|(_, child)| child.status != Status::Leaving) else {
            let _ = ack.send(false);
            return;
        };
        child.status = Status::Leaving;
        child.removed = Some(ack);
        let leaving = leave(&self.core, id, child);
        drop(spawn_local(Fenced::new(&self.core, self.epoch, leaving)));
    }
}

/// Whether that end removes the child from the tree.
fn is_final(restart: Restart, exit: &Exit) -> bool {
    match restart {
        Restart::Permanent => false,
        Restart::Transient => matches!(exit, Exit::Stopped),
        Restart::Temporary => true,
    }
}

/// One event per end of an incarnation.
fn note_exit(child: &mut Child, parent: &str, exit: &Exit) -> Failure {
    let path = format!("{parent}.{}", child.name);
    let failure = exit.failure(&path);
    let (reason, kind) = (exit.reason(), child.unit.kind().unwrap_or("supervisor"));
    let message = failure.message.unwrap_or("none");
    warn!(
        actor.path = path,
        actor.kind = kind,
        actor.generation = child.generation,
        reason,
        message.type = message,
        "actor `{path}` ended: {}",
        failure.text
    );
    child.last_failure = Some(failure.to_string());
    failure
}
