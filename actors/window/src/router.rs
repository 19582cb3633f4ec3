//! Hands each sale to the window actor of its store, which it spawns on demand, and finds ids that two sales claim.
//! Does not fold; its memory of open ids is rebuilt from the intake after a restart.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, AsyncContext, Handler};
use ahash::{AHashMap, AHashSet};
use tillstream_domain::{AGGREGATION_QUEUE, Money, QueueProgress, RejectedMessage, Sale, StoreId, TransactionId};
use tillstream_supervision::{Port, SpawnError, SupervisedContext, supervised};
use tillstream_traces::{Correlation, Step};
use tokio::time::Instant;

use crate::messages::{
    DecideRejected, DecisionsStored, LateDecided, Request, SalesDelivered, Scope, StoreSales, Stored, TellAgain,
    TimePassed, ToldAgain, ToldSale, WindowDecided, WindowIdle,
};
use crate::steps::Steps;

/// How often windows with something open hear of the queue's progress.
const TICK: Duration = Duration::from_millis(250);

/// A batch of this size says that more is waiting: then a message per store and batch would cost more than the sales in it.
const BUSY: usize = 256;

/// A store's sales that are worth a message of their own while the flow is busy.
const ENOUGH: usize = 32;

/// An answer of the intake that does not come is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// What the router holds of one window actor.
#[derive(Clone)]
pub(crate) struct WindowPorts {
    pub sales: Port<StoreSales>,
    pub time: Port<TimePassed>,
    pub told_again: Port<ToldAgain>,
    pub decided: Port<WindowDecided>,
    pub late_decided: Port<LateDecided>,
}

/// Spawns window actors and knows those that exist: they outlive a restart of the router.
#[derive(Clone)]
pub(crate) struct WindowDirectory {
    known: Arc<Mutex<AHashMap<StoreId, WindowPorts>>>,
    spawn: Arc<dyn Fn(StoreId) -> Result<WindowPorts, SpawnError> + Send + Sync>,
}

impl WindowDirectory {
    pub(crate) fn new(spawn: impl Fn(StoreId) -> Result<WindowPorts, SpawnError> + Send + Sync + 'static) -> Self {
        Self { known: Arc::default(), spawn: Arc::new(spawn) }
    }

    fn find(&self, store: StoreId) -> Option<WindowPorts> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&store).cloned()
    }

    fn find_or_spawn(&self, store: StoreId) -> Result<WindowPorts, SpawnError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ports) = known.get(&store) {
            return Ok(ports.clone());
        }
        let ports = (self.spawn)(store)?;
        known.insert(store, ports.clone());
        Ok(ports)
    }
}

/// Whom the router tells, besides the windows.
#[derive(Clone)]
pub(crate) struct RouterPorts {
    pub rejected: Port<DecideRejected>,
    pub tell_again: Port<TellAgain>,
}

/// Where a batch falls apart into stores.
pub(crate) struct StoreRouter {
    ports: RouterPorts,
    directory: WindowDirectory,
    /// Whose an id is, while it is open.
    claims: AHashMap<TransactionId, Claim>,
    windows: AHashMap<StoreId, Told>,
    /// Stores that may have something open.
    active: AHashSet<StoreId>,
    /// Sales by store. While the flow is busy the few of a store wait here for more of its own, until the next tick at most.
    sorted: AHashMap<StoreId, Share>,
    progress: Option<QueueProgress>,
    /// After a restart: everything but the answer to this is dropped, because that answer holds it too.
    awaiting: Option<Request>,
    /// When that answer was asked for, or when its latest part came.
    heard_at: Instant,
    /// Numbers what is told; greater in every incarnation.
    round: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    store: StoreId,
    amount: Money,
}

/// What one store gets of what was delivered.
#[derive(Default)]
struct Share {
    sales: Vec<ToldSale>,
    steps: Steps,
}

struct Told {
    ports: WindowPorts,
    round: u64,
}

supervised!(StoreRouter);

