//! The window actor of one store: asks the index, lets the domain fold, and hands on what is due.
//! Keeps nothing on disk; after a restart it asks for its sales and decides nothing before it has them.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Handler};
use chrono::{DateTime, Utc};
use tillstream_domain::{
    AggregatedEvent, Due, EmissionKind, FinalWindow, Fold, QueueProgress, Recognition, SaleTag, StoreId, StoreWindows,
    TransactionId, WindowRules,
};
use tillstream_supervision::{Port, SupervisedContext, supervised};
use tillstream_traces::{Correlation, Step};
use tokio::time::Instant;

use crate::messages::{
    DecideFinal, DecideLate, DecideRejected, Emit, LateDecided, Request, Scope, Settle, StoreSales, TellAgain,
    TimePassed, ToldAgain, ToldSale, WindowDecided, WindowIdle,
};
use crate::metrics;
use crate::router::conflict;
use crate::state::{Opened, StateError, StateStore};
use crate::steps::{Links, Steps, describe_fold};

/// Decisions that were not answered are told again this often, and so are requests.
const REPEAT: Duration = Duration::from_secs(2);

/// Whom a window tells.
#[derive(Clone)]
pub(crate) struct WindowOutputs {
    pub decide_final: Port<DecideFinal>,
    pub decide_late: Port<DecideLate>,
    pub rejected: Port<DecideRejected>,
    pub settle: Port<Settle>,
    pub emit: Port<Emit>,
    pub idle: Port<WindowIdle>,
    pub tell_again: Port<TellAgain>,
}

/// One store's windows.
pub(crate) struct StoreWindow {
    outputs: WindowOutputs,
    state: Arc<StateStore>,
    windows: StoreWindows,
    rules: WindowRules,
    /// What the domain's spacing of events is measured from.
    born: Instant,
    progress: Option<QueueProgress>,
    /// Everything but the answer to this is dropped, because that answer holds it too.
    awaiting: Option<Request>,
    /// When that answer was asked for, or when its latest part came.
    heard_at: Instant,
    next_request: u64,
    repeated_at: Instant,
    /// The router's newest round.
    round: u64,
    /// Repetitions of this batch.
    repeated: Settle,
    /// When its windows were rebuilt: those that had ended by then have most likely been emitted before. For metrics only.
    rebuilt_at: Option<DateTime<Utc>>,
    /// What this window has added to the gauge of open windows.
    gauged: i64,
    /// Sampled sales in open windows. Not known any more after a restart.
    links: Links,
}

supervised!(StoreWindow);

impl StoreWindow {
    pub(crate) fn new(store: StoreId, rules: WindowRules, state: Arc<StateStore>, outputs: WindowOutputs) -> Self {
        let now = Instant::now();
        Self {
            outputs,
            state,
            windows: StoreWindows::new(store, rules.clone(), None, 0),
            rules,
            born: now,
            progress: None,
            awaiting: None,
            heard_at: now,
            next_request: 0,
            repeated_at: now,
            round: 0,
            repeated: Settle { tags: Vec::new(), decided: Vec::new() },
            rebuilt_at: None,
            gauged: 0,
            links: Links::default(),
        }
    }
}

impl Drop for StoreWindow {
    fn drop(&mut self) {
        metrics::OPEN_WINDOWS.sub(self.gauged);
    }
}

impl Actor for StoreWindow {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Numbers of earlier incarnations are never used again.
        self.next_request = ctx.generation() << 48;
        let first = ctx.generation() == 1;
        if self.begin_anew(first).is_err() || !first {
            self.ask_again(ctx);
        }
    }
}

impl Handler<StoreSales> for StoreWindow {
    type Result = ();

    fn handle(&mut self, told: StoreSales, ctx: &mut Self::Context) {
        self.round = told.round;
        if self.awaiting.is_some() && self.awaiting != told.again {
            return told.steps.give_up("window restarted");
        }
        self.heard_at = Instant::now();
        self.progress = told.progress;
        if let Err(error) = self.take_all(&told.sales, told.steps, told.again.is_some()) {
            tracing::warn!(store.id = %self.windows.store(), %error, "the index cannot be read; the sales are asked for again");
            return self.ask_later(ctx);
        }
        self.act_on_time();
        self.repeat_undecided();
    }
}

impl Handler<TimePassed> for StoreWindow {
    type Result = ();

