//! What a supervisor has in mind: the restart of a group, step by step, and what is due when.
//! Plain structures; the loop in `keeper` carries them out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tokio::time::{Instant, sleep_until};

use crate::exit::Failure;

/// A group that is halted in reverse order and then started in order, or handed to the parent.
pub(crate) struct Plan {
    /// Events that carry another number are of a plan that was replaced.
    pub(crate) number: u64,
    /// The first child that takes part; all later ones do as well.
    pub(crate) first: u64,
    pub(crate) then: Then,
    /// The child whose start is awaited.
    pub(crate) awaited: Option<u64>,
}

/// What follows once the group is down.
pub(crate) enum Then {
    /// Start it, not before that time.
    Start(Instant),
    /// Tell the parent that this supervisor could not cope.
    Escalate(Failure),
}

/// What falls due.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// The backoff of a child is over.
    Retry { child: u64, generation: u64 },
    /// A child that was over its budget has served well since.
    Proven { child: u64, generation: u64 },
    /// The backoff of a group is over.
    Resume { plan: u64 },
}

/// Due things in order of time.
#[derive(Default)]
pub(crate) struct Agenda(BinaryHeap<Reverse<(Instant, Due)>>);

impl Agenda {
    pub(crate) fn add(&mut self, at: Instant, due: Due) {
        self.0.push(Reverse((at, due)));
    }

    /// Waits for the next due thing, for ever when there is none. Nothing is lost when it is dropped.
    pub(crate) async fn next(&mut self) -> Due {
        let Some(Reverse((at, _))) = self.0.peek() else { return std::future::pending().await };
        sleep_until(*at).await;
        match self.0.pop() {
            Some(Reverse((_, due))) => due,
            None => std::future::pending().await,
        }
    }
}
