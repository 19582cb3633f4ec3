//! The loop of one supervisor: hears of failures, decides by strategy and budget, and restarts, escalates or halts.
//! Never waits for a backoff or a start, so a storm of one child delays nobody else.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet, spawn_local};
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::backoff::{Attempts, jittered};
use crate::cell::Link;
use crate::exit::{Event, Exit, Failure};
use crate::intensity::Window;
use crate::metrics;
use crate::node::ShutdownReport;
use crate::plan::{Agenda, Due, Plan, Then};
use crate::roster::{Phase, Roster, Status};
use crate::spec::{Restart, Strategy};
use crate::supervisor::Core;
use crate::unit::Unit;

/// What the handles of a supervisor, or its parent, ask of the loop.
pub(crate) enum Op {
    Remove { name: String, ack: oneshot::Sender<bool> },
    Run(u64),
    Halt(oneshot::Sender<ShutdownReport>),
    Shutdown(oneshot::Sender<ShutdownReport>),
}

pub(crate) struct Keeper {
    core: Arc<Core>,
    /// None at the root.
    parent: Option<Link>,
    ops: mpsc::UnboundedReceiver<Op>,
    events: mpsc::UnboundedReceiver<Event>,
    agenda: Agenda,
    plan: Option<Plan>,
    plans: u64,
    /// Halts children for the newest plan.
    halting: Option<JoinHandle<()>>,
    /// Removals under way.
    leaving: JoinSet<()>,
    /// Failures of all children together.
    window: Window,
    chance: fastrand::Rng,
    /// Of this supervisor, as its parent counts.
    generation: u64,
}

impl Keeper {
    pub(crate) fn new(
        core: Arc<Core>,
        parent: Option<Link>,
        ops: mpsc::UnboundedReceiver<Op>,
        events: mpsc::UnboundedReceiver<Event>,
    ) -> Self {
        let chance = fastrand::Rng::with_seed(core.spec.seed);
        Self {
            core,
            parent,
            ops,
            events,
            agenda: Agenda::default(),
            plan: None,
            plans: 0,
            halting: None,
            leaving: JoinSet::new(),
            window: Window::default(),
            chance,
            generation: 1,
        }
    }

    /// Runs until shutdown. Orders come before restarts and restarts before failures, so that it can be shut down in
    /// the middle of a storm.
    pub(crate) async fn serve(mut self) {
        loop {
            tokio::select! {
                biased;
                Some(op) = self.ops.recv() => match op {
                    Op::Remove { name, ack } => self.remove(&name, ack),
                    Op::Run(generation) => self.run(generation),
                    Op::Halt(ack) => {
                        // The receiver may have given up.
                        let _ = ack.send(self.halt().await);
                    }
                    Op::Shutdown(ack) => {
                        let _ = ack.send(self.shutdown().await);
                        return;
                    }
                },
                due = self.agenda.next() => self.due(due),
                Some(event) = self.events.recv() => self.hear(event),
            }
        }
    }

    fn due(&mut self, due: Due) {
        match due {
            Due::Retry { child, generation } => self.retry(child, generation),
            Due::Proven { child, generation } => self.proven(child, generation),
            Due::Resume { plan } if self.is_current(plan) => self.start_next(),
            Due::Resume { .. } => {}
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Started { child, generation } => self.started(child, generation),
            Event::Exited { child, generation, exit } => self.exited(child, generation, exit),
            Event::GroupHalted { plan } if self.is_current(plan) => self.group_halted(),
            Event::GroupHalted { .. } => {}
            Event::Left { child } => {
                self.core.roster().forget(child);
                self.settled(child);
            }
        }
    }

    // === starts ===

