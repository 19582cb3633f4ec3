//! Faults on purpose: what was injected, what became of it, and the verdict on each.
//! Does not cause a failure itself; the tree, the broker, the clock and the disk do, each through its own switch.

use std::sync::Arc;
use std::time::Duration;

use tillstream_supervision::{FaultError, Injection, Outcome, Supervisor};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::http::Health;
use book::Book;
use environment::Episode;
use figures::{Figures, Reading};

mod actor;
mod book;
mod environment;
mod figures;
mod verdict;

pub use actor::{ActorFault, ActorKind};
pub use book::{FaultRecord, FaultState};
pub use environment::{Environment, EnvironmentFault, EnvironmentKind, InForce, Unavailable};
pub use figures::LedgerDoor;
pub use verdict::{Difference, Verdict};

/// The target of faults that hit no single actor.
const ENVIRONMENT: &str = "environment";

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
    ) -> Self {
        let (figures, book) = (Figures::new(ledger), Book::default());
        Self(Arc::new(Inner { enabled, root, environment, figures, health, book }))
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
        let done = actix_rt::spawn(async move { faults.watch_actor(id, injection, fault.patience(), before).await });
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

    /// All faults that the book still has, newest first.
    pub fn newest(&self) -> Vec<FaultRecord> {
        self.0.book.newest()
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

    async fn watch_actor(&self, id: u64, injection: Injection, patience: Duration, before: Reading) {
        let (state, recovery) = match injection.outcome(patience).await {
            Outcome::NotFired => return self.close(id, FaultState::NotFired, None),
            Outcome::Recovered(recovery) => (FaultState::Recovered, Some(recovery)),
            Outcome::NotRecovered { .. } => (FaultState::Unrecovered, None),
        };
        let growth = self.0.figures.growth_since(before).await;
        self.close(id, state, Some(Verdict::of_actor(recovery, growth)));
    }

    async fn watch_environment(&self, id: u64, episode: Episode, before: Reading) {
        let Some(recovery) = episode.outlive(&self.0.health).await else {
            return self.close(id, FaultState::NotFired, None);
        };
        let state = if recovery.restart.is_some() { FaultState::Recovered } else { FaultState::Unrecovered };
        let growth = self.0.figures.growth_since(before).await;
        self.close(id, state, Some(Verdict::of_environment(&recovery, growth)));
    }

    fn close(&self, id: u64, state: FaultState, verdict: Option<Verdict>) {
        let Some(record) = self.0.book.close(id, state, verdict) else { return };
        let verdict = serde_json::to_string(&record.verdict).unwrap_or_default();
        info!(
            fault.id = id,
            fault.target = record.target,
            fault.kind = record.kind,
            fault.verdict = verdict,
            "fault `{}` on `{}`: {}",
            record.kind,
            record.target,
            state.name()
        );
    }
}
