//! The only writer of the state store and the only one that settles sales: stores decisions in groups, publishes their
//! events until the broker has them, and then has the sales acknowledged. Does not make decisions.

mod job;
mod publishing;
mod sending;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, Message, ResponseFuture, WrapFuture};
use ahash::AHashSet;
use tillstream_domain::{SaleTag, StoreId, Topics};
use tillstream_messages::{HealthBoard, Leg, LegState, PublishAggregate, PublishMessage};
use tillstream_supervision::{Port, SupervisedContext, supervised};
use tillstream_traces::{Correlation, Step};
use tokio::sync::oneshot;

use crate::messages::{
    DecideFinal, DecideLate, DecideRejected, DecisionsStored, Drain, Emit, JOURNAL_EPOCH, JournalSales,
    JournalUnavailable, LoadJournal, Request, SalesSettled, Scope, Settle, Stored, TellAgain,
};
use crate::metrics;
use crate::state::{Entry, Forget, Outcome, PendingEvent, PendingKey, StateError, StateStore};
use job::{InHand, Job, rejected_sale};
use publishing::{Next, Publishing, event_id};
use sending::send;
use verdict::Verdict;

/// A decided event that a validator refuses waits for an operator; asking faster does not help.
const INVALID_RETRY: Duration = Duration::from_secs(60);

/// A storage that failed is opened again this often.
const REOPEN: Duration = Duration::from_secs(1);

/// Forgetting alone is worth a write this often.
const FORGET_EVERY: Duration = Duration::from_secs(1);

/// The index starts and drops generations.
const ROTATE_EVERY: Duration = Duration::from_secs(60);

/// Decisions per write: bounds the size of one batch.
const MAX_JOBS: usize = 4_096;

/// Whom the outbox tells.
#[derive(Clone)]
pub(crate) struct OutboxPorts {
    pub aggregates: Port<PublishAggregate>,
    pub messages: Port<PublishMessage>,
    pub stored: Port<DecisionsStored>,
    pub settled: Port<SalesSettled>,
    pub tell_again: Port<TellAgain>,
    pub health: HealthBoard,
}

/// Where decisions become lasting, then visible, then settled.
pub(crate) struct Outbox {
    ports: OutboxPorts,
    topics: Topics,
    state: Arc<StateStore>,
    /// Fences writes of earlier incarnations; unique in the process.
    writer: u64,
    /// Not under way to disk yet, oldest first.
    queue: Vec<Job>,
    /// Under way to disk.
    writing: Vec<Job>,
    /// What is in `queue` or `writing`, so that a repeated decision is not written twice.
    in_hand: AHashSet<InHand>,
    publishing: Publishing,
    forget: Forget,
    /// Told to the intake together, after what is in the mailbox.
    settled: Vec<SaleTag>,
    /// The state takes writes.
    usable: bool,
    busy: bool,
    drains: Vec<oneshot::Sender<()>>,
}

/// Tell the intake what is settled.
#[derive(Message)]
#[rtype(result = "()")]
struct TellSettled;

type Written = Result<Vec<Outcome>, StateError>;

supervised!(Outbox);

impl Outbox {
    /// `writer` must be greater than that of every earlier outbox of this process.
    pub(crate) fn new(writer: u64, state: Arc<StateStore>, topics: Topics, ports: OutboxPorts) -> Self {
        Self {
            ports,
            topics,
            state,
            writer,
            queue: Vec::new(),
            writing: Vec::new(),
            in_hand: AHashSet::new(),
            publishing: Publishing::default(),
            forget: Forget::default(),
            settled: Vec::new(),
            usable: false,
            busy: false,
            drains: Vec::new(),
        }
    }
}

impl Actor for Outbox {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.take_over(ctx.generation() > 1, ctx);
        ctx.run_interval(FORGET_EVERY, |outbox, ctx| {
            outbox.report_standing();
            outbox.write_next(true, ctx);
        });
        ctx.run_interval(ROTATE_EVERY, |outbox, ctx| outbox.rotate(ctx));
    }
}

impl Handler<DecideFinal> for Outbox {
    type Result = ();

    fn handle(&mut self, DecideFinal { window, step }: DecideFinal, ctx: &mut Self::Context) {
        if self.publishing.holds(&PendingKey::of_window(&window.event), window.decision) {
            let _ = self.ports.stored.push(DecisionsStored(vec![Stored::Window(window)]));
            return;
        }
        let in_hand = InHand::Window(window.event.store_id, window.decision);
        self.take(Job { step, ..Job::decision(Entry::Final(window), Vec::new(), in_hand) }, ctx);
    }
}

impl Handler<DecideLate> for Outbox {
    type Result = ();