    fn handle(&mut self, time: TimePassed, _ctx: &mut Self::Context) {
        self.round = time.round;
        self.progress = time.progress;
        self.act_on_time();
        self.repeat_undecided();
        if self.windows.is_idle() && self.awaiting.is_none() {
            let _ = self.outputs.idle.push(WindowIdle { store: self.windows.store(), round: self.round });
        }
    }
}

impl Handler<ToldAgain> for StoreWindow {
    type Result = ();

    fn handle(&mut self, ToldAgain(request): ToldAgain, _ctx: &mut Self::Context) {
        if self.awaiting == Some(request) {
            self.awaiting = None;
            self.rebuilt_at = Some(Utc::now());
            self.act_on_time();
        }
    }
}

impl Handler<WindowDecided> for StoreWindow {
    type Result = ();

    fn handle(&mut self, decided: WindowDecided, ctx: &mut Self::Context) {
        let made_here = self.windows.has_decided(decided.window_start, decided.decision);
        if made_here && !decided.overtaken {
            let tags = self.windows.window_decided(decided.window_start, decided.decision);
            return self.settle(tags.unwrap_or_default());
        }
        // The answer to a decision of an earlier incarnation, or to one that was told twice: it matters only where the
        // window is still taken for open here.
        let known_final = self.windows.final_until().is_some_and(|until| decided.window_start < until);
        if !made_here && known_final {
            return;
        }
        tracing::info!(store.id = %self.windows.store(), "another decision about a window is stored; starting over");
        let _ = self.begin_anew(false);
        self.ask_again(ctx);
    }
}

impl Handler<LateDecided> for StoreWindow {
    type Result = ();

    fn handle(&mut self, decided: LateDecided, _ctx: &mut Self::Context) {
        let tags = self.windows.late_decided(decided.id, decided.tag);
        self.settle(tags);
    }
}

// === impl StoreWindow: sales ===
impl StoreWindow {
    fn take_all(&mut self, sales: &[ToldSale], mut steps: Steps, again: bool) -> Result<(), StateError> {
        let taken = self.state.opened().and_then(|state| {
            sales.iter().try_for_each(|told| self.take_traced(told, steps.take(told.tag), again, &state))
        });
        self.flush_repeated();
        steps.give_up("state");
        taken
    }

    /// Ends the sale's span, with one about its window below it.
    fn take_traced(&mut self, told: &ToldSale, delivered: Step, again: bool, state: &Opened) -> Result<(), StateError> {
        let mut step = tillstream_traces::fold_sale(delivered.context());
        let _correlation = Correlation::begin(step.ids());
        let outcome = self.take(told, again, state, &step).inspect_err(|_| step.fail("state"))?;
        describe_fold(&mut step, &told.sale, &self.rules, outcome);
        Ok(())
    }

    fn take(&mut self, told: &ToldSale, again: bool, state: &Opened, step: &Step) -> Result<&'static str, StateError> {
        match self.windows.recognise(told.sale.id, told.tag) {
            Recognition::Known => Ok("known"),
            Recognition::DeliveredAgain => {
                self.count_duplicate(told, again);
                Ok("delivered again")
            }
            Recognition::Duplicate => {
                self.count_duplicate(told, again);
                self.repeated.tags.push(told.tag);
                Ok("duplicate")
            }
            Recognition::New => self.take_new(told, again, state, step),
        }
    }

    fn take_new(
        &mut self,
        told: &ToldSale,
        again: bool,
        state: &Opened,
        step: &Step,
    ) -> Result<&'static str, StateError> {
        let sale = &told.sale;
        if let Some(known) = self.state.indexed(state, sale.id)? {
            if known.store == sale.store && known.amount == sale.amount {
                self.count_duplicate(told, again);
                self.repeat(told.tag, sale.id);
                return Ok(if told.redelivered { "delivered again" } else { "duplicate" });
            }
            let _ = self.outputs.rejected.push(conflict(told, known.store, known.amount, step));
            return Ok("conflict");
        }
        let Fold::Late(held) = self.windows.fold(sale, told.tag, self.progress) else {
            self.links.add(self.rules.start_of(sale.timestamp), step);
            return Ok("taken");
        };
        let (store, id) = (sale.store, sale.id);
        tracing::warn!(store.id = %store, transaction.id = %id, "sale `{id}` of store `{store}` is late: its window is final");
        let _ = self.outputs.decide_late.push(DecideLate { held, trace: step.context().cloned() });
        Ok("late")
    }

    fn count_duplicate(&self, told: &ToldSale, again: bool) {
        if !told.redelivered && !again {
            metrics::DUPLICATES.inc();
        }
    }

    fn repeat(&mut self, tag: SaleTag, id: TransactionId) {
        self.repeated.tags.push(tag);
        self.repeated.decided.push(id);
    }

    fn settle(&mut self, tags: Vec<SaleTag>) {
        self.repeated.tags.extend(tags);
        self.flush_repeated();
    }

    fn flush_repeated(&mut self) {
        if self.repeated.tags.is_empty() {
            return;
        }
        let tags = std::mem::take(&mut self.repeated.tags);
        let decided = std::mem::take(&mut self.repeated.decided);
        let _ = self.outputs.settle.push(Settle { tags, decided });
    }
}

