//! The embedded broker as a process of its own: queues, listener, secrets and their supervision.
//! Serves no HTTP and counts no sale.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use actix::{Actor, AsyncContext};
use anyhow::Context;
use tillstream_audit::AuditTrail;
use tillstream_broker::Broker;
use tillstream_domain::SecretReader;
use tillstream_messages::HealthBoard;
use tillstream_supervision::{ActorSpec, Place, SupervisedContext, Supervisor, Watchdog, supervised};
use tracing::{error, info, warn};

use super::announce::Passwords;
use super::carrier::open_broker;
use super::secrets;
use super::smf::SmfDoor;
use super::{finish_trail, start_trail};
use crate::settings::Settings;
use crate::shutdown::end_helpless;

/// Where Solace clients look for a broker.
const SMF_PORT: u16 = 55_555;
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A broker that runs, and listens.
pub struct BrokerAlone {
    settings: Settings,
    address: SocketAddr,
    broker: Broker,
    root: Supervisor,
    trail: AuditTrail,
    /// Dropped last, so that somebody watches the drain.
    _watchdog: Watchdog,
}

/// Says in the log when the broker takes no message, because nothing else here does: there is no health page.
struct Attendant {
    broker: Broker,
    /// What was said last.
    is_in_trouble: bool,
}

impl BrokerAlone {
    /// Opens the broker of the settings and lets clients in.
    ///
    /// # Errors
    /// Says what is wrong and what to do about it.
    pub async fn build(settings: Settings) -> anyhow::Result<Self> {
        let data_dir = &settings.data_dir.0;
        std::fs::create_dir_all(data_dir).with_context(|| format!("make data directory `{}`", data_dir.display()))?;
        let secrets = secrets::read(&settings, &[SecretReader::Broker], &HealthBoard::default()).await?;
        let shared = secrets.shared.clone();
        let (control, trail) = (Place::arbiter("control"), start_trail(&settings)?);
        let root = Supervisor::root(settings.supervision.one_for_one("root"), &control);
        let broker = open_broker(&settings, &shared)?;
        let watchdog = Watchdog::start(&root, settings.watchdog, |reason| end_helpless(&reason));
        let address = settings.smf.listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, SMF_PORT).into());
        let door = SmfDoor::open(address, &settings, &shared, &broker, &root, &trail)?;
        door.fail_closed_when(secrets.are_too_old());
        secrets.watch(&root, &control, vec![door.secrets_holder()]).context("spawn the secrets")?;
        let watched = broker.clone();
        let attendant = ActorSpec::new("attendant", "attendant");
        root.spawn(attendant, &control, move || Attendant { broker: watched.clone(), is_in_trouble: false })?;
        let address = door.address();
        info!(smf.addr = %address, "serving");
        Ok(Self { settings, address, broker, root, trail, _watchdog: watchdog })
    }

    /// What to tell the person who started it.
    pub fn announcement(&self) -> String {
        let (address, queues) = (self.address, self.broker.stats().len());
        let (directory, file) = (self.settings.broker_dir(), self.settings.secrets_file());
        let secrets = Passwords::of(self.settings.secrets.source, &file, &self.settings.vault.address);
        format!(
            "listening on tcp://{address}\n  queues       {queues}, in {}\n  passwords    {}\n",
            directory.display(),
            secrets
        )
    }

    /// Takes no client any more, gives back what consumers hold, and writes what publishers were promised.
    pub async fn drain(self) {
        let grace = self.settings.shutdown.grace;
        let in_order = async {
            for path in self.root.shutdown().await.terminated {
                warn!(actor.path = %path, "actor `{path}` did not stop in time and was terminated");
            }
            self.broker.close().await;
        };
        match tokio::time::timeout(grace, in_order).await {
            Ok(()) => info!("drained"),
            Err(_) => warn!(?grace, "drain unfinished, exiting; whatever was acknowledged is on disk"),
        }
        finish_trail(&self.trail);
    }
}

// === impl Attendant ===

impl Attendant {
    fn look(&mut self) {
        let trouble = self.broker.trouble();
        // The text of a full disk changes with every byte.
        if trouble.is_some() == self.is_in_trouble {
            return;
        }
        self.is_in_trouble = trouble.is_some();
        match trouble {
            Some(reason) => error!(%reason, "the broker takes no messages"),
            None => info!("the broker takes messages"),
        }
    }
}

supervised!(Attendant);

impl Actor for Attendant {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look();
        ctx.run_interval(LOOK_EVERY, |attendant, _| attendant.look());
    }
}