    fn handle(&mut self, DecideLate { held, trace }: DecideLate, ctx: &mut Self::Context) {
        let sale = &held.late.sale;
        let topic = self.topics.late(sale.store, sale.id);
        let message = PublishMessage::new(topic, sale.id.uuid(), held.late.to_json(), sale.store.number());
        let message = PublishMessage { trace, ..message };
        let in_hand = InHand::Message(PendingKey::of_late(sale.id), held.tag);
        self.take(Job::decision(Entry::Late(held, message), vec![held.tag], in_hand), ctx);
    }
}

impl Handler<DecideRejected> for Outbox {
    type Result = ();

    fn handle(&mut self, rejected: DecideRejected, ctx: &mut Self::Context) {
        let DecideRejected { message: rejected, tag, trace } = rejected;
        let key = PendingKey::of_rejected(&rejected);
        if self.publishing.contains(&key) {
            self.publishing.attach(&key, tag);
            let _ = self.ports.stored.push(DecisionsStored(rejected_sale(&rejected)));
            return;
        }
        let (topic, store) = (self.topics.rejected(&rejected.queue), rejected.store.map_or(0, StoreId::number));
        let message = PublishMessage::new(topic, rejected.message_id, rejected.to_json(), store);
        let message = PublishMessage { trace, ..message };
        let in_hand = InHand::Message(key, tag);
        self.take(Job::decision(Entry::Rejected(rejected, message), vec![tag], in_hand), ctx);
    }
}

impl Handler<Settle> for Outbox {
    type Result = ();

    fn handle(&mut self, settle: Settle, ctx: &mut Self::Context) {
        let Settle { tags, decided } = settle;
        self.take(Job::settle(tags, decided, None), ctx);
    }
}

impl Handler<Emit> for Outbox {
    type Result = ();

    fn handle(&mut self, Emit { event, step }: Emit, ctx: &mut Self::Context) {
        let key = PendingKey::of_emission(&event);
        self.publishing.add(key, PendingEvent::Aggregate(event), Vec::new(), None, step);
        self.publish_next(ctx);
    }
}

impl Handler<JournalSales> for Outbox {
    type Result = ResponseFuture<Result<(), JournalUnavailable>>;

    fn handle(&mut self, order: JournalSales, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        let entry = Entry::Journal(Arc::new(order.sales));
        self.take(Job { entry, ..Job::settle(Vec::new(), Vec::new(), Some(reply)) }, ctx);
        Box::pin(async move { answer.await.map_err(|_| JournalUnavailable("the outbox has restarted".to_owned())) })
    }
}

impl Handler<LoadJournal> for Outbox {
    type Result = ResponseFuture<<LoadJournal as actix::Message>::Result>;

    fn handle(&mut self, _: LoadJournal, ctx: &mut Self::Context) -> Self::Result {
        // What an earlier intake wanted journalled may be under way to disk. Read too early, it would be known to nobody,
        // settled by nobody, and told anew by a start long after its ids are forgotten.
        let (reply, written) = oneshot::channel();
        self.take(Job::settle(Vec::new(), Vec::new(), Some(reply)), ctx);
        let state = Arc::clone(&self.state);
        Box::pin(async move {
            let unavailable = |error: &dyn std::fmt::Display| JournalUnavailable(error.to_string());
            written.await.map_err(|_| unavailable(&"the outbox has restarted"))?;
            let journal = tokio::task::spawn_blocking(move || state.journal());
            journal.await.map_err(|error| unavailable(&error))?.map_err(|error| unavailable(&error))
        })
    }
}

impl Handler<Drain> for Outbox {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        self.drains.push(reply);
        self.write_next(true, ctx);
        self.answer_drains();
        Box::pin(async move {
            // An outbox that restarts has nothing in hand.
            let _ = answer.await;
        })
    }
}

impl Handler<TellSettled> for Outbox {
    type Result = ();

    fn handle(&mut self, _: TellSettled, _ctx: &mut Self::Context) {
        self.tell_settled();
    }
}

// === impl Outbox: storing ===
impl Outbox {
    fn take(&mut self, job: Job, ctx: &mut SupervisedContext<Self>) {
        if job.in_hand.as_ref().is_some_and(|in_hand| !self.in_hand.insert(in_hand.clone())) {
            return;
        }
        self.queue.push(job);
        self.write_next(false, ctx);
    }

    /// Starts the next write unless one is under way; what comes meanwhile goes with the one after.
    fn write_next(&mut self, forget_alone: bool, ctx: &mut SupervisedContext<Self>) {
        let worthwhile = !self.queue.is_empty() || (forget_alone && !self.forget.is_empty());
        if self.busy || !self.usable || !worthwhile {
            return;
        }
        self.busy = true;
        self.writing = self.queue.drain(..self.queue.len().min(MAX_JOBS)).collect();
        let entries: Vec<Entry> = self.writing.iter().map(|job| job.entry.clone()).collect();
        let forget = std::mem::take(&mut self.forget);
        let (state, writer) = (Arc::clone(&self.state), self.writer);
        let written = tokio::task::spawn_blocking(move || (state.write(writer, &entries, &forget), forget));
        let step = written.into_actor(self).map(|joined, outbox, ctx| {
            let (written, forget) = joined.unwrap_or_else(|error| (Err(StateError::lost(&error)), Forget::default()));
            outbox.written(written, forget, ctx);
        });
        ctx.spawn(step);
    }