    fn started(&mut self, id: u64, generation: u64) {
        let now = Instant::now();
        let mut roster = self.core.roster();
        let failing = roster.failing.contains_key(&id);
        let Some(child) = roster.children.get_mut(&id) else { return };
        if child.generation != generation || child.status != Status::Starting {
            return;
        }
        child.status = Status::Up;
        child.up_since = Some(now);
        child.attempts.started(now);
        if let Some(since) = child.down_since.take() {
            metrics::restart_took(now - since);
        }
        if failing {
            let proven = now + self.core.spec.backoff.healthy_after;
            self.agenda.add(proven, Due::Proven { child: id, generation });
        }
        drop(roster);
        self.settled(id);
    }

    fn retry(&mut self, id: u64, generation: u64) {
        let mut roster = self.core.roster();
        let Some(child) = roster.children.get_mut(&id) else { return };
        if child.generation == generation && child.status == Status::Waiting {
            child.run();
        }
    }

    /// A child that was over its budget has run long enough: the tree is well again.
    fn proven(&mut self, id: u64, generation: u64) {
        let mut roster = self.core.roster();
        let well = roster.children.get(&id).is_some_and(|c| c.generation == generation && c.status == Status::Up);
        if well && let Some(failure) = roster.failing.remove(&id) {
            info!(supervisor.path = %self.core.path, "recovered from `{failure}`");
        }
    }

    // === failures ===

    fn exited(&mut self, id: u64, generation: u64, exit: Exit) {
        let core = Arc::clone(&self.core);
        let mut roster = core.roster();
        let Some(child) = roster.children.get_mut(&id) else { return };
        if child.generation != generation || !child.status.is_live() {
            return; // Of an earlier incarnation, or it was halted meanwhile.
        }
        let final_exit = match child.restart {
            Restart::Permanent => false,
            Restart::Transient => matches!(exit, Exit::Stopped),
            Restart::Temporary => true,
        };
        let path = format!("{}.{}", core.path, child.name);
        let failure = exit.failure(&path);
        log_exit(&path, generation, child.unit.kind(), &exit, &failure);
        if final_exit {
            child.unit.forget();
            roster.forget(id);
            drop(roster);
            return self.settled(id);
        }
        child.status = Status::Waiting;
        child.last_failure = Some(failure.to_string());
        child.up_since = None;
        self.decide(&mut roster, id, exit, failure);
        drop(roster);
        self.settled(id);
    }

    fn decide(&mut self, roster: &mut Roster, id: u64, exit: Exit, failure: Failure) {
        let core = Arc::clone(&self.core);
        let (now, spec) = (Instant::now(), &core.spec);
        let allowance = self.allowance(roster.children.len());
        let known = spec.strategy == Strategy::OneForOne && roster.failing.contains_key(&id);
        let Some(child) = roster.children.get_mut(&id) else { return };
        let blame = format!("{}: {failure}", failure.origin);
        if matches!(exit, Exit::Gone) {
            roster.failing.insert(id, blame);
            return;
        }
        child.restarts += 1;
        child.down_since = Some(now);
        if let Some(kind) = child.unit.kind() {
            metrics::restarted(kind, exit.reason());
        }
        let mut delay = child.attempts.failed(now, &spec.backoff, self.chance.f32());
        let child_over = child.window.exceeded_by_failure_at(now, spec.intensity.max, &spec.intensity);
        // A child that is known to be over its budget is tried slowly by itself; it must not use up that of the others.
        let group_over = !known && self.window.exceeded_by_failure_at(now, allowance, &spec.intensity);
        if group_over && self.parent.is_some() {
            error!(supervisor.path = %self.core.path, "restart budget used up by `{blame}`, escalating");
            return self.regroup(roster, 0, Then::Escalate(failure));
        }
        if child_over || group_over {
            error!(supervisor.path = %self.core.path, "degraded by `{blame}`, trying on slowly");
            delay = jittered(spec.backoff.max, &spec.backoff, self.chance.f32());
        }
        if child_over || group_over || matches!(exit, Exit::Escalated(_)) {
            roster.failing.insert(id, blame);
        }
        match spec.strategy {
            Strategy::OneForOne => self.restart_one(roster, id, now + delay, delay.is_zero()),
            Strategy::RestForOne => self.regroup(roster, id, Then::Start(now + delay)),
            Strategy::OneForAll => self.regroup(roster, 0, Then::Start(now + delay)),
        }
    }

