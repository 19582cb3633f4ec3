//! Faults of what surrounds the actors: the broker, the clock, the data directory, and one sale that goes wrong.
//! Does not judge the recovery; it says when the condition began, was noticed and was over.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tillstream_broker::Broker;
use tillstream_messages::{EnvironmentFaults, StorageTrouble, Tampering, WallClock};
use tillstream_session::Backend;
use tokio::time::{Instant, sleep, sleep_until};

use crate::http::Health;
use crate::roles::{Role, Roles};

/// How often a condition's effect is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Rooms say how they are a few times per second: readiness must stay up for so long to be believed.
const CALM: Duration = Duration::from_millis(600);
/// After the end of a condition; beyond it the process did not recover.
const RECOVER_WITHIN: Duration = Duration::from_secs(30);

/// What is put wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EnvironmentKind {
    /// The broker does nothing.
    BrokerStall,
    /// The broker stores, but does not say so.
    DropAcks,
    /// The clock of validation is wrong.
    Clock,
    /// Writes fail for want of space.
    DiskFull,
    /// Writes fail because nothing may be written.
    DiskReadonly,
    /// The next sale is not counted.
    LoseSale,
    /// The next sale is counted twice.
    DoubleSale,
    /// The next sale is counted with another amount.
    MispriceSale,
}

/// One fault that was asked for.
#[derive(Debug, Clone, Copy)]
pub struct EnvironmentFault {
    /// What.
    pub kind: EnvironmentKind,
    /// How long; for a sale that goes wrong: how long to wait for one.
    pub lasts: Duration,
    /// By how much the clock is put wrong; of no meaning to other kinds.
    pub shift: TimeDelta,
}

/// Why a fault of the environment cannot be injected now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// What would be disturbed belongs to a role that does not run here.
    #[error("this fault needs role `{0}`, which does not run in this process")]
    RoleAbsent(Role),
    /// The broker is not ours to disturb.
    #[error("the broker runs outside this process: stop, stall or cut it there")]
    BrokerElsewhere,
    /// The same condition holds already.
    #[error("`{0}` is in force already: wait until it is over, then ask again")]
    InForce(&'static str),
}

/// The switches of one process.
#[derive(Clone)]
pub struct Environment {
    /// Where one runs.
    pub broker: Option<Broker>,
    /// Which broker carries the sales.
    pub backend: Backend,
    /// What runs here.
    pub roles: Roles,
    /// Of every room.
    pub clock: WallClock,
    /// Data directory and miscounting.
    pub switches: EnvironmentFaults,
    /// Kinds that are in force.
    pub in_force: InForce,
}

/// One of a kind at a time.
#[derive(Clone, Default)]
pub struct InForce(Arc<Mutex<HashSet<EnvironmentKind>>>);

/// A condition that holds until this value is dropped.
pub(super) struct Episode {
    environment: Environment,
    fault: EnvironmentFault,
    began: Instant,
}

/// How an episode passed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passage {
    /// From its begin until readiness said so; `None` when it never did.
    pub(super) detection: Option<Duration>,
    /// From its end until readiness said that all is well; `None` when it did not in time.
    pub(super) restart: Option<Duration>,
}

// === impl EnvironmentKind ===

impl EnvironmentKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::BrokerStall,
        Self::DropAcks,
        Self::Clock,
        Self::DiskFull,
        Self::DiskReadonly,
        Self::LoseSale,
        Self::DoubleSale,
        Self::MispriceSale,
    ];

    /// Its name outside.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BrokerStall => "broker_stall",
            Self::DropAcks => "drop_acks",
            Self::Clock => "clock",
            Self::DiskFull => "disk_full",
            Self::DiskReadonly => "disk_readonly",
            Self::LoseSale => "lose_sale",
            Self::DoubleSale => "double_sale",
            Self::MispriceSale => "misprice_sale",
        }
    }

    const fn tampering(self) -> Option<Tampering> {
        match self {
            Self::LoseSale => Some(Tampering::Lose),
            Self::DoubleSale => Some(Tampering::Double),
            Self::MispriceSale => Some(Tampering::Misprice),
            _ => None,
        }
    }

    /// There is one data directory and one next sale, each with one switch.
    fn excludes(self, other: Self) -> bool {
        let is_disk = |kind| matches!(kind, Self::DiskFull | Self::DiskReadonly);
        let is_sale = |kind: Self| kind.tampering().is_some();
        self == other || is_disk(self) && is_disk(other) || is_sale(self) && is_sale(other)
    }
}

// === impl Environment ===

impl Environment {
    /// Puts it wrong from now on.
    ///
    /// # Errors
    /// What is to be disturbed is not here, or is disturbed already.
    pub(super) fn begin(&self, fault: EnvironmentFault) -> Result<Episode, Unavailable> {
        self.check(fault.kind)?;
        self.in_force.enter(fault.kind)?;
        self.apply(&fault);
        Ok(Episode { environment: self.clone(), fault, began: Instant::now() })
    }

