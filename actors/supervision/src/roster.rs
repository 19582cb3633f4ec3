//! The children of one supervisor, in order of start, with what is known of each, and what is planned for them.
//! A plain structure behind the supervisor's lock; it outlives the loop that works on it and commands nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::backoff::Attempts;
use crate::injection::Seen;
use crate::intensity::Window;
use crate::metrics;
use crate::place::Place;
use crate::plan::Plan;
use crate::spec::{Restart, SupervisorSpec};
use crate::unit::Unit;

/// Whether children may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// They run, and new ones start at once.
    Active,
    /// A plan is under way: new ones stay down until it starts them.
    Held,
    /// All are down until the parent starts the group.
    Idle,
    /// Shut down; there will be no new ones.
    Stopped,
}

/// What a child does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Told to run; `started()` has not returned.
    Starting,
    /// Running.
    Up,
    /// Failed; waits for its own restart.
    Waiting,
    /// Being stopped by a plan.
    Halting,
    /// Down until a plan starts it.
    Down,
    /// On its way out of the tree.
    Leaving,
}

impl Status {
    /// There is, or may be, an incarnation.
    pub(crate) fn is_live(self) -> bool {
        matches!(self, Status::Starting | Status::Up)
    }
}

pub(crate) struct Child {
    pub(crate) name: Arc<str>,
    pub(crate) unit: Unit,
    pub(crate) restart: Restart,
    pub(crate) shutdown: Duration,
    /// Keeps the thread alive as long as the child.
    pub(crate) _place: Place,
    pub(crate) status: Status,
    pub(crate) generation: u64,
    pub(crate) restarts: u64,
    pub(crate) attempts: Attempts,
    pub(crate) window: Window,
    pub(crate) last_failure: Option<String>,
    pub(crate) up_since: Option<Instant>,
    pub(crate) down_since: Option<Instant>,
    /// When it is tried again; while it waits.
    pub(crate) retry_at: Option<Instant>,
    /// Whoever waits for its removal.
    pub(crate) removed: Option<oneshot::Sender<bool>>,
}

impl Child {
    pub(crate) fn new(name: Arc<str>, unit: Unit, restart: Restart, shutdown: Duration, place: Place) -> Self {
        Self {
            name,
            unit,
            restart,
            shutdown,
            _place: place,
            status: Status::Down,
            generation: 0,
            restarts: 0,
            attempts: Attempts::default(),
            window: Window::default(),
            last_failure: None,
            up_since: None,
            down_since: None,
            retry_at: None,
            removed: None,
        }
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen {
            unit: self.unit.clone(),
            generation: self.generation,
            running: self.status == Status::Up,
            temporary: self.restart == Restart::Temporary,
        }
    }

    /// Starts the next incarnation.
    pub(crate) fn run(&mut self) {
        self.generation += 1;
        self.status = Status::Starting;
        self.retry_at = None;
        self.unit.run(self.generation);
    }

    /// Its incarnation is no more, or will soon be, and it is meant to come back.
    pub(crate) fn put_down(&mut self, status: Status, reason: &str) {
        self.status = status;
        self.up_since = None;
        self.down_since = Some(Instant::now());
        self.restarts += 1;
        if let Some(kind) = self.unit.kind() {
            metrics::restarted(kind, reason);
        }
    }
}

/// How the supervisor itself fares, its loop and its group together.
#[derive(Default)]
pub(crate) struct Own {
    pub(crate) up_since: Option<Instant>,
    pub(crate) last_failure: Option<String>,
    /// Set when the supervisor itself is over its budget; counts until it has served well for a while.
    failing: Option<String>,
    attempts: Attempts,
    window: Window,
}

impl Own {
    /// It serves. A restart of the children alone is none of its own.
    pub(crate) fn started(&mut self) {
        if self.up_since.is_some() {
            return;
        }
        let now = Instant::now();
        self.up_since = Some(now);
        self.attempts.started(now);
    }

