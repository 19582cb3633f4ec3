//! The actor that keeps the tree in step with Vault and tells those who use it.
//! Never drops a good tree because Vault is down, sealed or refuses; it only says so, and how old the tree is.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, MessageResult, ResponseFuture, SpawnHandle, WrapFuture};
use chrono::Utc;
use tillstream_messages::{
    CertificateError, IssueCertificate, IssuedCertificate, Leg, LegState, ListSecrets, RefreshError, RefreshSecrets,
    SecretsRefreshed,
};
use tillstream_secrets::{Audience, Inquirers, SECRETS_AGE_SECONDS};
use tillstream_supervision::{SupervisedContext, supervised};
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::certificate;
use crate::error::VaultError;
use crate::metrics::{REFRESHES, TOKEN_TTL_SECONDS};
use crate::pauses::pause;
use crate::reading::Found;
use crate::schedule::Schedule;
use crate::session::Session;
use crate::wiring::VaultWiring;

/// How often age and token are reported, and whoever could not be told is told again.
const TICK: Duration = Duration::from_secs(1);

/// What health says of paths that are missing or malformed.
const PATHS_IN_TROUBLE: &str =
    "paths in vault are missing or malformed, their last good values are in use: `GET /api/v1/secrets` names them";

/// Reads secrets from Vault for as long as it lives.
pub struct VaultSecrets {
    wiring: VaultWiring,
    session: Arc<Session>,
    audience: Audience,
    schedule: Schedule,
    /// A reading is under way.
    reading: bool,
    /// Somebody asked during that reading.
    again: bool,
    /// Who waits for a reading that begins from now on.
    asked: Inquirers,
    /// When the next reading begins.
    alarm: Option<SpawnHandle>,
    /// Why the last reading failed.
    failure: Option<String>,
    /// What is wrong with paths of the last one that did not.
    trouble: Option<String>,
    keeping: Keeping,
}

/// Keeping the token alive.
#[derive(Default)]
struct Keeping {
    under_way: bool,
    failures: u32,
    alarm: Option<SpawnHandle>,
}

// === impl VaultSecrets ===

impl VaultSecrets {
    /// Goes on from what earlier incarnations left; every incarnation tells all holders the tree in use once.
    pub fn new(wiring: VaultWiring) -> Self {
        let (session, audience) = (Arc::new(wiring.session()), Audience::new(wiring.holders.clone()));
        let schedule = Schedule::new(&wiring.settings, wiring.secrets.refresh);
        Self {
            wiring,
            session,
            audience,
            schedule,
            reading: false,
            again: false,
            asked: Inquirers::default(),
            alarm: None,
            failure: None,
            trouble: None,
            keeping: Keeping::default(),
        }
    }

    fn tick(&mut self, _: &mut SupervisedContext<Self>) {
        self.audience.tell(&self.wiring.memory.last_good.tree());
        self.report();
    }

    /// One reading at a time; who asks during one is answered by the next.
    fn read(&mut self, ctx: &mut SupervisedContext<Self>) {
        if self.reading {
            self.again = true;
            return;
        }
        (self.reading, self.again) = (true, false);
        self.schedule.begins();
        let (wiring, session, asked) = (self.wiring.clone(), Arc::clone(&self.session), self.asked.leave());
        let reading = async move { wiring.read(&session).await };
        let taken = reading.into_actor(self).map(|outcome, secrets, ctx| {
            secrets.reading = false;
            let found = match outcome {
                Ok(found) => Ok(secrets.take(found)),
                Err(reason) => Err(secrets.keep_last_good(&reason)),
            };
            asked.answer(&found);
            secrets.report();
            // A reading may have logged in.
            secrets.plan_keeping(ctx);
            secrets.plan_reading(ctx);
        });
        ctx.spawn(taken);
    }

    fn plan_reading(&mut self, ctx: &mut SupervisedContext<Self>) {
        if self.again {
            self.read(ctx);
            return;
        }
        if let Some(earlier) = self.alarm.take() {
            ctx.cancel_future(earlier);
        }
        self.alarm = Some(ctx.run_later(self.schedule.wait(), Self::read));
    }

    fn take(&mut self, mut found: Found) -> SecretsRefreshed {
        self.schedule.succeeded();
        if self.failure.take().is_some() {
            info!("secrets are read from vault again");
        }
        let trouble = found.trouble(&self.wiring.wanted);
        if let Some(text) = trouble.as_ref().filter(|text| self.trouble.as_ref() != Some(text)) {
            error!(vault.trouble = text, "paths in vault are in trouble, keeping their last good values");
        }
        self.trouble = trouble;
        let last_good = &self.wiring.memory.last_good;
        let kept = found.keep(&last_good.tree());
        let changed = last_good.take(std::mem::take(&mut found.values), Utc::now());
        REFRESHES.with_label_values(&[found.outcome(!changed.is_empty())]).inc();
        if !changed.is_empty() {
            info!(secrets.changed = changed.len(), "secrets changed: {}", changed.join(", "));
        }
        self.audience.owe(&changed);
        self.audience.tell(&last_good.tree());
        SecretsRefreshed { changed, kept }
    }

