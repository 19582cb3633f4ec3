//! The actor that keeps certificate and authorities fresh and says how long the certificate still holds.
//! Never gives up a good pair for a broken one, and touches no established connection.

use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, ResponseFuture, WrapFuture};
use chrono::{SecondsFormat, TimeDelta};
use tillstream_messages::{
    CertificateError, CertificateReloaded, HealthBoard, Leg, LegState, ReloadCertificate, WallClock,
};
use tillstream_supervision::{SupervisedContext, supervised};
use tokio::sync::oneshot;
use tracing::info;

use crate::clients::ClientRoots;
use crate::error::TlsError;
use crate::keyring::Keyring;
use crate::metrics::{self, EXPIRES_SECONDS, RELOADS};
use crate::pace::Pace;
use crate::pair::ServerPair;
use crate::source::TlsSource;
use crate::trouble::Trouble;

const TICK: Duration = Duration::from_secs(1);

/// What a keeper works with; the same over all incarnations.
#[derive(Debug, Clone)]
pub struct KeeperPorts {
    /// What the server uses.
    pub keyring: Keyring,
    /// Where to look.
    pub source: TlsSource,
    /// How often to look at files.
    pub reload: Duration,
    /// What time it is.
    pub clock: WallClock,
    /// Where it is said whether the certificate holds.
    pub health: HealthBoard,
}

/// Keeps the keyring fresh.
pub struct TlsKeeper {
    ports: KeeperPorts,
    pace: Pace,
    /// Somebody is looking.
    looking: bool,
    /// Who waits for a look that begins from now on.
    asked: Vec<Asked>,
    certificate: Trouble,
    authorities: Trouble,
}

type Asked = oneshot::Sender<Result<CertificateReloaded, CertificateError>>;

/// What a look brought; `None` where it was not looked for.
struct Found {
    pair: Option<Result<ServerPair, TlsError>>,
    clients: Result<Option<ClientRoots>, TlsError>,
}

// === impl TlsKeeper ===

impl TlsKeeper {
    /// A keeper that goes on with what the keyring has.
    pub fn new(ports: KeeperPorts) -> Self {
        metrics::register();
        let pace = Pace::new(ports.reload);
        let (certificate, authorities) =
            (Trouble::none_with("certificate"), Trouble::none_with("list of authorities of clients"));
        Self { ports, pace, looking: false, asked: Vec::new(), certificate, authorities }
    }

    fn tick(&mut self, ctx: &mut SupervisedContext<Self>) {
        let renew_at = self.ports.keyring.pair().renew_at();
        let wants_pair = self.pace.is_time_for_authority(renew_at);
        if wants_pair || self.pace.is_time_for_files() {
            self.look(wants_pair || !self.ports.source.is_authority(), ctx);
        }
        self.report();
    }

    /// One look at a time; whoever asks during one gets another.
    fn look(&mut self, wants_pair: bool, ctx: &mut SupervisedContext<Self>) {
        if self.looking {
            return;
        }
        self.looking = true;
        self.pace.look();
        let (source, asked) = (self.ports.source.clone(), std::mem::take(&mut self.asked));
        let looking = async move {
            let pair = if wants_pair { Some(source.pair().await) } else { None };
            Found { pair, clients: source.clients().await }
        };
        let taken = looking.into_actor(self).map(|found, keeper, ctx| {
            keeper.looking = false;
            let answer = keeper.take(found);
            // Whoever has gone away does not want to know any more.
            asked.into_iter().for_each(|one| drop(one.send(answer.clone())));
            keeper.report();
            if !keeper.asked.is_empty() {
                keeper.look_as_asked(ctx);
            }
        });
        ctx.spawn(taken);
    }

    /// Everybody who may ask could otherwise have an authority issue as often as requests can be sent.
    fn look_as_asked(&mut self, ctx: &mut SupervisedContext<Self>) {
        let wants_pair = !self.ports.keyring.pair().is_new();
        self.look(wants_pair, ctx);
    }

