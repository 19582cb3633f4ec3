//! The children of one supervisor, in order of start, with what is known of each.
//! A plain structure behind the supervisor's lock; it commands nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Attempts;
use crate::intensity::Window;
use crate::place::Place;
use crate::spec::Restart;
use crate::unit::Unit;

/// Whether children may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// They run, and new ones start at once.
    Active,
    /// A plan is under way or the group is halted: new ones stay down until it starts them.
    Held,
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
        }
    }

    /// Starts the next incarnation.
    pub(crate) fn run(&mut self) {
        self.generation += 1;
        self.status = Status::Starting;
        self.unit.run(self.generation);
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

    pub(crate) fn forget(&mut self, id: u64) -> Option<Child> {
        let child = self.children.remove(&id)?;
        self.names.remove(&child.name);
        self.groups.remove(&id);
        self.failing.remove(&id);
        Some(child)
    }

    /// The first child from `from` on that is held down.
    pub(crate) fn first_down(&self, from: u64) -> Option<u64> {
        self.children.range(from..).find(|(_, child)| child.status == Status::Down).map(|(id, _)| *id)
    }
}