    fn keep_last_good(&mut self, reason: &VaultError) -> RefreshError {
        self.schedule.failed();
        REFRESHES.with_label_values(&[reason.outcome()]).inc();
        let text = reason.to_string();
        if self.failure.as_ref() != Some(&text) {
            error!(reason = %text, "cannot read secrets from vault, keeping the last good ones");
        }
        self.failure = Some(text.clone());
        RefreshError(text)
    }

    /// The alarm for what the token needs next; none while there is no token, because the next reading logs in.
    fn plan_keeping(&mut self, ctx: &mut SupervisedContext<Self>) {
        if self.keeping.under_way {
            return;
        }
        if let Some(earlier) = self.keeping.alarm.take() {
            ctx.cancel_future(earlier);
        }
        let Some((when, _)) = self.session.next_step() else { return };
        let settings = &self.wiring.settings;
        let held_up = match self.keeping.failures {
            0 => Duration::ZERO,
            failures => pause(settings.retry_min, settings.retry_max, failures),
        };
        let wait = when.saturating_duration_since(Instant::now()).max(held_up);
        self.keeping.alarm = Some(ctx.run_later(wait, Self::keep));
    }

    fn keep(&mut self, ctx: &mut SupervisedContext<Self>) {
        self.keeping.under_way = true;
        let session = Arc::clone(&self.session);
        let kept = async move { session.keep().await };
        let planned = kept.into_actor(self).map(|outcome, secrets, ctx| {
            secrets.keeping.under_way = false;
            match outcome {
                Ok(()) => secrets.keeping.failures = 0,
                Err(reason) => secrets.keeping_failed(&reason),
            }
            secrets.report();
            secrets.plan_keeping(ctx);
        });
        ctx.spawn(planned);
    }

    fn keeping_failed(&mut self, reason: &VaultError) {
        if self.keeping.failures == 0 {
            warn!(%reason, "cannot keep the token of vault alive, trying on");
        }
        self.keeping.failures = self.keeping.failures.saturating_add(1);
    }

    fn report(&self) {
        let memory = &self.wiring.memory;
        let left = memory.token().map(|token| token.left().map_or(f64::INFINITY, |left| left.as_secs_f64()));
        TOKEN_TTL_SECONDS.set(left.unwrap_or_default());
        let age = memory.last_good.age();
        SECRETS_AGE_SECONDS.set(age.as_secs_f64());
        let state = if age > self.wiring.secrets.max_age {
            let reason = self.failure.as_deref().unwrap_or("no reading from vault has ended since");
            LegState::Down(format!("secrets are {} s old: {reason}", age.as_secs()))
        } else {
            LegState::Up
        };
        self.wiring.health.set(Leg::Secrets, state);
        self.wiring.health.remark(Leg::Secrets, self.remark_for_anybody());
    }

    /// Health is read without a login, and paths are named after users.
    fn remark_for_anybody(&self) -> Option<String> {
        let in_trouble = || self.trouble.as_ref().map(|_| PATHS_IN_TROUBLE.to_owned());
        self.failure.clone().or_else(in_trouble)
    }

    fn remark(&self) -> Option<String> {
        self.failure.clone().or_else(|| self.trouble.clone())
    }
}

supervised!(VaultSecrets);

impl Actor for VaultSecrets {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.audience.tell(&self.wiring.memory.last_good.tree());
        // The token of an earlier incarnation may be due.
        self.plan_keeping(ctx);
        self.read(ctx);
        ctx.run_interval(TICK, Self::tick);
    }
}

impl Handler<RefreshSecrets> for VaultSecrets {
    type Result = ResponseFuture<Result<SecretsRefreshed, RefreshError>>;

    fn handle(&mut self, _: RefreshSecrets, ctx: &mut Self::Context) -> Self::Result {
        let answer = self.asked.join();
        self.read(ctx);
        answer
    }
}

impl Handler<ListSecrets> for VaultSecrets {
    type Result = MessageResult<ListSecrets>;

    fn handle(&mut self, _: ListSecrets, _: &mut Self::Context) -> Self::Result {
        let (remark, until) = (self.remark(), self.schedule.wait());
        MessageResult(self.wiring.memory.last_good.overview("vault", until, remark, &self.audience))
    }
}

impl Handler<IssueCertificate> for VaultSecrets {
    type Result = ResponseFuture<Result<IssuedCertificate, CertificateError>>;

    fn handle(&mut self, wish: IssueCertificate, _: &mut Self::Context) -> Self::Result {
        let session = Arc::clone(&self.session);
        Box::pin(async move { certificate::issue(&session, &wish).await })
    }
}