    fn take(&mut self, found: Found) -> Result<CertificateReloaded, CertificateError> {
        let pair = found.pair.map_or(Ok(false), |pair| self.take_pair(pair));
        let clients = self.take_clients(found.clients);
        let refused = |error: TlsError| CertificateError(error.to_string());
        let (pair_changed, clients_changed) = (pair.map_err(refused)?, clients.map_err(refused)?);
        let pair = self.ports.keyring.pair();
        let changed = pair_changed || clients_changed;
        Ok(CertificateReloaded { changed, serial: pair.serial().to_owned(), expires_at: pair.not_after() })
    }

    fn take_pair(&mut self, pair: Result<ServerPair, TlsError>) -> Result<bool, TlsError> {
        match pair.and_then(|pair| self.exchange(pair)) {
            Ok(changed) => {
                self.pace.succeed();
                self.certificate.is_over();
                Ok(changed)
            }
            Err(error) => {
                self.pace.fail();
                self.certificate.begins(&error);
                Err(error)
            }
        }
    }

    fn exchange(&self, pair: ServerPair) -> Result<bool, TlsError> {
        if self.ports.keyring.pair().is_same(&pair) {
            return Ok(false);
        }
        if pair.remaining(self.ports.clock.now()) <= TimeDelta::zero() {
            return Err(TlsError::Expired(pair.not_after()));
        }
        let expires_at = pair.not_after().to_rfc3339_opts(SecondsFormat::Secs, true);
        info!(tls.serial = pair.serial(), tls.expires_at = %expires_at, "certificate exchanged");
        self.ports.keyring.exchange(pair);
        RELOADS.with_label_values(&["exchanged"]).inc();
        Ok(true)
    }

    fn take_clients(&mut self, clients: Result<Option<ClientRoots>, TlsError>) -> Result<bool, TlsError> {
        let clients = clients.inspect_err(|error| self.authorities.begins(error))?;
        self.authorities.is_over();
        let Some(clients) = clients else { return Ok(false) };
        if self.ports.keyring.clients().is_some_and(|known| known.is_same(&clients)) {
            return Ok(false);
        }
        info!("list of authorities of clients exchanged");
        self.ports.keyring.exchange_clients(clients);
        RELOADS.with_label_values(&["exchanged"]).inc();
        Ok(true)
    }

    fn report(&self) {
        let pair = self.ports.keyring.pair();
        let now = self.ports.clock.now();
        let remaining = pair.remaining(now);
        EXPIRES_SECONDS.set(remaining.as_seconds_f64());
        let end = pair.not_after().to_rfc3339_opts(SecondsFormat::Secs, true);
        let trouble = self.certificate.text().or_else(|| self.authorities.text());
        let because = trouble.map(|text| format!(": {text}")).unwrap_or_default();
        if remaining <= TimeDelta::zero() {
            self.ports.health.set(Leg::Certificate, LegState::Down(format!("it has expired, {end}{because}")));
            return;
        }
        self.ports.health.set(Leg::Certificate, LegState::Up);
        let remark = if pair.ends_soon(now) {
            Some(format!("it expires soon, {end}{because}"))
        } else {
            trouble.map(|text| format!("the new one cannot be used: {text}"))
        };
        self.ports.health.remark(Leg::Certificate, remark);
    }
}

supervised!(TlsKeeper);

impl Actor for TlsKeeper {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.report();
        ctx.run_interval(TICK.min(self.ports.reload), Self::tick);
    }
}

impl Handler<ReloadCertificate> for TlsKeeper {
    type Result = ResponseFuture<Result<CertificateReloaded, CertificateError>>;

    fn handle(&mut self, _: ReloadCertificate, ctx: &mut Self::Context) -> Self::Result {
        let (asked, answer) = oneshot::channel();
        self.asked.push(asked);
        self.look_as_asked(ctx);
        let ended = || CertificateError("the keeper was restarted while it looked: ask again".to_owned());
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(ended())) })
    }
}

#[cfg(test)]
mod tests;