    fn check(&self, kind: EnvironmentKind) -> Result<(), Unavailable> {
        match kind {
            EnvironmentKind::Clock => Ok(()),
            EnvironmentKind::BrokerStall | EnvironmentKind::DropAcks => self.check_broker(),
            EnvironmentKind::DiskFull | EnvironmentKind::DiskReadonly => self.check_stores(),
            EnvironmentKind::LoseSale | EnvironmentKind::DoubleSale | EnvironmentKind::MispriceSale => {
                self.check_role(Role::Aggregation)
            }
        }
    }

    fn check_broker(&self) -> Result<(), Unavailable> {
        match (&self.broker, self.backend) {
            (Some(_), _) => Ok(()),
            (None, Backend::Solace) if self.roles.use_broker() => Err(Unavailable::BrokerElsewhere),
            (None, _) => Err(Unavailable::RoleAbsent(Role::Validation)),
        }
    }

    /// With the broker elsewhere only these two keep something under the data directory.
    fn check_stores(&self) -> Result<(), Unavailable> {
        if self.broker.is_some() || self.roles.plays(Role::Reporting) {
            return Ok(());
        }
        let keeps_sales = if self.backend == Backend::Embedded { Role::Validation } else { Role::Aggregation };
        self.check_role(keeps_sales)
    }

    fn check_role(&self, role: Role) -> Result<(), Unavailable> {
        if self.roles.plays(role) { Ok(()) } else { Err(Unavailable::RoleAbsent(role)) }
    }

    fn apply(&self, fault: &EnvironmentFault) {
        let storage = &self.switches.storage;
        match fault.kind {
            EnvironmentKind::BrokerStall => self.broker.iter().for_each(|broker| broker.stall(fault.lasts)),
            EnvironmentKind::DropAcks => self.broker.iter().for_each(|broker| broker.drop_acks(fault.lasts)),
            EnvironmentKind::Clock => self.clock.set_offset(fault.shift),
            EnvironmentKind::DiskFull => storage.set(Some(StorageTrouble::Full)),
            EnvironmentKind::DiskReadonly => storage.set(Some(StorageTrouble::ReadOnly)),
            EnvironmentKind::LoseSale | EnvironmentKind::DoubleSale | EnvironmentKind::MispriceSale => {
                fault.kind.tampering().into_iter().for_each(|tampering| self.switches.tamper.arm(tampering));
            }
        }
    }

    /// The broker ends its own conditions by the time that it was given.
    fn restore(&self, kind: EnvironmentKind) {
        match kind {
            EnvironmentKind::BrokerStall | EnvironmentKind::DropAcks => {}
            EnvironmentKind::Clock => self.clock.set_offset(TimeDelta::zero()),
            EnvironmentKind::DiskFull | EnvironmentKind::DiskReadonly => self.switches.storage.set(None),
            EnvironmentKind::LoseSale | EnvironmentKind::DoubleSale | EnvironmentKind::MispriceSale => {
                self.switches.tamper.disarm();
            }
        }
    }
}

// === impl InForce ===

impl InForce {
    fn enter(&self, kind: EnvironmentKind) -> Result<(), Unavailable> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = kinds.iter().find(|other| kind.excludes(**other)) {
            return Err(Unavailable::InForce(other.name()));
        }
        kinds.insert(kind);
        Ok(())
    }

    fn leave(&self, kind: EnvironmentKind) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&kind);
    }
}

// === impl Episode ===

impl Episode {
    /// Holds it as long as it was asked for, ends it and waits until the process is ready again; `None` when nothing
    /// happened because no sale came.
    pub(super) async fn outlive(self, health: &Health) -> Option<Passage> {
        let detection = match self.fault.kind.tampering() {
            Some(_) => self.wait_for_a_sale().await.then_some(None)?,
            None => self.watch(health).await,
        };
        drop(self);
        let ended = Instant::now();
        Some(Passage { detection, restart: ready_again(health, ended).await })
    }

    fn end(&self) -> Instant {
        self.began + self.fault.lasts
    }

    /// When readiness turned, if it did.
    async fn watch(&self, health: &Health) -> Option<Duration> {
        while health.is_ready() {
            if Instant::now() >= self.end() {
                return None;
            }
            sleep(LOOK_EVERY).await;
        }
        let detection = self.began.elapsed();
        sleep_until(self.end()).await;
        Some(detection)
    }

    async fn wait_for_a_sale(&self) -> bool {
        let tamper = &self.environment.switches.tamper;
        while tamper.is_armed() && Instant::now() < self.end() {
            sleep(LOOK_EVERY).await;
        }
        !tamper.disarm()
    }
}

impl Drop for Episode {
    /// Also when nobody watches any more: a condition must not outlive its order.
    fn drop(&mut self) {
        self.environment.restore(self.fault.kind);
        self.environment.in_force.leave(self.fault.kind);
    }
}

/// How long after the end it took to be ready for good.
async fn ready_again(health: &Health, ended: Instant) -> Option<Duration> {
    let mut since = None;
    while ended.elapsed() < RECOVER_WITHIN {
        since = if health.is_ready() { since.or_else(|| Some(Instant::now())) } else { None };
        if let Some(since) = since.filter(|since| since.elapsed() >= CALM) {
            return Some(since.duration_since(ended));
        }
        sleep(LOOK_EVERY).await;
    }
    None
}

#[cfg(test)]
mod tests;
