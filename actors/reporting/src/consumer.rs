//! The actor that folds one queue into one database: gathers deliveries, commits them synced, then acknowledges.
//! Does not know what a message means; its [`Book`] does.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, ResponseFuture, WrapFuture};
use chrono::{DateTime, Utc};
use tillstream_messages::{
    AcknowledgeDeliveries, DeliveryTag, FlowBound, FlowLost, InboundMessage, LegState, MessagesDelivered, PublishError,
    PublishMessage, QueryError, RebindFlow,
};
use tillstream_supervision::{AskError, Port, SupervisedContext};
use tillstream_traces::{Correlation, Read, Sent, Step};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::error::StoreError;
use crate::inbox::{Inbox, Taken};
use crate::journey::{JourneyBook, Note};
use crate::leg::{SharedLeg, Side};
use crate::rejects::{Reject, RejectDesk};
use crate::settings::{ReportingPlan, ReportingSettings};
use crate::shelf::{Claim, Lease, Shelf};

/// How often the actor looks after its binding, its gauges and its housekeeping.
const TICK: Duration = Duration::from_secs(1);
/// How often ids and rows are looked through for those that may go.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// First and greatest pause before a database is opened again.
const REOPEN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));
/// Failures before the health leg falls: a restarted actor first has to wait until its predecessor's last commit is through.
const QUIET_FAILURES: u32 = 4;
/// Questions that read the disk at the same time.
const READERS: usize = 4;
/// How long the broker may take for a rejected message, and the pause after a failure.
const PUBLISH: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(1));

/// What a consumer knows about its messages. The store is on disk, `Self` is the copy in memory that questions are answered from.
pub(crate) trait Book: Sized + Send + Unpin + 'static {
    /// Handles to the database; clones see the same data.
    type Store: Clone + Send + Unpin + 'static;
    /// What a commit tells the copy in memory.
    type Change: Send + 'static;
    /// What the copy in memory tells the next commit.
    type Errand: Send + 'static;
    /// What else the actor needs of its surroundings.
    type Links: Clone + Send + Unpin + 'static;

    /// Which half of the health leg this is.
    const SIDE: Side;
    /// Where the database is, below the plan's directory.
    const DIRECTORY: &'static str;
    /// Whose messages they are, for their spans.
    const READ: Read;

    /// The queue that is consumed.
    fn queue(plan: &ReportingPlan) -> &str;
    /// Opens the database and loads the copy. Runs on the blocking pool.
    fn open(plan: &ReportingPlan, now: DateTime<Utc>) -> Result<(Self::Store, Self), StoreError>;
    /// Says in a span what a message is about.
    fn describe(message: &InboundMessage, plan: &ReportingPlan, step: &mut Step);
    /// Folds a batch in one synced commit. Runs on the blocking pool; must be idempotent.
    fn write(store: &Self::Store, job: &Job<Self>) -> Result<Written<Self::Change>, StoreError>;
    /// Forgets ids and rows whose time is over. Runs on the blocking pool, never beside `write`.
    fn housekeeping(store: &Self::Store, job: &Job<Self>) -> Result<(), StoreError>;
    /// Takes what the next commit has to do besides its messages.
    fn errand(&mut self) -> Self::Errand;
    /// Takes over what a commit has changed.
    fn absorb(&mut self, change: Self::Change, plan: &ReportingPlan);
    /// Called about once a second.
    fn tick(consumer: &mut Consumer<Self>, ctx: &mut SupervisedContext<Consumer<Self>>);
}

/// One commit.
pub(crate) struct Job<B: Book> {
    /// In the queue's order.
    pub(crate) messages: Vec<InboundMessage>,
    /// What the copy in memory wants done.
    pub(crate) errand: B::Errand,
    /// Names, sizes and bounds.
    pub(crate) plan: Arc<ReportingPlan>,
    /// How long rows are kept.
    pub(crate) retention: Duration,
    /// Arrival time of the batch.
    pub(crate) now: DateTime<Utc>,
    /// Whether to look for what may go.
    pub(crate) housekeeping: bool,
}

/// What a commit has done.
pub(crate) struct Written<C> {
    /// For the copy in memory.
    pub(crate) change: C,
    /// To be published before they are acknowledged.
    pub(crate) rejects: Vec<Reject>,
    /// For whoever asks for one sale.
    pub(crate) notes: Vec<Note>,
}