    /// How many failures of all children together are still fine.
    fn allowance(&self, children: usize) -> usize {
        let max = self.core.spec.intensity.max;
        match self.core.spec.strategy {
            Strategy::OneForOne => max.saturating_mul(1 + children.max(1).ilog2() as usize),
            Strategy::RestForOne | Strategy::OneForAll => max,
        }
    }

    fn restart_one(&mut self, roster: &mut Roster, id: u64, at: Instant, at_once: bool) {
        let Some(child) = roster.children.get_mut(&id) else { return };
        if at_once {
            return child.run();
        }
        self.agenda.add(at, Due::Retry { child: id, generation: child.generation });
    }

    // === groups ===

    /// Halts the children from `first` on and then does what follows. Takes over from a plan that is under way.
    fn regroup(&mut self, roster: &mut Roster, first: u64, then: Then) {
        let replaced = self.plan.take();
        let first = replaced.map_or(first, |plan| plan.first.min(first));
        self.plans += 1;
        roster.phase = Phase::Held;
        self.plan = Some(Plan { number: self.plans, first, then, awaited: None });
        let (core, before, number) = (Arc::clone(&self.core), self.halting.take(), self.plans);
        self.halting = Some(spawn_local(async move {
            if let Some(before) = before {
                // One at a time, so that the order of halts holds. It cannot fail: it runs no code of actors.
                let _ = before.await;
            }
            halt_from(&core, first).await;
            let _ = core.events.send(Event::GroupHalted { plan: number });
        }));
    }

    fn group_halted(&mut self) {
        match self.plan.as_ref().map(|plan| (plan.number, &plan.then)) {
            Some((plan, Then::Start(at))) => self.agenda.add(*at, Due::Resume { plan }),
            Some((_, Then::Escalate(failure))) => {
                let exit = Exit::Escalated(failure.clone());
                self.plan = None;
                self.tell_parent(|child, generation| Event::Exited { child, generation, exit });
            }
            None => {}
        }
    }

    /// Starts the next child of the plan, or ends the plan when all of them run.
    fn start_next(&mut self) {
        let Some(plan) = &mut self.plan else { return };
        let core = Arc::clone(&self.core);
        let mut roster = core.roster();
        if let Some(id) = roster.first_down(plan.first)
            && let Some(child) = roster.children.get_mut(&id)
        {
            plan.awaited = Some(id);
            return child.run();
        }
        roster.phase = Phase::Active;
        self.plan = None;
        self.tell_parent(|child, generation| Event::Started { child, generation });
    }

    /// A child has started, failed or left: if the plan waited for it, the plan goes on.
    fn settled(&mut self, id: u64) {
        if self.plan.as_ref().is_some_and(|plan| plan.awaited == Some(id)) {
            self.start_next();
        }
    }