    fn written(&mut self, written: Written, forget: Forget, ctx: &mut SupervisedContext<Self>) {
        self.busy = false;
        match written {
            Ok(outcomes) => {
                self.stored(outcomes, ctx);
                self.tell_later(forgotten(&forget), ctx);
            }
            Err(error) => self.storage_failed(&error, forget, ctx),
        }
        self.publish_next(ctx);
        self.write_next(!self.drains.is_empty(), ctx);
        self.answer_drains();
    }

    fn stored(&mut self, outcomes: Vec<Outcome>, ctx: &mut SupervisedContext<Self>) {
        let (mut stored, mut settled) = (Vec::new(), Vec::new());
        for (job, outcome) in std::mem::take(&mut self.writing).into_iter().zip(outcomes) {
            if let Some(in_hand) = &job.in_hand {
                self.in_hand.remove(in_hand);
            }
            stored.extend(job.stored(&outcome));
            settled.extend(self.follow(job, outcome));
        }
        if !stored.is_empty() {
            let _ = self.ports.stored.push(DecisionsStored(stored));
        }
        self.settle(settled, ctx);
    }

    /// What a stored job leads to; returns what may be settled at once.
    fn follow(&mut self, mut job: Job, outcome: Outcome) -> Vec<SaleTag> {
        match outcome {
            Outcome::Publish(key, event) => {
                job.count();
                let step = std::mem::take(&mut job.step);
                let (tags, window) = job.settled_by_publishing();
                self.publishing.add(key, event, tags, window, step);
                Vec::new()
            }
            Outcome::Known(key) => job.tags.into_iter().filter(|&tag| !self.publishing.attach(&key, tag)).collect(),
            Outcome::Overtaken | Outcome::Premature => {
                job.step.fail("not stored");
                Vec::new()
            }
            Outcome::Done => {
                if let Some(reply) = job.reply {
                    // An asker that has gone asks again.
                    let _ = reply.send(());
                }
                job.tags
            }
        }
    }

    /// What lies in the journal is settled when the disk has forgotten it. Until then the intake keeps it, and tells it
    /// again if this outbox dies: a copy that nobody knows of would be counted by a start long after its id is forgotten.
    fn settle(&mut self, tags: Vec<SaleTag>, ctx: &mut SupervisedContext<Self>) {
        let (journalled, delivered): (Vec<_>, Vec<_>) = tags.into_iter().partition(|tag| tag.epoch == JOURNAL_EPOCH);
        self.forget.journal.extend(journalled.iter().map(|tag| tag.number));
        self.tell_later(delivered, ctx);
    }

    fn tell_later(&mut self, tags: Vec<SaleTag>, ctx: &mut SupervisedContext<Self>) {
        if tags.is_empty() {
            return;
        }
        if self.settled.is_empty() {
            ctx.notify(TellSettled);
        }
        self.settled.extend(tags);
    }

    fn tell_settled(&mut self) {
        if !self.settled.is_empty() {
            let _ = self.ports.settled.push(SalesSettled { tags: std::mem::take(&mut self.settled) });
        }
    }

    /// Nobody knows whether the write is on disk: everything is kept, and checked again after the state is reopened.
    fn storage_failed(&mut self, error: &StateError, forget: Forget, ctx: &mut SupervisedContext<Self>) {
        let mut jobs = std::mem::take(&mut self.writing);
        jobs.append(&mut self.queue);
        self.queue = jobs;
        self.forget.pending.extend(forget.pending);
        self.forget.journal.extend(forget.journal);
        self.report_down(error);
        ctx.run_later(REOPEN, |outbox, ctx| outbox.take_over(false, ctx));
    }

    fn rotate(&self, ctx: &mut SupervisedContext<Self>) {
        if !self.usable {
            return;
        }
        let (state, writer) = (Arc::clone(&self.state), self.writer);
        let rotated = tokio::task::spawn_blocking(move || state.rotate(writer));
        let step = rotated.into_actor(self).map(|rotated, outbox: &mut Self, ctx| {
            if let Ok(Err(error)) = rotated {
                tracing::error!(%error, "the index could not start a new generation");
                // The state is closed then, and while windows cannot read the index they order no write that would notice.
                outbox.report_down(&error);
                ctx.run_later(REOPEN, |outbox, ctx| outbox.take_over(false, ctx));
            }
        });
        ctx.spawn(step);
    }
}