/// What every consumer needs of its surroundings.
pub(crate) struct Wiring<B: Book> {
    pub(crate) settings: ReportingSettings,
    pub(crate) plan: Arc<ReportingPlan>,
    pub(crate) acknowledge: Port<AcknowledgeDeliveries>,
    pub(crate) rebind: Port<RebindFlow>,
    pub(crate) publish: Port<PublishMessage>,
    pub(crate) leg: SharedLeg,
    /// Holds the database for whichever incarnation is the newest.
    pub(crate) shelf: Shelf<B::Store>,
    /// Shared by both consumers and all their incarnations.
    pub(crate) journeys: JourneyBook,
    pub(crate) links: B::Links,
}

impl<B: Book> Clone for Wiring<B> {
    fn clone(&self) -> Self {
        Self {
            settings: self.settings.clone(),
            plan: self.plan.clone(),
            acknowledge: self.acknowledge.clone(),
            rebind: self.rebind.clone(),
            publish: self.publish.clone(),
            leg: self.leg.clone(),
            shelf: self.shelf.clone(),
            journeys: self.journeys.clone(),
            links: self.links.clone(),
        }
    }
}

/// Folds one queue into one database.
pub(crate) struct Consumer<B: Book> {
    /// Settings and ports.
    pub(crate) wiring: Wiring<B>,
    /// The database and its copy; `Err` says why it cannot be used now.
    desk: Result<Desk<B>, String>,
    /// What was taken and is not committed.
    inbox: Inbox,
    /// What is committed and must be published before it is acknowledged.
    rejects: RejectDesk,
    /// One commit at a time.
    writing: bool,
    /// A commit is due at the end of the interval.
    scheduled: bool,
    /// When housekeeping was last done.
    cleaned: Option<Instant>,
    /// When the flow was last ordered to bind anew.
    rebound: Option<Instant>,
    /// Failures of the database in a row.
    failures: u32,
    /// Bounds the questions that read the disk at the same time.
    pub(crate) readers: Arc<Semaphore>,
}

/// An open database.
struct Desk<B: Book> {
    lease: Lease<B::Store>,
    book: B,
}

impl<B: Book> Consumer<B> {
    /// An actor that opens its database when it starts.
    pub(crate) fn new(wiring: Wiring<B>) -> Self {
        Self {
            inbox: Inbox::new(wiring.settings.max_uncommitted),
            desk: Err("the reporting store is being opened".to_owned()),
            rejects: RejectDesk::default(),
            writing: false,
            scheduled: false,
            cleaned: None,
            rebound: None,
            failures: 0,
            readers: Arc::new(Semaphore::new(READERS)),
            wiring,
        }
    }

    /// The copy in memory.
    pub(crate) fn book(&mut self) -> Result<&mut B, QueryError> {
        match &mut self.desk {
            Ok(desk) => Ok(&mut desk.book),
            Err(reason) => Err(QueryError::Storage(reason.clone())),
        }
    }

    /// Handles for a question that has to read the disk.
    pub(crate) fn store(&self) -> Result<B::Store, QueryError> {
        match &self.desk {
            Ok(desk) => {
                desk.lease.get().ok_or_else(|| QueryError::Storage("the reporting store has moved on".to_owned()))
            }
            Err(reason) => Err(QueryError::Storage(reason.clone())),
        }
    }

    // === the database ===

    fn open(&mut self, ctx: &mut SupervisedContext<Self>) {
        let plan = self.wiring.plan.clone();
        // Whether a predecessor's last commit failed nobody knows.
        let unsure = self.failures > 0 || ctx.generation() > 1;
        let claim = self.wiring.shelf.claim();
        let opening = async move { spawn_blocking(move || open_surely::<B>(&plan, unsure, claim)).await? };
        ctx.spawn(opening.into_actor(self).map(|opened, actor, ctx| match opened {
            Ok(Some(desk)) => actor.opened(desk, ctx),
            // A later incarnation has opened it.
            Ok(None) => {}
            Err(error) => actor.failed(&error, ctx),
        }));
    }

    fn opened(&mut self, desk: Desk<B>, ctx: &mut SupervisedContext<Self>) {
        self.desk = Ok(desk);
        B::tick(self, ctx);
        self.commit(ctx);
        // After a failure only a commit shows that the disk is well: a little space suffices to open a database.
        if self.failures == 0 || !self.writing {
            self.stand();
        }
    }

    fn stand(&mut self) {
        self.failures = 0;
        self.wiring.leg.set(B::SIDE, LegState::Up);
    }

    /// Nothing is acknowledged; after a pause the database is opened again, because the engine takes no writes after a failed one.
    fn failed(&mut self, error: &StoreError, ctx: &mut SupervisedContext<Self>) {
        self.failures += 1;
        let reason = error.to_string();
        if self.failures >= QUIET_FAILURES {
            tracing::error!(queue = B::queue(&self.wiring.plan), error = %reason, "reporting store is down, trying again");
            self.wiring.leg.set(B::SIDE, LegState::Down(reason.clone()));
        }
        self.desk = Err(reason);
        let pause = REOPEN.0.saturating_mul(1 << self.failures.min(8)).min(REOPEN.1);
        ctx.run_later(pause, Self::open);
    }

