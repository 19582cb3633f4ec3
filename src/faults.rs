//! Faults on purpose: what was injected, what became of it, and the verdict on each.
//! Does not cause a failure itself; the tree, the broker, the clock and the disk do, each through its own switch.

use std::sync::Arc;

use tillstream_audit::{AuditTrail, Record, Verdict as Audited};
use tillstream_supervision::{FaultError, Injection, Outcome, Supervisor};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::http::Health;
use afterwards::{Afterwards, LOOK_EVERY};
use book::Book;
use environment::Episode;
use figures::{Figures, Growth, Reading};

mod actor;
mod afterwards;
mod book;
mod environment;
mod figures;
mod gap;
mod verdict;

pub use actor::{ActorFault, ActorKind};
pub use book::{FaultRecord, FaultState};
pub use environment::{Environment, EnvironmentFault, EnvironmentKind, InForce, Unavailable};
pub use figures::LedgerDoor;
pub use verdict::{Difference, Verdict};

/// What is said of a verdict that changes no more.
const FINAL: &str = "all its windows are final";
/// The target of faults that hit no single actor.
pub const ENVIRONMENT: &str = "environment";

/// All faults of this process; clones share one book.
#[derive(Clone)]
pub struct Faults(Arc<Inner>);

struct Inner {
    enabled: bool,
    root: Supervisor,
    environment: Environment,
    figures: Figures,
    health: Health,
    book: Book,
    afterwards: Afterwards,
    trail: AuditTrail,
}

/// A fault that is under way.
pub struct UnderWay {
    /// Its number in the book.
    pub id: u64,
    /// Ends with the verdict; dropping it stops nothing.
    pub done: JoinHandle<()>,
}

// === impl Faults ===

impl Faults {
    /// Faults for the actors below `root` and for this environment.
    pub fn new(
        enabled: bool,
        root: Supervisor,
        environment: Environment,
        ledger: Option<LedgerDoor>,
        health: Health,
        trail: AuditTrail,
    ) -> Self {
        let (figures, book, afterwards) = (Figures::new(ledger), Book::default(), Afterwards::default());
        Self(Arc::new(Inner { enabled, root, environment, figures, health, book, afterwards, trail }))
    }

    /// Whether this process lets anybody break it.
    pub fn is_enabled(&self) -> bool {
        self.0.enabled
    }

    /// Makes an actor or a supervisor fail and watches it come back.
    ///
    /// # Errors
    /// There is nothing at that path, or it cannot fail this way.
    pub async fn break_actor(&self, path: &str, fault: ActorFault, user: &str) -> Result<UnderWay, FaultError> {
        let before = self.0.figures.read().await;
        let injection = self.0.root.inject(path, fault.kind.fault(fault.seconds))?;
        let id = self.open(path, fault.kind.name(), user);
        let faults = self.clone();
        let done = actix_rt::spawn(async move { faults.watch_actor(id, injection, fault, before).await });
        Ok(UnderWay { id, done })
    }

    /// Puts the environment wrong for a while and watches the process recover.
    ///
    /// # Errors
    /// What is to be disturbed is not here, or is being disturbed already.
    pub async fn break_environment(&self, fault: EnvironmentFault, user: &str) -> Result<UnderWay, Unavailable> {
        let before = self.0.figures.read().await;
        let episode = self.0.environment.begin(fault)?;
        let id = self.open(ENVIRONMENT, fault.kind.name(), user);
        let faults = self.clone();
        let done = actix_rt::spawn(async move { faults.watch_environment(id, episode, before).await });
        Ok(UnderWay { id, done })
    }

    /// One fault, if the book still has it.
    pub fn get(&self, id: u64) -> Option<FaultRecord> {
        self.0.book.get(id)
    }

    /// The newest faults that the book has, newest first.
    pub fn newest(&self, limit: usize) -> Vec<FaultRecord> {
        self.0.book.newest(limit)
    }

    fn open(&self, target: &str, kind: &'static str, user: &str) -> u64 {
        let id = self.0.book.open(target, kind);
        warn!(
            fault.id = id,
            fault.target = target,
            fault.kind = kind,
            user.name = user,
            "fault `{kind}` on `{target}`, on purpose"
        );
        id
    }

    async fn watch_actor(&self, id: u64, injection: Injection, fault: ActorFault, before: Reading) {
        let outcome = injection.outcome(fault.fires_within(), fault.recovers_within()).await;
        let (state, recovery) = match outcome {
            Outcome::NotFired => return self.close(id, FaultState::NotFired, None),
            Outcome::Recovered(recovery) => (FaultState::Recovered, Some(recovery)),
            Outcome::NotRecovered { .. } => (FaultState::Unrecovered, None),
        };
        let growth = self.0.figures.growth_since(&before).await;
        self.close(id, state, Some(Verdict::of_actor(recovery, &growth)));
        self.look_again_at(id, growth);
    }

    async fn watch_environment(&self, id: u64, episode: Episode, before: Reading) {
        let Some(recovery) = episode.outlive(&self.0.health).await else {
            return self.close(id, FaultState::NotFired, None);
        };
        let state = if recovery.restart.is_some() { FaultState::Recovered } else { FaultState::Unrecovered };
        let growth = self.0.figures.growth_since(&before).await;
        self.close(id, state, Some(Verdict::of_environment(&recovery, &growth)));
        self.look_again_at(id, growth);
    }

    fn close(&self, id: u64, state: FaultState, verdict: Option<Verdict>) {
        let Some(record) = self.0.book.close(id, state, verdict) else { return };
        log(&record, state.name());
        self.0.trail.write(verdict_of(&record, state.name()));
    }

    /// Sales of windows that are not final are in no verdict; one task waits for the windows of all faults.
    fn look_again_at(&self, id: u64, growth: Growth) {
        let Some(unjudged) = growth.unjudged else { return };
        if self.0.afterwards.enter(id, unjudged) {
            let faults = self.clone();
            actix_rt::spawn(async move { faults.look_again().await });
        }
    }

    async fn look_again(&self) {
        while !self.0.afterwards.is_over() {
            sleep(LOOK_EVERY).await;
            let books = self.0.figures.books().await;
            for revision in self.0.afterwards.look(books.as_ref()) {
                let revised = self.0.book.revise(revision.id, revision.lost, revision.double);
                revised.iter().for_each(|record| {
                    log(record, FINAL);
                    self.0.trail.write(verdict_of(record, FINAL));
                });
            }
        }
    }
}

/// What has become of a fault; its number says who wanted it.
fn verdict_of(record: &FaultRecord, what: &str) -> Record {
    let verdict = serde_json::to_string(&record.verdict).unwrap_or_default();
    Record {
        object: Some(record.target.clone()),
        what: Some(format!("{}: {what}, {verdict}", record.kind)),
        fault_id: Some(record.id),
        ..Record::new(Audited::Fault, "http")
    }
}

fn log(record: &FaultRecord, what: &str) {
    let verdict = serde_json::to_string(&record.verdict).unwrap_or_default();
    info!(
        fault.id = record.id,
        fault.target = record.target,
        fault.kind = record.kind,
        fault.verdict = verdict,
        "fault `{}` on `{}`: {what}",
        record.kind,
        record.target
    );
}
