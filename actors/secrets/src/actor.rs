//! The actor that keeps the tree in step with its file and tells those who use it.
//! Never drops a good tree for a broken file, and reads on the blocking pool only.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, Message, MessageResult, ResponseFuture, WrapFuture};
use chrono::Utc;
use notify::RecommendedWatcher;
use tillstream_messages::{HealthBoard, Leg, LegState, ListSecrets, RefreshError, RefreshSecrets, SecretsRefreshed};
use tillstream_supervision::{SupervisedContext, supervised};
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::audience::{Audience, SecretsHolder};
use crate::document::Values;
use crate::error::SecretsError;
use crate::file;
use crate::inquirers::Inquirers;
use crate::last_good::LastGood;
use crate::metrics::SECRETS_AGE_SECONDS;
use crate::settings::SecretsSettings;
use crate::watch::watch;

/// An editor that writes in place is given this long to finish.
const SETTLE: Duration = Duration::from_millis(50);
const TICK: Duration = Duration::from_secs(1);

/// Watches one local secrets file.
pub struct LocalSecrets {
    /// How often and how long.
    settings: SecretsSettings,
    /// The file.
    path: PathBuf,
    /// The tree in use, kept by the factory over restarts.
    last_good: LastGood,
    /// Who is told.
    audience: Audience,
    /// Where the secrets leg is reported.
    health: HealthBoard,
    /// When the last attempt to read began.
    attempted: Instant,
    /// A reading is under way.
    reading: bool,
    /// The file was touched during that reading.
    touched: bool,
    /// Who waits for a reading that begins from now on.
    asked: Inquirers,
    /// The last failure, so that it is logged once and not at every poll.
    failure: Option<Failure>,
    /// Lives as long as this incarnation.
    watcher: Option<RecommendedWatcher>,
}

/// Why the file cannot be used.
struct Failure {
    /// For the log and for administrators.
    text: String,
    /// For health documents, which are read without a login.
    for_anybody: String,
}

/// The file may have changed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct FileTouched;

// === impl LocalSecrets ===

impl LocalSecrets {
    /// An actor that goes on from `last_good`; every incarnation tells all listeners the tree in use once.
    pub fn new(
        settings: SecretsSettings,
        path: PathBuf,
        last_good: LastGood,
        holders: Vec<SecretsHolder>,
        health: HealthBoard,
    ) -> Self {
        LazyLock::force(&SECRETS_AGE_SECONDS);
        Self {
            settings,
            path,
            last_good,
            audience: Audience::new(holders),
            health,
            attempted: Instant::now(),
            reading: false,
            touched: false,
            asked: Inquirers::default(),
            failure: None,
            watcher: None,
        }
    }

    fn start_watching(&mut self, ctx: &mut SupervisedContext<Self>) {
        let handle = ctx.handle();
        let touched = move || {
            // A full mailbox is no loss: the poll finds the change.
            let _ = handle.tell(FileTouched);
        };
        match watch(&self.path, touched) {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(reason) => warn!(%reason, "cannot watch the secrets file, relying on polling"),
        }
    }

    fn tick(&mut self, ctx: &mut SupervisedContext<Self>) {
        if self.attempted.elapsed() >= self.settings.refresh {
            self.read(ctx);
        }
        self.audience.tell(&self.last_good.tree());
        self.report_age();
    }

    /// One reading at a time; a touch during a reading causes another.
    fn read(&mut self, ctx: &mut SupervisedContext<Self>) {
        if self.reading {
            self.touched = true;
            return;
        }
        self.reading = true;
        self.touched = false;
        self.attempted = Instant::now();
        let (path, asked) = (self.path.clone(), self.asked.leave());
        let reading = tokio::task::spawn_blocking(move || file::read(&path));
        let taken = reading.into_actor(self).map(|outcome, secrets, ctx| {
            secrets.reading = false;
            let found = match outcome {
                Ok(Ok(values)) => Ok(secrets.take(values)),
                Ok(Err(reason)) => Err(secrets.keep_last_good(&reason)),
                Err(reason) => Err(did_not_finish(&reason)),
            };
            asked.answer(&found);
            secrets.report_age();
            if secrets.touched {
                secrets.read(ctx);
            }
        });
        ctx.spawn(taken);
    }

    fn take(&mut self, values: Values) -> SecretsRefreshed {
        if self.failure.take().is_some() {
            info!(file = %self.path.display(), "the secrets file is in order again");
        }
        let changed = self.last_good.take(values, Utc::now());
        if !changed.is_empty() {
            info!(secrets.changed = changed.len(), "secrets changed: {}", changed.join(", "));
        }
        self.audience.owe(&changed);
        self.audience.tell(&self.last_good.tree());
        SecretsRefreshed { changed, kept: Vec::new() }
    }

    fn keep_last_good(&mut self, reason: &SecretsError) -> RefreshError {
        let text = reason.to_string();
        if self.failure.as_ref().is_none_or(|known| known.text != text) {
            error!(reason = %text, "cannot use the secrets file, keeping the last good secrets");
        }
        self.failure = Some(Failure { text: text.clone(), for_anybody: reason.for_anybody() });
        RefreshError(text)
    }

    /// How long until the file is read again without anybody asking.
    fn until_refresh(&self) -> Duration {
        self.settings.refresh.saturating_sub(self.attempted.elapsed())
    }

    fn report_age(&self) {
        let age = self.last_good.age();
        SECRETS_AGE_SECONDS.set(age.as_secs_f64());
        let reason = self.failure.as_ref().map(|failure| failure.for_anybody.clone());
        let state = match &reason {
            Some(reason) if age > self.settings.max_age => {
                LegState::Down(format!("secrets are {} s old: {reason}", age.as_secs()))
            }
            _ => LegState::Up,
        };
        self.health.set(Leg::Secrets, state);
        self.health.remark(Leg::Secrets, reason);
    }
}

/// A thread of the blocking pool died.
fn did_not_finish(reason: &tokio::task::JoinError) -> RefreshError {
    error!(%reason, "reading the secrets file did not finish");
    RefreshError("reading the secrets file did not finish".to_owned())
}

supervised!(LocalSecrets);

impl Actor for LocalSecrets {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.start_watching(ctx);
        // After the watch: a change between reading and watching would go unseen until the next poll.
        self.read(ctx);
        self.audience.tell(&self.last_good.tree());
        ctx.run_interval(TICK.min(self.settings.refresh), Self::tick);
    }
}

impl Handler<FileTouched> for LocalSecrets {
    type Result = ();

    fn handle(&mut self, _: FileTouched, ctx: &mut Self::Context) {
        if self.touched {
            return;
        }
        self.touched = true;
        ctx.run_later(SETTLE, Self::read);
    }
}

impl Handler<RefreshSecrets> for LocalSecrets {
    type Result = ResponseFuture<Result<SecretsRefreshed, RefreshError>>;

    fn handle(&mut self, _: RefreshSecrets, ctx: &mut Self::Context) -> Self::Result {
        let answer = self.asked.join();
        self.read(ctx);
        answer
    }
}

impl Handler<ListSecrets> for LocalSecrets {
    type Result = MessageResult<ListSecrets>;

    fn handle(&mut self, _: ListSecrets, _: &mut Self::Context) -> Self::Result {
        let trouble = self.failure.as_ref().map(|failure| failure.text.clone());
        let until = self.until_refresh();
        MessageResult(self.last_good.overview("local", until, trouble, &self.audience))
    }
}
