//! Takes what the flow delivers, keeps the essence of each sale until it is settled, and tells it (again) to the router.
//! Does not fold and does not decide; it acknowledges only what the outbox has settled or what the journal has on disk.

mod progress;
mod tampering;
mod telling;
mod unsettled;

use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, Message, WrapFuture};
use ahash::AHashMap;
use tillstream_domain::{AGGREGATION_QUEUE, PoisonPayload, RejectedMessage, Sale, SaleTag};
use tillstream_messages::{
    AcknowledgeDeliveries, DeliveryTag, FlowBound, FlowLost, InboundMessage, MessagesDelivered, RebindFlow, Tamper,
    TraceContext,
};
use tillstream_supervision::{Port, SupervisedContext, supervised};
use tillstream_traces::{Correlation, Read};
use tokio::time::Instant;

use crate::messages::{
    DecideRejected, JournalSales, LoadJournal, Request, SalesDelivered, SalesSettled, Scope, Settle, TellAgain,
    ToldAgain, ToldSale, delivery_tag, sale_tag,
};
use crate::metrics;
use crate::steps::{Steps, describe_sale};
use progress::ProgressClock;
use unsettled::{Unsettled, journal_tag};

/// What was not done is tried again this often.
const RETRY: Duration = Duration::from_secs(1);

/// How long the outbox may take to sync the journal; it may be opening its state again.
const JOURNAL_WITHIN: Duration = Duration::from_secs(30);

/// Whom the intake tells.
#[derive(Clone)]
pub(crate) struct IntakePorts {
    pub sales: Port<SalesDelivered>,
    pub told_again: Port<ToldAgain>,
    pub rejected: Port<DecideRejected>,
    pub journal: Port<JournalSales>,
    pub load_journal: Port<LoadJournal>,
    pub settle: Port<Settle>,
    pub acknowledge: Port<AcknowledgeDeliveries>,
    pub rebind: Port<RebindFlow>,
}

/// Where sales enter the room.
pub(crate) struct Intake {
    ports: IntakePorts,
    /// Everything delivered or journalled and not settled.
    unsettled: Unsettled,
    progress: ProgressClock,
    /// How much the flow may hold; 0 until it is bound.
    window: usize,
    /// Whether the journal was read; until then sales are kept but not told, because the journal's are older.
    loaded: bool,
    /// Spans of sales that are kept and not told yet.
    early: Steps,
    /// The next number in the journal. Never used twice, not even after a restart.
    next_journal: u64,
    /// A part of the sales is on its way to disk.
    spilling: bool,
    /// The flow has to be bound anew, and could not be told.
    must_rebind: bool,
    /// Requests that wait for one common scan.
    requests: AHashMap<Scope, u64>,
    /// Acknowledgements that could not be handed over.
    unsent: Vec<DeliveryTag>,
    /// The order to miscount a sale, if there is one.
    tamper: Tamper,
}

supervised!(Intake);

/// Answer all requests that have come in.
#[derive(Message)]
#[rtype(result = "()")]
struct AnswerRequests;

impl Intake {
    pub(crate) fn new(ports: IntakePorts, tamper: Tamper) -> Self {
        Self {
            ports,
            unsettled: Unsettled::default(),
            progress: ProgressClock::default(),
            window: 0,
            loaded: false,
            early: Steps::default(),
            next_journal: 0,
            spilling: false,
            must_rebind: false,
            requests: AHashMap::new(),
            unsent: Vec::new(),
            tamper,
        }
    }
}

impl Actor for Intake {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.must_rebind = ctx.generation() > 1;
        self.load_journal(ctx);
        self.order_rebind();
        ctx.run_interval(RETRY, |intake, ctx| {
            intake.order_rebind();
            intake.acknowledge(Vec::new());
            intake.spill_if_crowded(ctx);
        });
    }
}

impl Handler<FlowBound> for Intake {
    type Result = ();

    fn handle(&mut self, bound: FlowBound, _ctx: &mut Self::Context) {
        tracing::info!(flow.epoch = bound.epoch, flow.window = bound.window, "the aggregation flow is bound");
        self.unsettled.bound(bound.epoch);
        std::mem::take(&mut self.early).give_up("flow bound anew");
        self.progress.bound(bound.epoch, Instant::now());
        self.window = bound.window;
        self.unsent.clear();
    }
}

impl Handler<FlowLost> for Intake {
    type Result = ();

    fn handle(&mut self, lost: FlowLost, _ctx: &mut Self::Context) {
        tracing::warn!(flow.reason = %lost.reason, "the aggregation flow is down");
        self.progress.lost();
        self.tell(Vec::new(), Steps::default());
    }
}

