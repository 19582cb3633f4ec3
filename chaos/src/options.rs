//! What a drill is asked to do.
//! Does not read the command line.

use std::time::Duration;

use secrecy::SecretString;
use tillstream_posting::Trust;
use tokio::sync::watch;

use crate::error::DrillError;
use crate::kinds::FaultKind;
use crate::script::Script;
use crate::stores::Stores;

/// One drill.
#[derive(Debug, Clone)]
pub struct Options {
    /// Base of the service.
    pub url: String,
    /// Whom it believes and what it shows of itself.
    pub trust: Trust,
    /// An admin.
    pub user: String,
    /// The admin's password; it may change meanwhile.
    pub password: watch::Receiver<SecretString>,
    /// The same seed, the same sales and the same faults.
    pub seed: u64,
    /// Seeded faults; none with a script.
    pub faults: usize,
    /// Kinds that are drawn from.
    pub kinds: Vec<FaultKind>,
    /// Paths (`*` for any text) or kinds of actors; all when empty.
    pub targets: Vec<String>,
    /// Sales per second.
    pub load: u32,
    /// Where they are rung up.
    pub stores: Stores,
    /// Faults at given times instead of seeded ones.
    pub script: Option<Script>,
    /// The load goes on at least this long.
    pub duration: Option<Duration>,
    /// Load without faults before the first one.
    pub calm: Duration,
    /// Longest wait for the books to come to rest, at the beginning and at the end.
    pub settle_within: Duration,
    /// How impatient the drill is.
    pub tempo: Tempo,
}

/// Waits and intervals; shorter in tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tempo {
    /// Between two looks at the books.
    pub look_every: Duration,
    /// Books that agree must stay so this long.
    pub agree_for: Duration,
    /// Books that disagree have this long to change.
    pub disagree_for: Duration,
    /// An actor must run again this long after its verdict.
    pub running_within: Duration,
    /// Longest absence of the service that the drill sits out.
    pub outage: Duration,
    /// A sale without an answer after this long is sent again.
    pub answer_within: Duration,
    /// Verdicts that are still open when all is over have this long to be judged.
    pub judged_within: Duration,
    /// After so many seeded faults the verdicts are read again, because the service remembers its newest ones only.
    pub faults_between_looks: usize,
}

impl Default for Tempo {
    fn default() -> Self {
        Self {
            look_every: Duration::from_millis(500),
            agree_for: Duration::from_secs(2),
            disagree_for: Duration::from_secs(15),
            running_within: Duration::from_secs(30),
            outage: Duration::from_secs(300),
            answer_within: Duration::from_secs(5),
            // The service looks every 5 s, and for half a minute before it believes in a loss.
            judged_within: Duration::from_secs(60),
            // Far below the thousand faults that a service remembers.
            faults_between_looks: 200,
        }
    }
}

impl Options {
    /// Whether they can be carried out.
    pub(crate) fn check(&self) -> Result<(), DrillError> {
        let refuse = |reason: &str| Err(DrillError::Options(reason.to_owned()));
        if self.script.is_none() && self.faults == 0 && self.duration.is_none() {
            return refuse("without faults say how long the load goes on, such as --duration 60s");
        }
        if self.faults > 0 && self.kinds.is_empty() {
            return refuse("there is no kind of fault to draw from");
        }
        Ok(())
    }

    /// Whether there will be a fault.
    pub(crate) fn injects(&self) -> bool {
        self.faults > 0 || self.script.as_ref().is_some_and(|script| !script.steps.is_empty())
    }

    /// Whether a fault will falsify the books on purpose.
    pub(crate) fn tampers(&self) -> bool {
        let drawn = self.faults > 0 && self.kinds.iter().any(|kind| kind.tampers());
        drawn || self.script.as_ref().is_some_and(|script| script.steps.iter().any(|step| step.kind.tampers()))
    }
}
