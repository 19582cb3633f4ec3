//! Plans for several children at once: halted in reverse order, then started in order, handed to the parent, or ended.
//! The halting itself runs in `halting`; here is what it is for.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::Keeper;
use super::halting::{Fenced, halt_from};
use crate::exit::{Event, Exit};
use crate::node::ShutdownReport;
use crate::plan::{Due, Plan, Stage, Then};
use crate::roster::{Phase, Roster, Status};

impl Keeper {
    // === orders ===

    /// The parent starts this group, for the first time or again: with a fresh budget.
    pub(super) fn run(&mut self, generation: u64) {
        let core = Arc::clone(&self.core);
        let mut roster = core.roster();
        if roster.phase == Phase::Stopped {
            return;
        }
        roster.run = generation;
        roster.forgive();
        if let Some(replaced) = roster.plan.take() {
            replaced.acknowledge();
        }
        self.regroup(&mut roster, 0, Then::Start(Instant::now()));
    }

    /// The parent wants everybody down.
    pub(super) fn hold(&mut self, ack: oneshot::Sender<ShutdownReport>) {
        self.halt(Then::Hold, ack);
    }

    /// Shuts down for good.
    pub(super) fn end(&mut self, ack: oneshot::Sender<ShutdownReport>) {
        self.halt(Then::End, ack);
    }

    fn halt(&mut self, then: Then, ack: oneshot::Sender<ShutdownReport>) {
        let core = Arc::clone(&self.core);
        let mut roster = core.roster();
        // One that is under way and goes further does for this order as well.
        self.regroup(&mut roster, 0, then);
        if let Some(plan) = &mut roster.plan {
            plan.acks.push(ack);
        }
    }

    /// The supervisor itself stops, as a child would.
    pub(super) fn stop(&mut self) {
        let core = Arc::clone(&self.core);
        let mut roster = core.roster();
        if matches!(roster.phase, Phase::Active | Phase::Held) {
            self.regroup(&mut roster, 0, Then::Stop);
        }
    }

    // === halting ===

    /// Halts the children from `first` on and then does what follows. Takes over from a plan that is under way, unless
    /// that one goes further.
    pub(super) fn regroup(&mut self, roster: &mut Roster, first: u64, then: Then) {
        let (mut first, mut acks) = (first, Vec::new());
        if let Some(current) = &mut roster.plan {
            if !then.outranks(&current.then) {
                return;
            }
            first = first.min(current.first);
            acks = std::mem::take(&mut current.acks);
        }
        roster.phase = if matches!(then, Then::End) { Phase::Stopped } else { Phase::Held };
        if then.is_final() {
            stand_down(roster);
        }
        roster.plans += 1;
        let (number, report) = (roster.plans, ShutdownReport::default());
        roster.plan = Some(Plan { number, first, then, stage: Stage::Halting, acks, report });
        self.carry_out(roster);
    }

    /// Halts whom the plan wants halted. One plan at a time, so that the order of halts holds.
    pub(super) fn carry_out(&mut self, roster: &Roster) {
        let Some(plan) = &roster.plan else { return };
        let (core, before) = (Arc::clone(&self.core), self.halting.take());
        let (number, first, ending) = (plan.number, plan.first, matches!(plan.then, Then::End));
        let halting = async move {
            if let Some(before) = before {
                // It cannot fail: it runs no code of actors.
                let _ = before.await;
            }
            halt_from(core, number, first, ending).await;
        };
        self.halting = Some(spawn_local(Fenced::new(&self.core, self.epoch, halting)));
    }

    pub(super) fn group_halted(&mut self, number: u64) {
        let core = Arc::clone(&self.core);
        let mut roster = core.roster();
        let Some(plan) = roster.plan.as_mut().filter(|plan| plan.number == number && plan.stage == Stage::Halting)
        else {
            return;
        };
        plan.stage = Stage::Halted;
        self.rest(&roster);
        drop(roster);
        self.conclude();
    }

    /// If the group is to start again, it does when its backoff is over.
    pub(super) fn rest(&mut self, roster: &Roster) {
        if let Some(Plan { number, then: Then::Start(at), .. }) = &roster.plan {
            self.agenda.add(*at, Due::Resume { plan: *number });
        }
    }

    // === what follows ===

    /// Does what a final plan is for, once nothing is left to wait for.
    pub(super) fn conclude(&mut self) {
        let core = Arc::clone(&self.core);
        let mut roster = core.roster();
        let Some(plan) = roster.plan.take_if(|plan| plan.then.is_final() && plan.stage == Stage::Halted) else {
            return;
        };
        match plan.then.clone() {
            Then::Escalate(failure) => self.resign(&mut roster, Exit::Escalated(failure)),
            Then::Stop if core.parent.is_some() => self.resign(&mut roster, Exit::Stopped),
            Then::Stop => {
                drop(roster);
                self.start_over(plan);
            }
            Then::Hold if roster.children.values().all(|child| child.status != Status::Leaving) => {
                roster.phase = Phase::Idle;
                roster.own.up_since = None;
                plan.acknowledge();
            }
            Then::End if roster.children.is_empty() => {
                roster.own.up_since = None;
                drop(roster);
                self.over = true;
                self.tell_parent(|child| Event::Left { child });
                plan.acknowledge();
            }
            Then::Start(_) | Then::Hold | Then::End => roster.plan = Some(plan),
        }
    }

    /// Everybody is down: the parent decides.
    fn resign(&mut self, roster: &mut Roster, exit: Exit) {
        roster.phase = Phase::Idle;
        roster.own.ended(exit.failure(&self.core.path).to_string());
        let generation = roster.run;
        self.tell_parent(|child| Event::Exited { child, generation, exit });
    }

    /// The root has stopped and has nobody who would start it.
    fn start_over(&mut self, plan: Plan) {
        let core = Arc::clone(&self.core);
        let at = core.failed(&Exit::Stopped);
        let mut roster = core.roster();
        roster.forgive();
        roster.plan = Some(Plan { then: Then::Start(at), ..plan });
        self.rest(&roster);
    }

    pub(super) fn resume(&mut self, number: u64) {
        let halted = |plan: &Plan| plan.number == number && plan.stage == Stage::Halted;
        let due = self.core.roster().plan.as_ref().is_some_and(halted);
        if due {
            self.start_next();
        }
    }

    /// A child has started, failed or left: if the plan waited for it, the plan goes on.
    pub(super) fn settled(&mut self, id: u64) {
        let awaited = self.core.roster().plan.as_ref().is_some_and(|plan| plan.stage == Stage::Starting(id));
        if awaited {
            self.start_next();
        }
    }

    /// Starts the next child of the plan, or ends the plan when all of them run.
    pub(super) fn start_next(&mut self) {
        let core = Arc::clone(&self.core);
        let mut roster = core.roster();
        let Some(first) = roster.plan.as_ref().map(|plan| plan.first) else { return };
        if let Some(id) = roster.first_down(first) {
            if let Some(child) = roster.children.get_mut(&id) {
                child.run();
            }
            if let Some(plan) = &mut roster.plan {
                plan.stage = Stage::Starting(id);
            }
            return;
        }
        roster.plan = None;
        roster.phase = Phase::Active;
        roster.own.started();
        let generation = roster.run;
        drop(roster);
        core.fault.recovered(core.generation());
        self.tell_parent(|child| Event::Started { child, generation });
    }
}

/// Nobody comes back by itself any more.
fn stand_down(roster: &mut Roster) {
    for child in roster.children.values_mut().filter(|child| child.status == Status::Waiting) {
        child.status = Status::Down;
        child.retry_at = None;
    }
}
