//! Builds the process: the only place that sees two rooms at once. Wired sink to source, so that every actor is born
//! knowing only its next.
//! Does not handle signals and prints nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::Context;
use tillstream_audit::AuditTrail;
use tillstream_broker::{Broker, QueueStats};
use tillstream_domain::TopicPrefix;
use tillstream_generator::{GeneratorAccount, Rate};
use tillstream_messages::{EnvironmentFaults, HealthBoard, LedgerReport, QueryLedger, SecretTree, WallClock};
use tillstream_secrets::SecretsHolder;
use tillstream_supervision::{ActorSpec, Supervisor, Watchdog};
use tracing::{info, warn};

use crate::http::{BoundServer, Doors, Health, InFlight, UserBook};
use crate::live::Live;
use crate::roles::Role;
use crate::settings::Settings;
use crate::shutdown::end_helpless;
use announce::Passwords;
use api::Built;
use carrier::Carrier;
use places::Places;
use rooms::Rooms;
use secrets::Secrets;
use smf::SmfDoor;
use tills::Tills;
use tls::Tls;

mod alone;
mod announce;
mod api;
mod carrier;
mod drain;
mod live;
mod patience;
mod places;
mod rooms;
mod secrets;
mod session;
mod smf;
mod support;
mod tills;
mod tls;
mod tokens;
mod waiting;

#[cfg(test)]
mod tests;

pub use alone::BrokerAlone;
pub use secrets::{peek as peek_secrets, readers as secret_readers, topic_prefix, vault};
pub use support::{Unsupported, check as check_support};
pub use tls::{hand_over_trust, peek as peek_certificate};
pub use tokens::peek as peek_token_keys;
pub use waiting::Starting;

/// How long the ledger may take to answer.
const LEDGER_WITHIN: Duration = Duration::from_secs(10);
/// How long the last audit records may take.
const TRAIL_WITHIN: Duration = Duration::from_secs(1);

/// A running process.
pub struct Application {
    settings: Settings,
    address: SocketAddr,
    server: ServerHandle,
    in_flight: InFlight,
    live: Option<Live>,
    health: Health,
    doors: Doors,
    root: Supervisor,
    rooms: Rooms,
    tills: Option<Tills>,
    carrier: Option<Carrier>,
    smf: Option<SocketAddr>,
    trail: AuditTrail,
    /// Dropped last, so that somebody watches the drain.
    _watchdog: Watchdog,
}

/// What rooms share besides messages.
#[derive(Clone)]
pub struct Shared {
    /// Which legs stand.
    pub board: HealthBoard,
    /// What time it is.
    pub clock: WallClock,
    /// Where the data directory and the next sale can be put wrong on purpose.
    pub faults: EnvironmentFaults,
    /// The first reading of the secrets.
    pub tree: Arc<SecretTree>,
    /// First levels of every topic.
    pub prefix: TopicPrefix,
}