// === impl StoreWindow: time ===
impl StoreWindow {
    fn act_on_time(&mut self) {
        if self.awaiting.is_some() {
            return;
        }
        let now_ms = i64::try_from(self.born.elapsed().as_millis()).unwrap_or(i64::MAX);
        for due in self.windows.advance(self.progress, now_ms) {
            match due {
                Due::Emission(kind, event) => self.emit(kind, event),
                Due::Final(window) => self.decide(window),
            }
        }
        self.gauge();
    }

    fn decide(&mut self, window: Arc<FinalWindow>) {
        let step = self.links.emit(&window.event, "final");
        self.links.forget(window.event.window_start.timestamp_millis());
        let _ = self.outputs.decide_final.push(DecideFinal { window, step });
    }

    fn emit(&self, kind: EmissionKind, event: AggregatedEvent) {
        let is_first = kind == EmissionKind::First && self.rebuilt_at.is_none_or(|at| event.window_end > at);
        let label = if is_first { "first" } else { "update" };
        metrics::WINDOWS_EMITTED.with_label_values(&[label]).inc();
        if is_first {
            let delay = (Utc::now() - event.window_end).to_std().unwrap_or_default();
            metrics::WINDOW_DELAY.observe(delay.as_secs_f64());
        }
        let step = self.links.emit(&event, label);
        let _ = self.outputs.emit.push(Emit { event, step });
    }

    fn repeat_undecided(&mut self) {
        if self.repeated_at.elapsed() < REPEAT {
            return;
        }
        self.repeated_at = Instant::now();
        let (windows, late) = self.windows.undecided();
        for window in windows {
            let _ = self.outputs.decide_final.push(DecideFinal { window, step: Step::none() });
        }
        for held in late {
            let _ = self.outputs.decide_late.push(DecideLate { held, trace: None });
        }
    }

    fn gauge(&mut self) {
        let open = i64::try_from(self.windows.open_windows()).unwrap_or(i64::MAX);
        metrics::OPEN_WINDOWS.add(open - self.gauged);
        self.gauged = open;
    }
}

// === impl StoreWindow: starting over ===
impl StoreWindow {
    /// Forgets everything that is not stored.
    fn begin_anew(&mut self, first: bool) -> Result<(), StateError> {
        let store = self.windows.store();
        let stored = self.state.final_until(store);
        let until = stored.as_ref().ok().copied().flatten();
        if !first {
            tracing::info!(store.id = %store, "window of store `{store}` starts over");
        }
        self.next_request += 1 << 32;
        self.links = Links::default();
        self.windows = StoreWindows::new(store, self.rules.clone(), until, self.next_request);
        self.gauge();
        stored.map(drop)
    }

    fn ask_again(&mut self, ctx: &mut SupervisedContext<Self>) {
        let request = self.new_request();
        let _ = self.outputs.tell_again.push(TellAgain(request));
        self.ask_if_unanswered(request, ctx);
    }

    /// Waits before asking: the storage needs time.
    fn ask_later(&mut self, ctx: &mut SupervisedContext<Self>) {
        let request = self.new_request();
        self.ask_if_unanswered(request, ctx);
    }

    fn new_request(&mut self) -> Request {
        self.next_request += 1;
        let request = Request { scope: Scope::Store(self.windows.store()), number: self.next_request };
        self.awaiting = Some(request);
        self.heard_at = Instant::now();
        request
    }

    fn ask_if_unanswered(&mut self, request: Request, ctx: &mut SupervisedContext<Self>) {
        ctx.run_later(REPEAT, move |window, ctx| {
            if window.awaiting != Some(request) {
                return;
            }
            // A long answer comes in parts: asking anew would throw away those that are here.
            if window.heard_at.elapsed() < REPEAT {
                return window.ask_if_unanswered(request, ctx);
            }
            let _ = window.begin_anew(false);
            window.ask_again(ctx);
        });
    }
}

#[cfg(test)]
mod tests;
