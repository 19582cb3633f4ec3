//! The actor that rings up sales at a rate and posts each of them until its fate is known.
//! Does not decide what a sale looks like nor when to send it again; the stream and the client do.

use std::collections::VecDeque;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, Message, ResponseFuture, WrapFuture};
use bytes::Bytes;
use chrono::Utc;
use tillstream_messages::SecretsChanged;
use tillstream_supervision::{ActorSpec, Place, Port, SpawnError, SupervisedContext, Supervisor, supervised};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use crate::account::GeneratorAccount;
use crate::client::{Credentials, PosClient, Posted};
use crate::error::Unanswered;
use crate::metrics;
use crate::notebook::Notebook;
use crate::pace::Pace;
use crate::rate::Rate;
use crate::sales::{Mix, SaleStream};
use crate::settings::PosSettings;

/// How often the generator looks whether a sale is due.
const TICK: Duration = Duration::from_millis(20);
/// Where the tills' user stands in the secret tree.
const SECRET: &str = "validation-service/creds/pos-service";
/// Odd, so that every incarnation of a seed has a stream of its own.
const NEXT_STREAM: u64 = 0x9e37_79b9_7f4a_7c15;

/// Asks for the account as it stands.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "GeneratorAccount")]
pub struct Observe;

/// Order: ring up nothing more. The reply comes when the fate of every sale is known.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "GeneratorAccount")]
pub struct FinishSales;

/// What other rooms need of the generator.
#[derive(Clone)]
pub struct GeneratorPorts {
    /// The account as it stands.
    pub observe: Port<Observe>,
    /// Stop, and tell the account when nothing is outstanding.
    pub finish: Port<FinishSales>,
    /// The tills' user may have changed.
    pub secrets: Port<SecretsChanged>,
}

/// Rings up sales.
pub struct Generator {
    /// Concurrency and the like.
    settings: PosSettings,
    /// Set from outside; outlives this incarnation.
    rate: Rate,
    /// This start's seed.
    seed: u64,
    /// Posts; shared with former incarnations, which know the newest credentials.
    client: PosClient,
    /// Outlives this incarnation.
    notebook: Notebook,
    /// Made at the start, because every incarnation has another one.
    stream: Option<SaleStream>,
    /// How many sales are due.
    pace: Pace,
    /// When the pace was last told that time has passed.
    passed: Instant,
    /// To be posted; sales of a former incarnation first.
    waiting: VecDeque<Parcel>,
    /// Requests under way.
    in_flight: usize,
    /// Whoever waits until nothing is outstanding; then nothing more is rung up.
    finishing: Vec<oneshot::Sender<GeneratorAccount>>,
    /// No more sales.
    finished: bool,
}

/// Something to be posted.
#[derive(Debug, Clone)]
struct Parcel {
    /// The outstanding sale that it settles; `None` for a repetition.
    settles: Option<Uuid>,
    body: Bytes,
    is_repeated: bool,
}

impl Generator {
    /// A generator whose sales follow from the seed and the number of its incarnation.
    pub fn new(settings: PosSettings, rate: Rate, seed: u64, client: PosClient, notebook: Notebook) -> Self {
        Self {
            pace: Pace::new(rate.get(), settings.profile),
            settings,
            rate,
            seed,
            client,
            notebook,
            stream: None,
            passed: Instant::now(),
            waiting: VecDeque::new(),
            in_flight: 0,
            finishing: Vec::new(),
            finished: false,
        }
    }

    fn tick(&mut self, ctx: &mut SupervisedContext<Self>) {
        self.pace.set_rate(self.rate.get());
        self.pace.pass(self.passed.elapsed(), Utc::now());
        self.passed = Instant::now();
        while !self.finished && self.has_room() && self.pace.take() {
            self.ring_up();
            self.post_waiting(ctx);
        }
        self.post_waiting(ctx);
    }

    /// What does not fit is not rung up: a till with a waiting customer has no next one.
    fn has_room(&self) -> bool {
        self.in_flight + self.waiting.len() < self.settings.concurrency.max(1)
    }

    fn ring_up(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        let sale = stream.next(Utc::now());
        self.notebook.ring_up(&sale);
        self.waiting.push_back(Parcel { settles: Some(sale.id), body: sale.body, is_repeated: sale.is_repeated });
    }

    fn post_waiting(&mut self, ctx: &mut SupervisedContext<Self>) {
        while self.in_flight < self.settings.concurrency.max(1) {
            let Some(parcel) = self.waiting.pop_front() else { return };
            self.in_flight += 1;
            let (client, body) = (self.client.clone(), parcel.body.clone());
            let posting = async move { client.post_until_known(body).await };
            ctx.spawn(posting.into_actor(self).map(|outcome, actor, ctx| {
                actor.in_flight -= 1;
                actor.posted(parcel, outcome);
                actor.post_waiting(ctx);
                actor.tell_finished();
            }));
        }
    }