    fn is_current(&self, number: u64) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.number == number)
    }

    fn tell_parent(&self, event: impl FnOnce(u64, u64) -> Event) {
        if let Some(parent) = &self.parent {
            // A parent that was shut down listens no more.
            let _ = parent.events.send(event(parent.child, self.generation));
        }
    }

    // === orders ===

    fn remove(&mut self, name: &str, ack: oneshot::Sender<bool>) {
        while self.leaving.try_join_next().is_some() {}
        let mut roster = self.core.roster();
        let found = roster.find(name).and_then(|id| Some((id, roster.children.get_mut(&id)?)));
        let Some((id, child)) = found.filter(|(_, child)| child.status != Status::Leaving) else {
            let _ = ack.send(false);
            return;
        };
        child.status = Status::Leaving;
        let (core, unit, within) = (Arc::clone(&self.core), child.unit.clone(), child.shutdown);
        self.leaving.spawn_local(async move {
            unit.end(within).await;
            core.roster().forget(id);
            let _ = core.events.send(Event::Left { child: id });
            let _ = ack.send(true);
        });
    }

    /// The parent starts this group, for the first time or again: with a fresh budget.
    fn run(&mut self, generation: u64) {
        self.generation = generation;
        self.window.clear();
        let core = Arc::clone(&self.core);
        let mut roster = core.roster();
        roster.phase = Phase::Held;
        roster.failing.clear();
        for child in roster.children.values_mut() {
            child.window.clear();
            child.attempts = Attempts::default();
        }
        drop(roster);
        self.plans += 1;
        let then = Then::Start(Instant::now());
        self.plan = Some(Plan { number: self.plans, first: 0, then, awaited: None });
        self.start_next();
    }

    async fn halt(&mut self) -> ShutdownReport {
        self.plan = None;
        self.core.roster().phase = Phase::Held;
        self.quiesce().await;
        halt_from(&self.core, 0).await
    }

    async fn shutdown(&mut self) -> ShutdownReport {
        self.plan = None;
        self.core.roster().phase = Phase::Stopped;
        self.quiesce().await;
        let mut report = ShutdownReport::default();
        loop {
            let last = self
                .core
                .roster()
                .children
                .last_key_value()
                .map(|(id, child)| (*id, child.unit.clone(), child.shutdown));
            let Some((id, unit, within)) = last else { break };
            report.append(unit.end(within).await);
            self.core.roster().forget(id);
        }
        self.tell_parent(|child, _| Event::Left { child });
        report
    }

    /// Waits for what is being halted or removed, which has its own time limits.
    async fn quiesce(&mut self) {
        if let Some(halting) = self.halting.take() {
            let _ = halting.await;
        }
        while self.leaving.join_next().await.is_some() {}
    }
}

/// Halts the children from `first` on, last one first, and holds them down.
async fn halt_from(core: &Core, first: u64) -> ShutdownReport {
    let mut report = ShutdownReport::default();
    let mut below = Bound::Unbounded;
    loop {
        let held = hold_last(&mut core.roster(), first, below);
        let Some((id, hold)) = held else { return report };
        below = Bound::Excluded(id);
        match hold {
            Hold::Nothing => {}
            Hold::Halt(unit, within) => report.append(unit.halt(within).await),
            Hold::End(unit, within) => {
                report.append(unit.end(within).await);
                core.roster().forget(id);
            }
        }
    }
}

/// What is to be done with a child so that it is down.
enum Hold {
    Nothing,
    Halt(Unit, Duration),
    End(Unit, Duration),
}

fn hold_last(roster: &mut Roster, first: u64, below: Bound<u64>) -> Option<(u64, Hold)> {
    let (id, child) = roster.children.range_mut((Bound::Included(first), below)).next_back()?;
    let status = child.status;
    if matches!(status, Status::Down | Status::Leaving) {
        return Some((*id, Hold::Nothing));
    }
    if child.restart == Restart::Temporary {
        child.status = Status::Leaving;
        return Some((*id, Hold::End(child.unit.clone(), child.shutdown)));
    }
    child.status = Status::Down;
    child.up_since = None;
    if !status.is_live() {
        return Some((*id, Hold::Nothing));
    }
    child.restarts += 1;
    child.down_since = Some(Instant::now());
    if let Some(kind) = child.unit.kind() {
        metrics::restarted(kind, "group");
    }
    Some((*id, Hold::Halt(child.unit.clone(), child.shutdown)))
}

/// One event per end of an incarnation.
fn log_exit(path: &str, generation: u64, kind: Option<&str>, exit: &Exit, failure: &Failure) {
    let (reason, kind) = (exit.reason(), kind.unwrap_or("supervisor"));
    let message = failure.message.unwrap_or("none");
    warn!(
        actor.path = path,
        actor.kind = kind,
        actor.generation = generation,
        reason,
        message.type = message,
        "actor `{path}` ended: {}",
        failure.text
    );
}