    pub(crate) fn ended(&mut self, failure: String) {
        self.up_since = None;
        self.last_failure = Some(failure);
    }

    /// Counts a failure of the supervisor itself and says when to start again.
    pub(crate) fn failed(&mut self, spec: &SupervisorSpec, path: &str, chance: f32) -> Instant {
        let now = Instant::now();
        let failure = self.last_failure.as_deref().unwrap_or_default();
        if self.window.exceeded_by_failure_at(now, spec.intensity.max, &spec.intensity) {
            self.failing = Some(format!("{path}: {failure}"));
        }
        now + self.attempts.failed(now, &spec.backoff, chance)
    }

    fn degraded(&self, healthy_after: Duration) -> Option<&String> {
        let well = self.up_since.is_some_and(|since| since.elapsed() >= healthy_after);
        self.failing.as_ref().filter(|_| !well)
    }
}

pub(crate) struct Roster {
    pub(crate) phase: Phase,
    pub(crate) children: BTreeMap<u64, Child>,
    names: HashMap<Arc<str>, u64>,
    pub(crate) groups: BTreeSet<u64>,
    /// Children over their budget, with the actor to blame and what it said.
    pub(crate) failing: BTreeMap<u64, String>,
    next: u64,
    /// Number of the newest plan.
    pub(crate) plans: u64,
    pub(crate) plan: Option<Plan>,
    /// Failures of all children together.
    pub(crate) window: Window,
    /// The incarnation of this group, as its parent counts.
    pub(crate) run: u64,
    pub(crate) own: Own,
}

impl Roster {
    pub(crate) fn new(phase: Phase) -> Self {
        Self {
            phase,
            children: BTreeMap::new(),
            names: HashMap::new(),
            groups: BTreeSet::new(),
            failing: BTreeMap::new(),
            next: 0,
            plans: 0,
            plan: None,
            window: Window::default(),
            run: 0,
            own: Own::default(),
        }
    }

    /// The number that the next child will have.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn find(&self, name: &str) -> Option<u64> {
        self.names.get(name).copied()
    }

    /// Adds a child under [`Roster::next`] and starts it unless the group is held.
    pub(crate) fn add(&mut self, mut child: Child) {
        if self.phase == Phase::Active {
            child.run();
        }
        if matches!(child.unit, Unit::Group(_)) {
            self.groups.insert(self.next);
        }
        self.names.insert(Arc::clone(&child.name), self.next);
        self.children.insert(self.next, child);
        self.next += 1;
    }

    pub(crate) fn forget(&mut self, id: u64) {
        let Some(child) = self.children.remove(&id) else { return };
        self.names.remove(&child.name);
        self.groups.remove(&id);
        self.failing.remove(&id);
        child.unit.faults().gone();
        if let Some(removed) = child.removed {
            // The receiver may have given up.
            let _ = removed.send(true);
        }
    }

    /// The first child from `from` on that is held down.
    pub(crate) fn first_down(&self, from: u64) -> Option<u64> {
        self.children.range(from..).find(|(_, child)| child.status == Status::Down).map(|(id, _)| *id)
    }

    /// Whether no child comes back by itself for now.
    pub(crate) fn is_resigning(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.then.is_final())
    }

    /// A fresh budget for everybody.
    pub(crate) fn forgive(&mut self) {
        self.window.clear();
        self.failing.clear();
        for child in self.children.values_mut() {
            child.window.clear();
            child.attempts = Attempts::default();
        }
    }

    /// What is wrong with this supervisor or one of its children, groups within groups aside.
    pub(crate) fn trouble(&self, path: &str, healthy_after: Duration) -> Option<String> {
        let failing = self.failing.values().next().or_else(|| self.own.degraded(healthy_after));
        if let Some(failure) = failing {
            return Some(failure.clone());
        }
        if self.phase != Phase::Idle || self.run == 0 {
            return None;
        }
        let why = self.own.last_failure.as_deref().unwrap_or("halted by its supervisor");
        Some(format!("{path}: {why}"))
    }
}