impl Application {
    /// Builds and starts everything that the settings ask for, on a socket that is bound and with secrets that are read.
    fn build(mut settings: Settings, socket: BoundServer, secrets: Secrets, tls: Option<Tls>) -> anyhow::Result<Self> {
        let (address, scheme) = (socket.address(), socket.scheme());
        let trust = tls::pos_trust(&settings, tls.as_ref())?;
        settings.pos.url.get_or_insert_with(|| format!("{scheme}://{}", reachable(address)));
        let shared = secrets.shared.clone();
        let trail = start_trail(&settings)?;
        let places = Places::start(settings.validation.pool.max(1));
        let root = Supervisor::root(settings.supervision.one_for_one("root"), &places.control);
        let carrier = settings.roles.use_broker().then(|| Carrier::open(&settings, &shared)).transpose()?;
        let rooms = Rooms::spawn(&settings, &root, &places, &shared, carrier.as_ref()).context("spawn the rooms")?;

        let watchdog = Watchdog::start(&root, settings.watchdog, |reason| end_helpless(&reason));
        let plays_pos = settings.roles.plays(Role::Pos) && settings.pos.enabled;
        let rate = plays_pos.then(|| Rate::new(settings.pos.rate));
        let tokens = tokens::spawn(&settings.tokens, &shared, &root, &places.control).context("spawn the tokens")?;
        let reload_certificate = tls.map(|tls| tls.keep(&root, &places.control, &shared)).transpose()?;
        let built = Built {
            settings: &settings,
            shared: &shared,
            root: &root,
            watchdog: &watchdog,
            broker: carrier.as_ref().and_then(Carrier::embedded),
            rooms: &rooms,
            rate: rate.clone(),
            tokens,
            secrets: &secrets,
            trail: trail.clone(),
            reload_certificate,
        };
        let api = built.api();
        let (gate, doors) = (api.gate.clone(), api.doors.clone());
        let (health, in_flight) = (api.health.clone(), api.in_flight.clone());
        let live = live::spawn(&settings, &api, &root, &places.control)?;
        let (serving, server) = socket.run(api)?;
        actix_rt::spawn(serving);

        let tills = rate.map(|rate| Tills::spawn(&settings, &root, &places.pos, &shared, &trust, rate)).transpose()?;
        let smf = open_smf(&settings, &shared, carrier.as_ref(), &root, &trail)?;
        smf.iter().for_each(|door| door.fail_closed_when(secrets.are_too_old()));
        let (spec, overlap) = (ActorSpec::new("users", "users"), settings.secrets.overlap);
        let book = root.spawn(spec, &places.control, move || UserBook::new(gate.clone(), overlap))?;
        let book = SecretsHolder::new("root.users", &["validation-service/creds/*"], book.port());
        let mut holders = [vec![book], rooms.secrets_holders()].concat();
        holders.extend(tills.iter().map(Tills::secrets_holder));
        holders.extend(smf.iter().map(SmfDoor::secrets_holder));
        secrets.watch(&root, &places.control, holders).context("spawn the secrets")?;
        info!(http.addr = %address, roles = %settings.roles, "serving");
        Ok(Self {
            settings,
            address,
            server,
            in_flight,
            live,
            health,
            doors,
            root,
            rooms,
            tills,
            carrier,
            smf: smf.as_ref().map(SmfDoor::address),
            trail,
            _watchdog: watchdog,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to tell the person who started it.
    pub fn announcement(&self) -> String {
        let scheme = if self.settings.tls.is_on() { "https" } else { "http" };
        let base = format!("{scheme}://{}", self.address);
        let (file, settings) = (self.settings.secrets_file(), &self.settings);
        let passwords = Passwords::of(settings.secrets.source, &file, &settings.vault.address);
        announce::announcement(&base, self.smf, &settings.roles, passwords)
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

    /// What every queue holds; `None` where the broker is elsewhere and does not say.
    pub fn queues(&self) -> Option<Vec<QueueStats>> {
        let Some(carrier) = &self.carrier else { return Some(Vec::new()) };
        carrier.embedded().map(Broker::stats)
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
        let (grace, trail) = (self.grace(), self.trail.clone());
        if tokio::time::timeout(grace, self.drain_in_order()).await.is_err() {
            warn!(?grace, "drain unfinished, exiting; whatever was answered with 200 is on disk");
        }
        finish_trail(&trail);
    }
}

/// Where this process records who was refused.
fn start_trail(settings: &Settings) -> anyhow::Result<AuditTrail> {
    AuditTrail::start(&settings.audit, settings.audit_dir()).context("start the audit trail")
}

/// A disk that is stuck must not keep the process from ending.
fn finish_trail(trail: &AuditTrail) {
    if !trail.flush(TRAIL_WITHIN) {
        warn!("the last audit records may be lost: the disk did not take them in time");
    }
}

/// Lets clients of Solace libraries in, where that is wanted and the broker is here.
fn open_smf(
    settings: &Settings,
    shared: &Shared,
    carrier: Option<&Carrier>,
    root: &Supervisor,
    trail: &AuditTrail,
) -> anyhow::Result<Option<SmfDoor>> {
    let broker = carrier.and_then(Carrier::embedded);
    let Some((address, broker)) = settings.smf.listen.zip(broker) else { return Ok(None) };
    SmfDoor::open(address, settings, shared, broker, root, trail).map(Some)
}

/// Everything in this process that speaks TLS uses this one provider; to be called before the first of them is built.
pub fn install_cryptography() {
    // Refused only where it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// An address that a client on this machine can connect to, also when we listen on all of them.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let port = address.port();
    if address.is_ipv4() { ([127, 0, 0, 1], port).into() } else { (std::net::Ipv6Addr::LOCALHOST, port).into() }
}
