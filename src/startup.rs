//! Builds the process: the only place that sees two rooms at once. Wired sink to source, so that every actor is born
//! knowing only its next.
//! Does not handle signals and prints nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::Context;
use tillstream_broker::{Broker, QueueStats};
use tillstream_domain::TopicPrefix;
use tillstream_embedded::embedded_queues;
use tillstream_generator::GeneratorAccount;
use tillstream_messages::{HealthBoard, LedgerReport, QueryLedger, SecretTree, WallClock};
use tillstream_supervision::{Strategy, Supervisor, SupervisorSpec};
use tracing::{info, warn};

use crate::http::{self, Api, Documents, Doors, Health, InFlight, Users};
use crate::roles::Role;
use crate::settings::Settings;
use places::Places;
use rooms::Rooms;
use tills::Tills;

mod announce;
mod drain;
mod places;
mod rooms;
mod secrets;
mod session;
mod support;
mod tills;

#[cfg(test)]
mod tests;

pub use secrets::{peek as peek_secrets, topic_prefix};
pub use support::{Unsupported, check as check_support};

/// How long the ledger may take to answer.
const LEDGER_WITHIN: Duration = Duration::from_secs(10);

/// A running process.
pub struct Application {
    settings: Settings,
    address: SocketAddr,
    server: ServerHandle,
    in_flight: InFlight,
    health: Health,
    doors: Doors,
    root: Supervisor,
    rooms: Rooms,
    tills: Option<Tills>,
    broker: Option<Broker>,
}

/// What rooms share besides messages.
#[derive(Clone)]
pub struct Shared {
    /// Which legs stand.
    pub board: HealthBoard,
    /// What time it is.
    pub clock: WallClock,
    /// The first reading of the secrets.
    pub tree: Arc<SecretTree>,
    /// First levels of every topic.
    pub prefix: TopicPrefix,
}

impl Application {
    /// Builds and starts everything that the settings ask for.
    ///
    /// # Errors
    /// Says what is wrong and what to do about it; nothing is left running that took a sale.
    pub async fn build(mut settings: Settings) -> anyhow::Result<Self> {
        support::check(&settings)?;
        let data_dir = &settings.data_dir.0;
        std::fs::create_dir_all(data_dir).with_context(|| format!("make data directory `{}`", data_dir.display()))?;
        let listener = http::bind(&settings.http)?;
        let address = listener.address();
        settings.pos.url.get_or_insert_with(|| format!("http://{}", reachable(address)));

        let secrets = secrets::load(&settings)?;
        let shared = secrets.shared.clone();
        let places = Places::start(settings.validation.pool.max(1));
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &places.control);
        let broker = settings.roles.use_broker().then(|| open_broker(&settings, &shared.prefix)).transpose()?;
        let rooms = Rooms::spawn(&settings, &root, &places, &shared, broker.as_ref()).context("spawn the rooms")?;

        let users = Users::from_tree(&shared.tree);
        let tree = root.clone();
        let degraded = root.clone();
        let health = Health::new(&settings.roles, shared.board.clone(), move || degraded.degraded());
        let in_flight = InFlight::new(settings.http.max_in_flight);
        let doors = rooms.doors.clone();
        let api = Api {
            settings: settings.http.clone(),
            users: users.clone(),
            doors: doors.clone(),
            documents: Documents::new(&settings.rules.rules()),
            health: health.clone(),
            in_flight: in_flight.clone(),
            tree: Arc::new(move || tree.tree()),
        };
        let (serving, server) = listener.run(api)?;
        actix_rt::spawn(serving);

        let plays_pos = settings.roles.plays(Role::Pos) && settings.pos.enabled;
        let tills = plays_pos.then(|| Tills::spawn(&settings, &root, &places.pos, &shared)).transpose()?;
        let listeners = [rooms.secrets_listeners(), tills.iter().flat_map(Tills::secrets_listeners).collect()].concat();
        secrets.watch(&root, &places.control, users, listeners).context("spawn the secrets")?;
        info!(http.addr = %address, roles = %settings.roles, "serving");
        Ok(Self { settings, address, server, in_flight, health, doors, root, rooms, tills, broker })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to tell the person who started it.
    pub fn announcement(&self) -> String {
        announce::announcement(self.address, &self.settings.roles, &self.settings.secrets_file())
    }

    /// Whether every leg stands.
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// How long draining may take.
    pub const fn grace(&self) -> Duration {
        self.settings.shutdown.grace
    }

    /// Stops the simulated tills once the fate of all that they rang up is known; `None` where there are none.
    ///
    /// # Errors
    /// Some sale's fate did not become known within that time.
    pub async fn finish_tills(&self, within: Duration) -> anyhow::Result<Option<GeneratorAccount>> {
        let Some(tills) = &self.tills else { return Ok(None) };
        tills.finish(within).await.map(Some)
    }

    /// What every queue holds; nothing where no broker is.
    pub fn queues(&self) -> Vec<QueueStats> {
        self.broker.as_ref().map(Broker::stats).unwrap_or_default()
    }

    /// Both sides of the ledger; `None` where reporting does not run.
    ///
    /// # Errors
    /// Reporting does not answer.
    pub async fn ledger(&self) -> anyhow::Result<Option<LedgerReport>> {
        let Some(door) = &self.doors.ledger else { return Ok(None) };
        let report = door.ask(QueryLedger, LEDGER_WITHIN).await.context("ask for the ledger")?;
        Ok(Some(report.context("read the ledger")?))
    }

    /// Stops everything in the order of the data, within `shutdown.grace`.
    pub async fn drain(self) {
        let grace = self.grace();
        if tokio::time::timeout(grace, self.drain_in_order()).await.is_err() {
            warn!(?grace, "drain unfinished, exiting; whatever was answered with 200 is on disk");
        }
    }
}

fn open_broker(settings: &Settings, prefix: &TopicPrefix) -> anyhow::Result<Broker> {
    let directory = settings.broker_dir();
    let queues = embedded_queues(prefix.as_str(), settings.rules.max_store, &settings.broker);
    Broker::open(&directory, settings.broker.broker(), queues)
        .with_context(|| format!("open the broker in `{}`", directory.display()))
}

/// An address that a client on this machine can connect to, also when we listen on all of them.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let port = address.port();
    if address.is_ipv4() { ([127, 0, 0, 1], port).into() } else { (std::net::Ipv6Addr::LOCALHOST, port).into() }
}
