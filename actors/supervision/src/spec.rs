//! How a child or a supervisor is to be treated: plain values that the wiring fills in.
//! Nothing here runs.

use std::time::Duration;

/// Who is restarted when one child fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Only the failed child.
    OneForOne,
    /// The failed child and those started after it, halted in reverse order and started in order.
    RestForOne,
    /// Every child, halted in reverse order and started in order.
    OneForAll,
}

/// After which ends a child comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// After a failure; a normal stop is final and removes it from the tree.
    Transient,
    /// Never, not even with its group: any end is final and removes it from the tree.
    Temporary,
}

/// A sliding budget: more than `max` failures within `within` are too many, and so are more in a row, however far apart,
/// without good service in between.
#[derive(Debug, Clone, Copy)]
pub struct Intensity {
    /// Failures that are still fine.
    pub max: usize,
    /// The time over which they are counted.
    pub within: Duration,
}

/// Delays before restarts: none before the first, then `min` doubled each time up to `max`, minus jitter.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// Before the second restart in a row.
    pub min: Duration,
    /// Never longer than this.
    pub max: Duration,
    /// Largest share of the delay that chance takes off, 0.0 to 1.0.
    pub jitter: f32,
    /// A child that ran this long starts again without a delay when it fails.
    pub healthy_after: Duration,
}

/// How one actor is supervised.
#[derive(Debug, Clone)]
pub struct ActorSpec {
    /// Last part of its path, unique among its siblings; a dot becomes `_`.
    pub name: String,
    /// Metric label, shared by actors of one kind.
    pub kind: &'static str,
    /// After which ends it comes back.
    pub restart: Restart,
    /// How long a polite stop may take before the actor is terminated.
    pub shutdown: Duration,
    /// Messages that may wait at once; tell and ask are refused beyond.
    pub mailbox: usize,
}

impl ActorSpec {
    /// Permanent, 5 s to stop, mailbox of 1,024. `kind` is the metric label.
    pub fn new(name: impl Into<String>, kind: &'static str) -> Self {
        Self { name: name.into(), kind, restart: Restart::Permanent, shutdown: Duration::from_secs(5), mailbox: 1024 }
    }

    /// After which ends it comes back.
    pub fn restart(self, restart: Restart) -> Self {
        Self { restart, ..self }
    }

    /// How long a polite stop may take before the actor is terminated.
    pub fn shutdown(self, shutdown: Duration) -> Self {
        Self { shutdown, ..self }
    }

    /// Messages that may wait at once.
    pub fn mailbox(self, mailbox: usize) -> Self {
        Self { mailbox, ..self }
    }
}

/// How one supervisor treats its children.
#[derive(Debug, Clone)]
pub struct SupervisorSpec {
    /// Last part of its path, unique among its siblings; a dot becomes `_`.
    pub name: String,
    /// Who is restarted when one child fails.
    pub strategy: Strategy,
    /// Budget of each child. The supervisor as a whole has the same with a group strategy; with one-for-one its own
    /// grows with the logarithm of the number of children, so that one bad child does not take its siblings along.
    pub intensity: Intensity,
    /// Delays before restarts.
    pub backoff: Backoff,
    /// Of the jitter; random unless set, so that two processes do not restart in step.
    pub seed: u64,
}

impl SupervisorSpec {
    /// 5 failures in 30 s; 20 ms to 5 s of backoff, less up to a fifth, forgotten after 5 s of good service.
    pub fn new(name: impl Into<String>, strategy: Strategy) -> Self {
        Self {
            name: name.into(),
            strategy,
            intensity: Intensity { max: 5, within: Duration::from_secs(30) },
            backoff: Backoff {
                min: Duration::from_millis(20),
                max: Duration::from_secs(5),
                jitter: 0.2,
                healthy_after: Duration::from_secs(5),
            },
            seed: fastrand::u64(..),
        }
    }
}
