//! What a supervisor has in mind: the restart of a group, step by step, and what is due when.
//! Plain structures; the loop in `keeper` carries them out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::exit::Failure;
use crate::node::ShutdownReport;

/// A group that is halted in reverse order, and what follows. Part of the roster, so that it outlives the loop.
pub(crate) struct Plan {
    /// Events that carry another number are of a plan that was replaced.
    pub(crate) number: u64,
    /// The first child that takes part; all later ones do as well.
    pub(crate) first: u64,
    pub(crate) then: Then,
    pub(crate) stage: Stage,
    /// Those who ordered the halt and wait for its end.
    pub(crate) acks: Vec<oneshot::Sender<ShutdownReport>>,
    /// Grows with every child that went down.
    pub(crate) report: ShutdownReport,
}

impl Plan {
    /// Tells those who wait. The first to ask gets the report; for the others there was nothing left to do.
    pub(crate) fn acknowledge(self) {
        let mut report = Some(self.report);
        for ack in self.acks {
            // The receiver may have given up.
            let _ = ack.send(report.take().unwrap_or_default());
        }
    }
}

/// How far a plan has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Halting,
    /// All are down.
    Halted,
    /// The start of this child is awaited.
    Starting(u64),
}

/// What follows once the group is down.
#[derive(Debug, Clone)]
pub(crate) enum Then {
    /// Start it, not before that time.
    Start(Instant),
    /// Tell the parent that this supervisor could not cope.
    Escalate(Failure),
    /// This supervisor stops, as a child would, to be started again.
    Stop,
    /// The parent wants it down, and will start it again.
    Hold,
    /// Over for good.
    End,
}

impl Then {
    /// No child comes back by itself before the parent, or the end, has come.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, Then::Start(_))
    }

    /// Whether it may take the place of a plan that is under way.
    pub(crate) fn outranks(&self, other: &Then) -> bool {
        self.rank() > other.rank() || matches!((self, other), (Then::Start(_), Then::Start(_)))
    }

    fn rank(&self) -> u8 {
        match self {
            Then::Start(_) => 0,
            Then::Stop => 1,
            Then::Escalate(_) => 2,
            Then::Hold => 3,
            Then::End => 4,
        }
    }
}

/// What falls due.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// The backoff of a child is over.
    Retry { child: u64, generation: u64 },
    /// A child that was over its budget has served well since.
    Proven { child: u64, generation: u64 },
    /// A child seems to have ended while nobody listened.
    Suspect { child: u64, generation: u64 },
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
