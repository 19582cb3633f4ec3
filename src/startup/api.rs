//! What HTTP sees of the process: users, doors, health, the tree, and what can be broken.
//! Does not start the server and spawns nothing.

use std::sync::Arc;
use std::time::Instant;

use tillstream_audit::AuditTrail;
use tillstream_broker::Broker;
use tillstream_domain::UserRole;
use tillstream_generator::Rate;
use tillstream_messages::{Leg, ReloadCertificate};
use tillstream_supervision::{Port, Supervisor, Watchdog};
use tillstream_tokens::TokenBook;

use super::Shared;
use super::rooms::Rooms;
use super::secrets::Secrets;
use crate::disk::DataDisk;
use crate::faults::{Environment, Faults, InForce};
use crate::http::{Api, Documents, Doors, Figures, Gate, Health, InFlight, Users};
use crate::live::Live;
use crate::settings::Settings;
use crate::telemetry;

/// What was built so far.
pub struct Built<'a> {
    /// Of the process.
    pub settings: &'a Settings,
    /// Of all rooms.
    pub shared: &'a Shared,
    /// Of the tree.
    pub root: &'a Supervisor,
    /// Over the tree.
    pub watchdog: &'a Watchdog,
    /// Where one runs.
    pub broker: Option<&'a Broker>,
    /// Behind the doors.
    pub rooms: &'a Rooms,
    /// Of the simulated tills, where there are any.
    pub rate: Option<Rate>,
    /// Whom a bearer token proves.
    pub tokens: TokenBook,
    /// Who lists and refreshes them.
    pub secrets: &'a Secrets,
    /// Where records of requests go.
    pub trail: AuditTrail,
    /// Who looks for another certificate, where TLS is on.
    pub reload_certificate: Option<Port<ReloadCertificate>>,
}

impl Built<'_> {
    /// What every worker of the server shares.
    pub fn api(self) -> Api {
        let (settings, tree) = (self.settings, self.root.clone());
        let health = self.health();
        let doors = Doors {
            generator: self.rate.clone(),
            secrets: Some(self.secrets.list.clone().into()),
            refresh_secrets: Some(self.secrets.refresh()),
            reload_certificate: self.reload_certificate.clone().map(Into::into),
            ..self.rooms.doors.clone()
        };
        Api {
            settings: settings.http.clone(),
            gate: self.gate(),
            documents: Documents::new(&settings.rules.rules()),
            in_flight: InFlight::new(settings.http.max_in_flight),
            tree: Arc::new(move || tree.tree()),
            faults: self.faults(&doors, health.clone()),
            health,
            live: doors.live.is_some().then(|| Live::new(settings.live.clone())),
            doors,
            log: telemetry::control(),
        }
    }

    fn gate(&self) -> Gate {
        let certificates = self.settings.tls.clients.iter();
        let roles = certificates.filter_map(|(name, role)| Some((name.clone(), UserRole::parse(role)?)));
        Gate::new(&self.settings.http, Users::from_tree(&self.shared.tree))
            .with_tokens(self.tokens.clone())
            .with_certificates(roles.collect(), self.shared.clock.clone())
            .recorded_in(self.trail.clone())
            .fail_closed_when(self.secrets.are_too_old())
    }

    fn health(&self) -> Health {
        let (degraded, liveness) = (self.root.clone(), self.watchdog.liveness());
        let (roles, backend) = (&self.settings.roles, self.settings.broker.backend);
        let health = Health::new(roles, self.shared.board.clone(), move || degraded.degraded()).on(roles, backend);
        let health = health.watched(move || liveness.trouble()).with(self.figures());
        let health = if self.settings.tls.is_on() { health.also(Leg::Certificate, true) } else { health };
        if self.tokens.is_on() { health.also(Leg::Tokens, self.settings.tokens.needed) } else { health }
    }

    fn figures(&self) -> Figures {
        let (tree, settings) = (self.root.clone(), self.settings);
        let disk = DataDisk::new(settings.data_dir.0.clone(), self.shared.faults.storage.clone());
        disk.show();
        Figures {
            tree: Arc::new(move || tree.tree()),
            secrets_age: Arc::new(self.secrets.age()),
            disk,
            // What the broker needs to take messages again once it has refused some.
            scarce_bytes: settings.broker.broker().reserve_bytes.saturating_mul(2),
            clock: self.shared.clock.clone(),
            began: Instant::now(),
        }
    }

    fn faults(&self, doors: &Doors, health: Health) -> Faults {
        let environment = Environment {
            broker: self.broker.cloned(),
            backend: self.settings.broker.backend,
            roles: self.settings.roles.clone(),
            clock: self.shared.clock.clone(),
            switches: self.shared.faults.clone(),
            in_force: InForce::default(),
        };
        let (root, ledger, trail) = (self.root.clone(), doors.ledger.clone(), self.trail.clone());
        Faults::new(self.settings.faults.enabled, root, environment, ledger, health, trail)
    }
}