impl Handler<MessagesDelivered> for Intake {
    type Result = ();

    fn handle(&mut self, delivered: MessagesDelivered, ctx: &mut Self::Context) {
        if delivered.epoch != self.unsettled.epoch() || self.window == 0 {
            return;
        }
        if delivered.messages.is_empty() {
            self.progress.heartbeat(Instant::now());
            return self.tell(Vec::new(), Steps::default());
        }
        let (mut sales, steps) = self.read(&delivered.messages);
        let newest = sales.iter().filter(|told| !told.redelivered).map(|told| told.sale.accepted_at.timestamp_millis());
        self.progress.delivered(newest.max(), Instant::now());
        if self.tamper.is_armed() {
            self.miscount(&mut sales);
        }
        self.tell(sales, steps);
        self.spill_if_crowded(ctx);
    }
}

impl Handler<TellAgain> for Intake {
    type Result = ();

    fn handle(&mut self, TellAgain(request): TellAgain, ctx: &mut Self::Context) {
        if self.requests.is_empty() {
            ctx.notify(AnswerRequests);
        }
        // The newest number is the greatest. The outbox waits for no answer and asks with 0: the router's serves both.
        let number = self.requests.entry(request.scope).or_default();
        *number = request.number.max(*number);
    }
}

impl Handler<AnswerRequests> for Intake {
    type Result = ();

    fn handle(&mut self, _: AnswerRequests, _ctx: &mut Self::Context) {
        // Whoever asks before the journal is read is answered then.
        if self.loaded {
            self.answer_requests();
        }
    }
}

impl Handler<SalesSettled> for Intake {
    type Result = ();

    fn handle(&mut self, settled: SalesSettled, _ctx: &mut Self::Context) {
        let tags = settled.tags.into_iter().filter(|&tag| self.unsettled.settle(tag)).map(delivery_tag).collect();
        self.acknowledge(tags);
    }
}

// === impl Intake: deliveries ===
impl Intake {
    fn read(&mut self, messages: &[InboundMessage]) -> (Vec<ToldSale>, Steps) {
        let (mut sales, mut steps) = (Vec::with_capacity(messages.len()), Steps::default());
        let redelivered = messages.iter().filter(|message| message.redelivered).count();
        metrics::REPLAYED.inc_by(redelivered as u64);
        for message in messages {
            match Sale::from_payload(&message.payload) {
                Ok(sale) => {
                    let told = ToldSale { sale, tag: sale_tag(message.tag), redelivered: message.redelivered };
                    self.unsettled.keep(&told);
                    let mut step = tillstream_traces::process(Read::Aggregation, message.trace.as_ref());
                    describe_sale(&mut step, &sale);
                    steps.push(told.tag, step);
                    sales.push(told);
                }
                Err(error) => self.reject_poison(message, &error),
            }
        }
        (sales, steps)
    }

    fn tell(&mut self, sales: Vec<ToldSale>, steps: Steps) {
        if !self.loaded {
            return self.early.append(steps);
        }
        self.push_sales(SalesDelivered { sales, steps, progress: self.progress.current(), again: None });
    }

    fn reject_poison(&mut self, message: &InboundMessage, error: &PoisonPayload) {
        let mut step = tillstream_traces::process(Read::Aggregation, message.trace.as_ref());
        let trace = step.context_or(message.trace.clone());
        let _correlation = Correlation::begin(trace.as_ref().map(TraceContext::ids));
        step.outcome("rejected");
        tracing::warn!(delivery.number = message.tag.number, %error, "a message that is no sale is rejected");
        let rejected = RejectedMessage::poison(AGGREGATION_QUEUE, &message.payload, error);
        self.unsettled.keep_poison(message.tag.number, rejected.clone());
        self.reject(rejected, sale_tag(message.tag), trace);
    }

    fn reject(&self, message: RejectedMessage, tag: SaleTag, trace: Option<TraceContext>) {
        if self.loaded && self.ports.rejected.push(DecideRejected { message, tag, trace }).is_err() {
            tracing::error!("the outbox is gone; a rejected message stays unacknowledged");
        }
    }

    fn push_sales(&self, delivered: SalesDelivered) {
        if self.ports.sales.push(delivered).is_err() {
            tracing::error!("the router is gone; sales stay unacknowledged");
        }
    }
}

// === impl Intake: acknowledging, the journal ===
impl Intake {
    fn acknowledge(&mut self, mut tags: Vec<DeliveryTag>) {
        tags.append(&mut self.unsent);
        if tags.is_empty() {
            return;
        }
        if self.ports.acknowledge.push(AcknowledgeDeliveries { tags: tags.clone() }).is_err() {
            self.unsent = tags;
        }
    }