    fn posted(&mut self, parcel: Parcel, outcome: Result<Posted, Unanswered>) {
        let posted = match outcome {
            Ok(posted) => posted,
            Err(error) => {
                tracing::warn!(%error, "the fate of a sale is unknown, it is sent again");
                return self.waiting.push_back(parcel);
            }
        };
        match parcel.settles {
            Some(id) => self.notebook.settle(id, posted),
            None => self.notebook.repeated(posted),
        }
        if !posted.is_accepted() {
            tracing::warn!(http.status = posted.status, "a sale was refused for good");
        }
        if parcel.is_repeated && !self.finished {
            self.waiting.push_back(Parcel { settles: None, is_repeated: false, ..parcel });
        }
    }

    fn tell_finished(&mut self) {
        if !self.finished || self.in_flight > 0 || !self.waiting.is_empty() {
            return;
        }
        for waiting in self.finishing.drain(..) {
            // Whoever no longer waits does not need the account.
            let _ = waiting.send(self.notebook.account());
        }
    }
}

impl Actor for Generator {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let incarnation = ctx.generation().wrapping_sub(1);
        let seed = self.seed ^ incarnation.wrapping_mul(NEXT_STREAM);
        self.stream = Some(SaleStream::new(seed, Mix::from(&self.settings)));
        // In flight when the former incarnation was killed: nobody knows whether they were taken, so they go out again.
        let outstanding = self.notebook.outstanding().into_iter();
        self.waiting = outstanding
            .map(|sale| Parcel { settles: Some(sale.id), body: sale.body, is_repeated: sale.is_repeated })
            .collect();
        ctx.run_interval(TICK, Self::tick);
    }

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        let account = self.notebook.account();
        for (store, sold) in &account.stores {
            tracing::info!(store.id = %store, accepted = sold.accepted, amount = %sold.amount, failed_payments = sold.failed_payments, "account of store `{store}`");
        }
        let (refused, retries, outstanding) = (&account.refused, account.retries, account.outstanding);
        tracing::info!(rung_up = account.rung_up, ?refused, retries, outstanding, "the tills have stopped");
    }
}

supervised!(Generator);

impl Handler<SecretsChanged> for Generator {
    type Result = ();

    fn handle(&mut self, secrets: SecretsChanged, _ctx: &mut Self::Context) {
        let read = |key| secrets.tree.expose(SECRET, key).map(str::to_owned);
        let (Some(user), Some(password)) = (read("username"), read("password")) else {
            return tracing::warn!(path = SECRET, "the tills have no user in the secret tree, keeping the last one");
        };
        if let Err(error) = self.client.set_credentials(&Credentials { user, password: password.into() }) {
            tracing::error!(path = SECRET, %error, "the tills' new credentials cannot be used, keeping the last ones");
        }
    }
}

impl Handler<Observe> for Generator {
    type Result = actix::MessageResult<Observe>;

    fn handle(&mut self, _: Observe, _ctx: &mut Self::Context) -> Self::Result {
        actix::MessageResult(self.notebook.account())
    }
}

impl Handler<FinishSales> for Generator {
    type Result = ResponseFuture<GeneratorAccount>;

    fn handle(&mut self, _: FinishSales, _ctx: &mut Self::Context) -> Self::Result {
        let (waiting, account) = oneshot::channel();
        self.finished = true;
        self.finishing.push(waiting);
        self.tell_finished();
        let notebook = self.notebook.clone();
        // The sender is dropped only when this incarnation is; what is outstanding then shows in the account.
        Box::pin(async move { account.await.unwrap_or_else(|_| notebook.account()) })
    }
}

/// Spawns `generator` below this supervisor; it rings up at `rate` instead of the settings' one. Without a seed in the settings every start has another one.
///
/// # Errors
/// The supervisor refuses the child.
pub fn spawn_generator(
    supervisor: &Supervisor,
    place: &Place,
    settings: &PosSettings,
    rate: Rate,
    client: PosClient,
    notebook: Notebook,
) -> Result<GeneratorPorts, SpawnError> {
    metrics::register();
    let seed = settings.seed.unwrap_or_else(|| fastrand::u64(..));
    tracing::info!(seed, rate = rate.get(), stores = settings.stores, "the tills ring up sales");
    let settings = settings.clone();
    let spec = ActorSpec::new("generator", "generator");
    let make = move || Generator::new(settings.clone(), rate.clone(), seed, client.clone(), notebook.clone());
    let generator = supervisor.spawn(spec, place, make)?;
    Ok(GeneratorPorts { observe: generator.port(), finish: generator.port(), secrets: generator.port() })
}

#[cfg(test)]
mod tests;
