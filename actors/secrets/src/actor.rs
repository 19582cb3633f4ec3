//! The actor that keeps the tree in step with its file and tells those who use it.
//! Never drops a good tree for a broken file, and reads on the blocking pool only.

use std::path::PathBuf;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, Message, WrapFuture};
use chrono::Utc;
use notify::RecommendedWatcher;
use tillstream_messages::{HealthBoard, Leg, LegState, SecretsChanged};
use tillstream_supervision::{Port, SupervisedContext, supervised};
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::document::Values;
use crate::error::SecretsError;
use crate::file;
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
    listeners: Vec<Listener>,
    /// Where the secrets leg is reported.
    health: HealthBoard,
    /// When the last attempt to read began.
    attempted: Instant,
    /// A reading is under way.
    reading: bool,
    /// The file was touched during that reading.
    touched: bool,
    /// The last failure, so that it is logged once and not at every poll.
    failure: Option<String>,
    /// Lives as long as this incarnation.
    watcher: Option<RecommendedWatcher>,
}

/// Somebody who uses secrets, and the changes that it has not been told yet.
struct Listener {
    port: Port<SecretsChanged>,
    untold: Option<Vec<String>>,
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
        listeners: Vec<Port<SecretsChanged>>,
        health: HealthBoard,
    ) -> Self {
        let listeners = listeners.into_iter().map(|port| Listener { port, untold: Some(Vec::new()) }).collect();
        Self {
            settings,
            path,
            last_good,
            listeners,
            health,
            attempted: Instant::now(),
            reading: false,
            touched: false,
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
        self.tell_listeners();
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
        let path = self.path.clone();
        let reading = tokio::task::spawn_blocking(move || file::read(&path));
        let taken = reading.into_actor(self).map(|outcome, secrets, ctx| {
            secrets.reading = false;
            match outcome {
                Ok(Ok(values)) => secrets.take(values),
                Ok(Err(reason)) => secrets.keep_last_good(&reason),
                Err(reason) => error!(%reason, "reading the secrets file did not finish"),
            }
            secrets.report_age();
            if secrets.touched {
                secrets.read(ctx);
            }
        });
        ctx.spawn(taken);
    }

    fn take(&mut self, values: Values) {
        if self.failure.take().is_some() {
            info!(file = %self.path.display(), "the secrets file is in order again");
        }
        let changed = self.last_good.take(values, Utc::now());
        if !changed.is_empty() {
            info!(secrets.changed = changed.len(), "secrets changed: {}", changed.join(", "));
        }
        // Also when nothing changed: a listener whose thread blocked has lost its mailbox and what it was told.
        self.listeners.iter_mut().for_each(|listener| listener.owe(&changed));
        self.tell_listeners();
    }

    fn keep_last_good(&mut self, reason: &SecretsError) {
        let text = reason.to_string();
        if self.failure.as_ref() != Some(&text) {
            error!(reason = %text, "cannot use the secrets file, keeping the last good secrets");
        }
        self.failure = Some(text);
    }

    fn tell_listeners(&mut self) {
        let tree = self.last_good.tree();
        for listener in &mut self.listeners {
            let Some(changed) = &listener.untold else { continue };
            // `push`: at most one per listener and change of the file.
            let told = listener.port.push(SecretsChanged { tree: tree.clone(), changed: changed.clone() });
            if told.is_ok() {
                listener.untold = None;
            }
        }
    }

    fn report_age(&self) {
        let age = self.last_good.age();
        SECRETS_AGE_SECONDS.set(age.as_secs_f64());
        let state = match &self.failure {
            Some(reason) if age > self.settings.max_age => {
                LegState::Down(format!("secrets are {} s old: {reason}", age.as_secs()))
            }
            _ => LegState::Up,
        };
        self.health.set(Leg::Secrets, state);
    }
}

supervised!(LocalSecrets);

impl Actor for LocalSecrets {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.start_watching(ctx);
        // After the watch: a change between reading and watching would go unseen until the next poll.
        self.read(ctx);
        self.tell_listeners();
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

// === impl Listener ===

impl Listener {
    fn owe(&mut self, changed: &[String]) {
        let untold = self.untold.get_or_insert_default();
        untold.extend_from_slice(changed);
        untold.sort();
        untold.dedup();
    }
}