    // === commits ===

    fn commit_soon(&mut self, ctx: &mut SupervisedContext<Self>) {
        if self.inbox.is_pressing() {
            return self.commit(ctx);
        }
        if self.scheduled || self.inbox.is_empty() {
            return;
        }
        self.scheduled = true;
        ctx.run_later(self.wiring.settings.commit_interval, |actor, ctx| {
            actor.scheduled = false;
            actor.commit(ctx);
        });
    }

    fn commit(&mut self, ctx: &mut SupervisedContext<Self>) {
        let housekeeping = self.cleaned.is_none_or(|at| at.elapsed() >= HOUSEKEEPING);
        let Ok(desk) = &mut self.desk else { return };
        if self.writing || (self.inbox.is_empty() && !housekeeping) {
            return;
        }
        let Some(store) = desk.lease.get() else { return };
        self.writing = true;
        let job = Job {
            messages: self.inbox.begin_commit(),
            errand: desk.book.errand(),
            plan: self.wiring.plan.clone(),
            retention: self.wiring.settings.retention,
            now: Utc::now(),
            housekeeping,
        };
        let writing = async move { spawn_blocking(move || run::<B>(&store, job)).await? };
        ctx.spawn(writing.into_actor(self).map(|written, actor, ctx| {
            actor.writing = false;
            match written {
                Ok((written, job)) => actor.committed(written, &job, ctx),
                Err(error) => {
                    actor.inbox.failed();
                    actor.failed(&error, ctx);
                }
            }
        }));
    }

    fn committed(&mut self, mut written: Written<B::Change>, job: &Job<B>, ctx: &mut SupervisedContext<Self>) {
        if let Ok(desk) = &mut self.desk {
            desk.book.absorb(written.change, &self.wiring.plan);
        }
        // Only now, so that nobody finds a sale here that the copy in memory does not count yet.
        self.wiring.journeys.add(written.notes, job.now, Instant::now());
        self.stand();
        if job.housekeeping {
            self.cleaned = Some(Instant::now());
        }
        end(self.inbox.committed(), &mut written.rejects);
        self.acknowledge(unrejected(&job.messages, &written.rejects));
        self.rejects.extend(written.rejects);
        self.publish_next(ctx);
        self.commit_soon(ctx);
    }

    fn acknowledge(&self, tags: Vec<DeliveryTag>) {
        if tags.is_empty() {
            return;
        }
        // Bounded by the flow's window. A flow that is gone for good takes its binding with it.
        if let Err(error) = self.wiring.acknowledge.push(AcknowledgeDeliveries { tags }) {
            tracing::warn!(queue = B::queue(&self.wiring.plan), %error, "acknowledgements were not taken, the messages come again");
        }
    }

    // === rejects ===

    fn publish_next(&mut self, ctx: &mut SupervisedContext<Self>) {
        let Some(reject) = self.rejects.begin() else { return };
        let topic = self.wiring.plan.topics.rejected(B::queue(&self.wiring.plan));
        let (order, step) = order_of(topic, &reject);
        let publishing = self.wiring.publish.ask(order, PUBLISH.0);
        ctx.spawn(publishing.into_actor(self).map(|answer, actor, ctx| match actor.published(answer, step) {
            true => actor.publish_next(ctx),
            false => drop(ctx.run_later(PUBLISH.1, Self::publish_next)),
        }));
    }

    /// Ends the attempt's span.
    fn published(&mut self, answer: Result<Result<(), PublishError>, AskError>, mut step: Step) -> bool {
        let _correlation = Correlation::begin(step.ids());
        let (kind, reason) = match answer {
            Ok(Ok(())) => {
                let tag = self.rejects.finish(true);
                self.acknowledge(tag.into_iter().collect());
                return true;
            }
            Ok(Err(error)) => (error.kind(), error.to_string()),
            Err(error) => ("unanswered", error.to_string()),
        };
        step.fail(kind);
        tracing::warn!(queue = B::queue(&self.wiring.plan), reason, "rejected message not published, trying again");
        self.rejects.finish(false);
        false
    }

    // === the flow ===

    fn tick(&mut self, ctx: &mut SupervisedContext<Self>) {
        if self.desk.is_ok() {
            if self.failures == 0 {
                // An earlier incarnation whose thread was blocked may have written late.
                self.wiring.leg.set(B::SIDE, LegState::Up);
            }
            B::tick(self, ctx);
            self.commit_soon(ctx);
            if self.cleaned.is_none_or(|at| at.elapsed() >= HOUSEKEEPING) {
                self.commit(ctx);
            }
        }
    }