impl StoreRouter {
    pub(crate) fn new(ports: RouterPorts, directory: WindowDirectory) -> Self {
        Self {
            ports,
            directory,
            claims: AHashMap::new(),
            windows: AHashMap::new(),
            active: AHashSet::new(),
            sorted: AHashMap::new(),
            progress: None,
            awaiting: None,
            heard_at: Instant::now(),
            round: 0,
        }
    }
}

impl Actor for StoreRouter {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.round = ctx.generation() << 40;
        if ctx.generation() > 1 {
            self.ask_again(ctx, self.round);
        }
        ctx.run_interval(TICK, |router, _| router.pass_time());
    }
}

impl Handler<SalesDelivered> for StoreRouter {
    type Result = ();

    fn handle(&mut self, delivered: SalesDelivered, _ctx: &mut Self::Context) {
        let SalesDelivered { sales, mut steps, progress, again } = delivered;
        if self.awaiting.is_some() && self.awaiting != again {
            return steps.give_up("router restarted");
        }
        self.heard_at = Instant::now();
        if again.is_some() {
            self.tell_sorted(1, None);
        }
        self.progress = progress;
        let least = if again.is_none() && sales.len() >= BUSY { ENOUGH } else { 1 };
        for told in sales {
            let step = steps.take(told.tag);
            match self.claim(&told.sale) {
                Ok(()) => self.sort(told, step),
                Err(owner) => self.reject(&told, owner, step),
            }
        }
        self.tell_sorted(least, again);
    }
}

impl Handler<ToldAgain> for StoreRouter {
    type Result = ();

    fn handle(&mut self, told: ToldAgain, _ctx: &mut Self::Context) {
        if self.awaiting == Some(told.0) {
            self.awaiting = None;
        }
        let Scope::Store(store) = told.0.scope else { return };
        if self.awaiting.is_none()
            && let Some(ports) = self.directory.find(store)
        {
            let _ = ports.told_again.push(told);
        }
    }
}

impl Handler<DecisionsStored> for StoreRouter {
    type Result = ();

    fn handle(&mut self, stored: DecisionsStored, _ctx: &mut Self::Context) {
        for decision in stored.0 {
            self.stored(decision);
        }
    }
}

impl Handler<WindowIdle> for StoreRouter {
    type Result = ();

    fn handle(&mut self, idle: WindowIdle, _ctx: &mut Self::Context) {
        if self.windows.get(&idle.store).is_some_and(|told| told.round == idle.round) {
            self.active.remove(&idle.store);
        }
    }
}

// === impl StoreRouter: sales ===
impl StoreRouter {
    /// Takes an id for a sale, or says whose it is.
    fn claim(&mut self, sale: &Sale) -> Result<(), Claim> {
        let claim = Claim { store: sale.store, amount: sale.amount };
        let owner = *self.claims.entry(sale.id).or_insert(claim);
        if owner == claim { Ok(()) } else { Err(owner) }
    }

    fn sort(&mut self, told: ToldSale, step: Step) {
        let share = self.sorted.entry(told.sale.store).or_default();
        share.steps.push(told.tag, step);
        share.sales.push(told);
    }

    fn reject(&self, told: &ToldSale, owner: Claim, mut step: Step) {
        step.outcome("conflict");
        let _ = self.ports.rejected.push(conflict(told, owner.store, owner.amount, &step));
    }

    /// Tells every store that has at least this many sales.
    fn tell_sorted(&mut self, least: usize, again: Option<Request>) {
        let mut sorted = std::mem::take(&mut self.sorted);
        for (store, share) in sorted.extract_if(|_, share| share.sales.len() >= least) {
            if let Err(error) = self.tell_store(store, share, again) {
                // Its sales stay unacknowledged and come again with the next binding.
                tracing::error!(store.id = %store, %error, "no window actor for store `{store}`");
            }
        }
        self.sorted = sorted;
    }

