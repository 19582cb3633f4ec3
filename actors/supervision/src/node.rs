//! What the tree says of itself: nodes for `/actors`, and the report of a shutdown.
//! Plain values; taking them stops nobody.

use std::sync::atomic::Ordering;

use crate::keeper::Core;
use crate::roster::{Child, Phase, Roster, Status};
use crate::shared::Shared;
use crate::unit::Unit;

/// One actor or supervisor (CONTRACT 3, `/actors`).
#[derive(Debug, Clone, serde::Serialize)]
pub struct Node {
    /// Dotted and unique.
    pub path: String,
    /// The actor's kind, or `supervisor`.
    pub kind: String,
    /// `starting`, `running`, `restarting`, `degraded` (over its restart budget), `stopping`, `stopped`.
    pub state: String,
    /// 1 for the first incarnation.
    pub generation: u64,
    /// How often it came back, or had to.
    pub restarts: u64,
    /// What ended the last incarnation that failed.
    pub last_failure: Option<String>,
    /// Messages that wait; 0 for a supervisor.
    pub mailbox: usize,
    /// Of this incarnation; 0 while it is down.
    pub uptime_seconds: u64,
    /// In order of start.
    pub children: Vec<Node>,
}

/// What a shutdown did, in order.
#[derive(Debug, Clone, Default)]
pub struct ShutdownReport {
    /// Paths of those that stopped politely, or were down already.
    pub stopped: Vec<String>,
    /// Paths of those that did not stop in time and were terminated.
    pub terminated: Vec<String>,
}

impl ShutdownReport {
    pub(crate) fn append(&mut self, other: ShutdownReport) {
        self.stopped.extend(other.stopped);
        self.terminated.extend(other.terminated);
    }
}

/// A supervisor and everybody below.
pub(crate) fn group(core: &Core) -> Node {
    let trouble = core.degraded();
    let roster = core.roster();
    let children = roster.children.iter().map(|(id, child)| node(child, roster.failing.contains_key(id))).collect();
    Node {
        path: core.path.clone(),
        kind: "supervisor".to_owned(),
        state: group_state(&roster, trouble.is_some()).to_owned(),
        generation: core.generation(),
        restarts: core.revivals.load(Ordering::Relaxed),
        last_failure: roster.own.last_failure.clone().or(trouble),
        mailbox: 0,
        uptime_seconds: roster.own.up_since.map_or(0, |since| since.elapsed().as_secs()),
        children,
    }
}

const DEGRADED: &str = "degraded";

fn group_state(roster: &Roster, troubled: bool) -> &'static str {
    match roster.phase {
        Phase::Stopped if roster.plan.is_some() => "stopping",
        Phase::Stopped => "stopped",
        _ if troubled => DEGRADED,
        Phase::Idle if roster.run == 0 => "starting",
        Phase::Idle | Phase::Held => "restarting",
        Phase::Active => "running",
    }
}

fn node(child: &Child, failing: bool) -> Node {
    match &child.unit {
        Unit::Group(below) => {
            let node = group(below.core());
            Node { restarts: node.restarts + child.restarts, ..node }
        }
        Unit::Actor(actor) => actor_node(actor, child, failing),
    }
}

fn actor_node(actor: &Shared, child: &Child, failing: bool) -> Node {
    let state = match child.status {
        Status::Up => "running",
        Status::Leaving => "stopping",
        _ if failing => DEGRADED,
        Status::Starting => "starting",
        Status::Waiting | Status::Halting | Status::Down => "restarting",
    };
    Node {
        path: actor.path.clone(),
        kind: actor.kind.to_owned(),
        state: state.to_owned(),
        generation: child.generation,
        restarts: child.restarts,
        last_failure: child.last_failure.clone(),
        mailbox: actor.depth(),
        uptime_seconds: child.up_since.map_or(0, |since| since.elapsed().as_secs()),
        children: Vec::new(),
    }
}