    /// What a former incarnation of this actor had in hand is lost; the queue has it still.
    fn rebind(&mut self) {
        if self.rebound.is_some_and(|at| at.elapsed() < TICK) {
            return;
        }
        self.rebound = Some(Instant::now());
        if let Err(error) = self.wiring.rebind.tell(RebindFlow) {
            tracing::debug!(queue = B::queue(&self.wiring.plan), %error, "rebinding was not ordered, the next delivery orders it");
        }
    }
}

impl<B: Book> Actor for Consumer<B> {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if ctx.generation() > 1 {
            self.rebind();
        }
        self.open(ctx);
        ctx.run_interval(TICK, Self::tick);
    }
}

impl<B: Book> Handler<FlowBound> for Consumer<B> {
    type Result = ();

    fn handle(&mut self, bound: FlowBound, _ctx: &mut Self::Context) {
        self.inbox.bound(bound.epoch);
        self.rejects.rebound();
    }
}

impl<B: Book> Handler<FlowLost> for Consumer<B> {
    type Result = ();

    fn handle(&mut self, lost: FlowLost, _ctx: &mut Self::Context) {
        tracing::warn!(queue = B::queue(&self.wiring.plan), reason = %lost.reason, "flow lost");
        self.inbox.lost();
    }
}

impl<B: Book> Handler<MessagesDelivered> for Consumer<B> {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, delivered: MessagesDelivered, ctx: &mut Self::Context) -> Self::Result {
        let was_bound = self.inbox.is_bound();
        let plan = &self.wiring.plan;
        let taken = self.inbox.take(delivered.epoch, delivered.messages, |message| process::<B>(message, plan));
        self.commit_soon(ctx);
        match taken {
            Taken::Now => Box::pin(async {}),
            // An answer that never comes means that this incarnation is gone and has ordered the flow to bind anew.
            Taken::Later(room) => Box::pin(async move { drop(room.await) }),
            Taken::Stale => {
                if !was_bound {
                    self.rebind();
                }
                // Slowly, so that the order has time to arrive.
                Box::pin(tokio::time::sleep(REOPEN.0))
            }
        }
    }
}

/// What a failed commit left may be readable and yet not on disk: it must not be acknowledged as it is.
fn open_surely<B: Book>(
    plan: &ReportingPlan,
    unsure: bool,
    claim: Claim<B::Store>,
) -> Result<Option<Desk<B>>, StoreError> {
    if unsure {
        tillstream_index::rewrite_journals(&plan.directory.join(B::DIRECTORY), &plan.gate())?;
    }
    let (store, book) = B::open(plan, Utc::now())?;
    Ok(claim.put(store).map(|lease| Desk { lease, book }))
}

fn run<B: Book>(store: &B::Store, job: Job<B>) -> Result<(Written<B::Change>, Job<B>), StoreError> {
    if job.housekeeping {
        B::housekeeping(store, &job)?;
    }
    let written = B::write(store, &job)?;
    Ok((written, job))
}

fn unrejected(messages: &[InboundMessage], rejects: &[Reject]) -> Vec<DeliveryTag> {
    let mut refused = rejects.iter().map(|reject| reject.tag).peekable();
    // Both lists are in the queue's order.
    let accepted = |tag: &DeliveryTag| refused.next_if_eq(tag).is_none();
    messages.iter().map(|message| message.tag).filter(accepted).collect()
}

/// Lasts until the message is durable.
fn process<B: Book>(message: &InboundMessage, plan: &ReportingPlan) -> Step {
    let mut step = tillstream_traces::process(B::READ, message.trace.as_ref());
    if step.is_kept() {
        B::describe(message, plan, &mut step);
    }
    step
}

/// Their messages are durable. What is rejected of them is published below the span of its message.
fn end(steps: Vec<(DeliveryTag, Step)>, rejects: &mut [Reject]) {
    for (tag, mut step) in steps {
        if let Some(reject) = rejects.iter_mut().find(|reject| reject.tag == tag) {
            step.outcome("rejected");
            reject.trace = step.context().cloned();
        }
    }
}

fn order_of(topic: String, reject: &Reject) -> (PublishMessage, Step) {
    let Reject { document, trace, .. } = reject;
    let step = tillstream_traces::send(Sent::Rejected, &document.message_id, trace.as_ref());
    let store = document.store.map_or(0, |store| store.number());
    let message = PublishMessage::new(topic, document.message_id, document.to_json(), store);
    (PublishMessage { trace: step.context_or(trace.clone()), ..message }, step)
}

#[cfg(test)]
mod tests;