    fn tell_store(&mut self, store: StoreId, share: Share, again: Option<Request>) -> Result<(), SpawnError> {
        let Share { sales, steps } = share;
        self.round += 1;
        let (round, progress) = (self.round, self.progress);
        let told = match self.windows.entry(store) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(Told { ports: self.directory.find_or_spawn(store)?, round })
            }
        };
        told.round = round;
        self.active.insert(store);
        if told.ports.sales.push(StoreSales { sales, steps, progress, again, round }).is_err() {
            tracing::error!(store.id = %store, "the window actor of store `{store}` is gone");
        }
        Ok(())
    }

    /// Sales say how far the queue has been read, too: a store hears either of them or of the time alone.
    fn pass_time(&mut self) {
        if self.awaiting.is_some() {
            return;
        }
        let before = self.round;
        self.tell_sorted(1, None);
        for store in &self.active {
            if let Some(told) = self.windows.get_mut(store).filter(|told| told.round <= before) {
                self.round += 1;
                told.round = self.round;
                let _ = told.ports.time.push(TimePassed { progress: self.progress, round: self.round });
            }
        }
    }
}

// === impl StoreRouter: decisions, restart ===
impl StoreRouter {
    fn stored(&mut self, decision: Stored) {
        match decision {
            Stored::Window(window) => {
                let store = window.event.store_id;
                window.sales.iter().for_each(|sale| self.release(sale.id));
                self.tell_decided(store, window.event.window_start, window.decision, false);
            }
            Stored::Overtaken(window) => {
                self.tell_decided(window.event.store_id, window.event.window_start, window.decision, true);
            }
            Stored::Late(held) => {
                self.release(held.late.sale.id);
                if let Some(ports) = self.directory.find(held.late.sale.store) {
                    let _ = ports.late_decided.push(LateDecided { id: held.late.sale.id, tag: held.tag });
                }
            }
            Stored::Known(id) => self.release(id),
            Stored::Rejected { id, store, amount } => self.release_rejected(id, Claim { store, amount }),
        }
    }

    /// The index knows the id from here on.
    fn release(&mut self, id: TransactionId) {
        self.claims.remove(&id);
    }

    /// A conflict that only the index could find has taken the id meanwhile; its owner must not be refused for that.
    fn release_rejected(&mut self, id: TransactionId, rejected: Claim) {
        if self.claims.get(&id) == Some(&rejected) {
            self.release(id);
        }
    }

    fn tell_decided(
        &self,
        store: StoreId,
        window_start: chrono::DateTime<chrono::Utc>,
        decision: u64,
        overtaken: bool,
    ) {
        if let Some(ports) = self.directory.find(store) {
            let _ = ports.decided.push(WindowDecided { window_start, decision, overtaken });
        }
    }

    fn ask_again(&mut self, ctx: &mut SupervisedContext<Self>, number: u64) {
        let request = Request { scope: Scope::All, number };
        self.awaiting = Some(request);
        self.heard_at = Instant::now();
        let _ = self.ports.tell_again.push(TellAgain(request));
        self.ask_if_unanswered(request, ctx);
    }

    fn ask_if_unanswered(&mut self, request: Request, ctx: &mut SupervisedContext<Self>) {
        ctx.run_later(ASK_AGAIN, move |router, ctx| {
            if router.awaiting != Some(request) {
                return;
            }
            // A long answer comes in parts: asking anew would tell the windows all of it once more.
            if router.heard_at.elapsed() < ASK_AGAIN {
                return router.ask_if_unanswered(request, ctx);
            }
            router.ask_again(ctx, request.number + 1);
        });
    }
}

/// The order to reject a sale whose id belongs to another one.
pub(crate) fn conflict(told: &ToldSale, owner: StoreId, amount: Money, step: &Step) -> DecideRejected {
    let ToldSale { sale, tag, .. } = told;
    let (id, _correlation) = (sale.id, Correlation::begin(step.ids()));
    tracing::warn!(transaction.id = %id, store.id = %sale.store, "transaction `{id}` is known with another store or amount");
    let detail = format!("the id is known from store {owner} with amount {amount}");
    let message = RejectedMessage::conflict(AGGREGATION_QUEUE, sale, &detail);
    DecideRejected { message, tag: *tag, trace: step.context().cloned() }
}

#[cfg(test)]
mod tests;