// === impl Outbox: taking over ===
impl Outbox {
    /// Becomes the only writer and publishes again what is pending. `lost` says that an earlier outbox had jobs in hand.
    fn take_over(&mut self, lost: bool, ctx: &mut SupervisedContext<Self>) {
        let (state, writer) = (Arc::clone(&self.state), self.writer);
        let loaded = tokio::task::spawn_blocking(move || state.take_over(writer));
        let step = loaded.into_actor(self).map(move |loaded, outbox, ctx| {
            match loaded.unwrap_or_else(|error| Err(StateError::lost(&error))) {
                Ok(pending) => outbox.taken_over(pending, lost, ctx),
                Err(error) => {
                    outbox.report_down(&error);
                    ctx.run_later(REOPEN, move |outbox, ctx| outbox.take_over(lost, ctx));
                }
            }
        });
        ctx.spawn(step);
    }

    fn taken_over(&mut self, pending: Vec<(PendingKey, PendingEvent)>, lost: bool, ctx: &mut SupervisedContext<Self>) {
        for (key, event) in pending {
            if !self.publishing.contains(&key) && !self.forget.pending.contains(&key) {
                self.publishing.add(key, event, Vec::new(), None, Step::none());
            }
        }
        self.usable = true;
        self.ports.health.set(Leg::WindowState, LegState::Up);
        if lost {
            // Windows repeat their decisions, but repetitions that were to be settled are remembered by nobody else.
            let _ = self.ports.tell_again.push(TellAgain(Request { scope: Scope::All, number: 0 }));
        }
        self.publish_next(ctx);
        self.write_next(false, ctx);
    }

    /// An earlier incarnation whose thread was blocked may have reported late.
    fn report_standing(&self) {
        if self.usable {
            self.ports.health.set(Leg::WindowState, LegState::Up);
        }
    }

    fn report_down(&mut self, error: &StateError) {
        self.usable = false;
        tracing::error!(%error, "the window state takes no writes; nothing is acknowledged meanwhile");
        self.ports.health.set(Leg::WindowState, LegState::Down(error.to_string()));
    }
}

// === impl Outbox: publishing ===
impl Outbox {
    fn publish_next(&mut self, ctx: &mut SupervisedContext<Self>) {
        while let Some(next) = self.publishing.next() {
            self.publish(next, ctx);
        }
    }

    fn publish(&self, next: Next, ctx: &mut SupervisedContext<Self>) {
        let (key, id, ids) = (next.key.clone(), event_id(&next.event), next.ids());
        let published = send(&self.ports, next);
        ctx.spawn(published.into_actor(self).map(move |verdict, outbox, ctx| {
            let correlation = Correlation::begin(ids);
            outbox.published(&key, id, &verdict, ctx);
            drop(correlation);
            outbox.go_on(ctx);
        }));
    }

    fn published(&mut self, key: &PendingKey, id: uuid::Uuid, verdict: &Verdict, ctx: &mut SupervisedContext<Self>) {
        match verdict {
            Verdict::Published => {
                if let Some(tags) = self.publishing.published(key, id) {
                    self.settle(tags, ctx);
                    if key.is_stored() {
                        self.forget.pending.push(key.clone());
                    }
                }
            }
            Verdict::Unavailable(reason) => {
                let retry = self.publishing.failed(key);
                tracing::debug!(event.id = %id, %reason, "event `{id}` is not published yet");
                self.retry_after(retry, key.clone(), ctx);
            }
            Verdict::Invalid(reason) => {
                self.publishing.refused(key);
                metrics::INVALID_EVENTS.inc();
                tracing::error!(event.id = %id, %reason, "event `{id}` is refused as invalid; it is kept and tried again");
                self.retry_after(INVALID_RETRY, key.clone(), ctx);
            }
        }
    }

    fn go_on(&mut self, ctx: &mut SupervisedContext<Self>) {
        self.publish_next(ctx);
        self.write_next(!self.drains.is_empty(), ctx);
        self.answer_drains();
    }

    fn retry_after(&self, delay: Duration, key: PendingKey, ctx: &mut SupervisedContext<Self>) {
        ctx.run_later(delay, move |outbox, ctx| {
            outbox.publishing.retry(key);
            outbox.publish_next(ctx);
        });
    }

    fn answer_drains(&mut self) {
        let idle = !self.busy && self.queue.is_empty() && self.publishing.is_empty() && self.forget.is_empty();
        if idle {
            self.tell_settled();
            for drain in self.drains.drain(..) {
                let _ = drain.send(());
            }
        }
    }
}

/// Journalled sales that are not on disk any more.
fn forgotten(forget: &Forget) -> Vec<SaleTag> {
    forget.journal.iter().map(|&number| SaleTag { epoch: JOURNAL_EPOCH, number }).collect()
}

#[cfg(test)]
mod tests;
