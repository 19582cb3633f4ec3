//! One injected fault under observation: when it struck, when it was noticed, when the next incarnation served, and
//! whom else it touched. Changes nothing in the tree but the switch that it takes back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{timeout, timeout_at};

use crate::fault::{Facts, FaultRecord};
use crate::supervisor::Supervisor;
use crate::unit::Unit;

/// A fault on its way; dropping it takes nothing back.
#[derive(Debug)]
pub struct Injection {
    tree: Supervisor,
    target: Unit,
    record: Arc<FaultRecord>,
    before: Vec<Seen>,
}

/// What came of an injected fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It struck, and its victim serves again.
    Recovered(Recovery),
    /// Its moment never came (`PanicAfter` and no message), or another one replaced it. It is disarmed.
    NotFired,
    /// The victim does not serve: removed for good, down, or hung.
    NotRecovered {
        /// The fault took effect.
        fired: bool,
        /// The supervisor or the watchdog knew.
        detected: bool,
    },
}

/// A recovery in figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Of the incarnation that the fault struck.
    pub generation_before: u64,
    /// Of the one that serves again. Equal when a blocked thread went on before anybody gave it up.
    pub generation_after: u64,
    /// From the fault taking effect until the supervisor, or the watchdog, knew.
    pub detection: Duration,
    /// From then until `started()` of the next incarnation had returned, backoff included.
    pub restart: Duration,
    /// Other paths that ran before and whose generation has changed since, or that do not run now. Removal on purpose
    /// does not count.
    pub disturbed: Vec<String>,
}

impl Injection {
    pub(crate) fn new(tree: Supervisor, target: Unit, record: Arc<FaultRecord>, before: Vec<Seen>) -> Self {
        Self { tree, target, record, before }
    }

    /// Waits at most `fire_within` for the fault to strike; one that has not by then is disarmed. From its stroke on the
    /// victim has `recover_within` to serve again, however late the stroke came.
    pub async fn outcome(self, fire_within: Duration, recover_within: Duration) -> Outcome {
        // Either way the record says how far it came.
        let _ = timeout(fire_within, self.record.fired()).await;
        self.target.faults().disarm(&self.record);
        if let Some((fired, _)) = self.record.facts().fired {
            let _ = timeout_at(fired + recover_within, self.record.settled()).await;
        }
        let facts = self.record.facts();
        if let Some(recovery) = self.recovery(&facts) {
            return Outcome::Recovered(recovery);
        }
        if !facts.has_fired() && (facts.withdrawn || self.target.is_running()) {
            return Outcome::NotFired;
        }
        Outcome::NotRecovered { fired: facts.has_fired(), detected: facts.detected.is_some() }
    }

    fn recovery(&self, facts: &Facts) -> Option<Recovery> {
        let ((fired, generation_before), (recovered, generation_after)) = (facts.fired?, facts.recovered?);
        // News of the next start may overtake those of the failure when a group restart came in between.
        let detected = facts.detected.unwrap_or(recovered);
        Some(Recovery {
            generation_before,
            generation_after,
            detection: detected.saturating_duration_since(fired),
            restart: recovered.saturating_duration_since(detected),
            disturbed: self.disturbed(),
        })
    }

    fn disturbed(&self) -> Vec<String> {
        let after = look(&self.tree);
        let now: HashMap<&str, &Seen> = after.iter().map(|seen| (seen.unit.path(), seen)).collect();
        let others = self.before.iter().filter(|seen| seen.running && seen.unit.path() != self.target.path());
        let disturbed = others.filter(|seen| match now.get(seen.unit.path()) {
            Some(now) => !now.running || now.generation != seen.generation,
            // A temporary actor ends with its group; any other is only ever removed on purpose.
            None => seen.temporary,
        });
        disturbed.map(|seen| seen.unit.path().to_owned()).collect()
    }
}

/// One node as it was at a moment.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) unit: Unit,
    pub(crate) generation: u64,
    pub(crate) running: bool,
    pub(crate) temporary: bool,
}

/// The whole tree in one walk; copies no path.
pub(crate) fn look(tree: &Supervisor) -> Vec<Seen> {
    let mut seen = Vec::new();
    tree.see(&mut seen);
    seen
}