    fn order_rebind(&mut self) {
        if self.must_rebind && self.ports.rebind.push(RebindFlow).is_ok() {
            self.must_rebind = false;
        }
    }

    fn load_journal(&self, ctx: &mut SupervisedContext<Self>) {
        let loaded = self.ports.load_journal.ask(LoadJournal, JOURNAL_WITHIN);
        let step = loaded.into_actor(self).map(|answer, intake, ctx| match answer {
            Ok(Ok(sales)) => intake.journal_loaded(sales),
            Ok(Err(error)) => intake.load_later(ctx, &error),
            Err(error) => intake.load_later(ctx, &error),
        });
        ctx.spawn(step);
    }

    fn load_later(&self, ctx: &mut SupervisedContext<Self>, error: &dyn std::fmt::Display) {
        tracing::warn!(%error, "the journal of unsettled sales cannot be read yet");
        ctx.run_later(RETRY, |intake, ctx| intake.load_journal(ctx));
    }

    fn journal_loaded(&mut self, sales: Vec<(u64, Sale)>) {
        metrics::REPLAYED.inc_by(sales.len() as u64);
        let newest = sales.iter().map(|&(number, _)| number + 1).max().unwrap_or_default();
        // A number that was forgotten must not come back: a late order to forget it would then forget another sale.
        let unused = u64::try_from(chrono::Utc::now().timestamp_micros()).unwrap_or_default();
        self.next_journal = newest.max(unused);
        for (number, sale) in sales {
            self.unsettled.journalled(journal_tag(number), number, sale);
        }
        self.loaded = true;
        let steps = std::mem::take(&mut self.early);
        self.tell_all_again(Request { scope: Scope::All, number: 0 }, steps);
        self.answer_requests();
    }

    /// Makes room before the flow starves: the older half goes to disk, then it is acknowledged.
    fn spill_if_crowded(&mut self, ctx: &mut SupervisedContext<Self>) {
        let crowded = self.unsettled.unacknowledged() * 5 >= self.window * 4;
        if self.spilling || !self.loaded || self.window == 0 || !crowded {
            return;
        }
        let half = self.unsettled.older_half();
        if half.is_empty() {
            return;
        }
        let numbered: Vec<_> = half.into_iter().zip(self.next_journal..).collect();
        self.next_journal += numbered.len() as u64;
        self.spilling = true;
        let order = JournalSales { sales: numbered.iter().map(|&((_, sale), number)| (number, sale)).collect() };
        let written = self.ports.journal.ask(order, JOURNAL_WITHIN);
        let step = written.into_actor(self).map(move |answer, intake, ctx| {
            intake.spilling = false;
            match answer {
                Ok(Ok(())) => intake.spilled(&numbered, ctx),
                Ok(Err(error)) => intake.not_spilled(&numbered, &error),
                Err(error) => intake.not_spilled(&numbered, &error),
            }
        });
        ctx.spawn(step);
    }

    /// They may reach the disk yet. The flow holds them all, so what the journal has of them is forgotten behind that.
    fn not_spilled(&mut self, numbered: &[((SaleTag, Sale), u64)], error: &dyn std::fmt::Display) {
        tracing::warn!(%error, "unsettled sales cannot be journalled yet");
        self.unsettled.keep_spare(numbered.iter().map(|&(_, number)| number));
        self.order_to_forget(numbered.iter().map(|&(_, number)| journal_tag(number)).collect());
    }

    /// An outbox that dies over this asks to be told again, and is told this again too: windows know nothing of copies.
    fn order_to_forget(&self, tags: Vec<SaleTag>) {
        if !tags.is_empty() {
            let _ = self.ports.settle.push(Settle { tags, decided: Vec::new() });
        }
    }

    /// From here on these sales are known by their numbers in the journal; windows are told, because their tags change.
    fn spilled(&mut self, numbered: &[((SaleTag, Sale), u64)], ctx: &mut SupervisedContext<Self>) {
        let mut tags = Vec::with_capacity(numbered.len());
        let mut told = Vec::with_capacity(numbered.len());
        for &((tag, sale), number) in numbered {
            if self.unsettled.journalled(tag, number, sale) {
                tags.push(delivery_tag(tag));
            }
            told.push(ToldSale { sale, tag: journal_tag(number), redelivered: true });
        }
        tracing::info!(journal.sales = told.len(), "unsettled sales were journalled to keep the flow open");
        self.acknowledge(tags);
        self.tell_chunks(None, told.into_iter(), Steps::default());
        self.spill_if_crowded(ctx);
    }
}

#[cfg(test)]
mod tests;
