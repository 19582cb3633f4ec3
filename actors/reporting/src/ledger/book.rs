//! The ledger's copy in memory: per store the total and the open windows, so that a question reads no rows at all.
//! Does not hold ids; those stay on disk.

use actix::{ActorFutureExt, AsyncContext, WrapFuture};
use ahash::AHashMap;
use chrono::{DateTime, Utc};
use tillstream_domain::{Money, Sale, StoreId, Tally};
use tillstream_messages::{Balance, InboundMessage, LedgerReport, QueryError, StoreLedger};
use tillstream_supervision::SupervisedContext;
use tillstream_traces::{Read, Step};
use tokio::time::Instant;

use super::minute::{Minute, STEP};
use super::pass::{LedgerChange, Pass};
use super::side::StoreSide;
use super::store::{self, LedgerStore, WindowKey};
use super::{FIGURES_WITHIN, TurnoverPorts};
use crate::consumer::{Book, Consumer, Job, Written};
use crate::error::StoreError;
use crate::leg::Side;
use crate::settings::ReportingPlan;
use crate::turnover::{Figures, QueryFigures, StoreFigures};

/// The own side of all stores.
pub(crate) struct LedgerBook {
    pub(super) stores: AHashMap<StoreId, StoreSide>,
    poison: u64,
    /// Windows that became final since the last commit; their rows may go.
    settled: Vec<WindowKey>,
    /// Distinct paid sales of all stores, conflicts not among them.
    pub(super) accepted: Tally,
    /// Those of the last minute.
    pub(super) minute: Minute,
    /// When the first step of minutes began.
    began: Instant,
    /// As of the last report.
    pub(super) balance: OffBalance,
}

/// All stores' equations in one.
#[derive(Debug, Clone, Default)]
pub(super) struct OffBalance {
    sums: Balance,
    /// Some of those that are off.
    pub(super) stores: Vec<StoreId>,
}

/// Stores that are off and are remembered.
const OFF_REMEMBERED: usize = 20;

impl LedgerBook {
    /// Holds the own side against turnover's figures. What Turnover has decided since the last time is settled first.
    pub(crate) fn report(&mut self, figures: &Figures, window_micros: i64) -> Result<LedgerReport, QueryError> {
        for store in figures.stores.keys() {
            self.stores.entry(*store).or_default();
        }
        let mut stores = Vec::with_capacity(self.stores.len());
        for (store, side) in &mut self.stores {
            let theirs = figures.stores.get(store).cloned().unwrap_or_else(StoreFigures::default);
            stores.push(line(*store, side, &theirs, window_micros, &mut self.settled)?);
        }
        stores.sort_unstable_by_key(|line| line.store);
        let report = LedgerReport { stores, poison: self.poison.saturating_add(figures.poison) };
        self.balance = OffBalance::of(&report);
        Ok(report)
    }

    /// Sales of a window that is not settled, without those that were rejected.
    pub(crate) fn counted_in(&self, (store, start): WindowKey) -> Option<u64> {
        let window = self.stores.get(&store).and_then(|side| side.open.get(&start));
        window.map(|counted| counted.accepted.count.saturating_sub(counted.rejected.count))
    }

    /// Both sides of one store's equation.
    pub(crate) fn line(
        &mut self,
        store: StoreId,
        theirs: &StoreFigures,
        window_micros: i64,
    ) -> Result<StoreLedger, QueryError> {
        line(store, self.stores.entry(store).or_default(), theirs, window_micros, &mut self.settled)
    }

    /// The step of minutes that it is now.
    pub(super) fn step(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs() / STEP.as_secs()
    }

    fn count(&mut self, step: u64, sales: Tally) {
        self.minute.add(step, sales);
        let cents = self.accepted.amount.cents().saturating_add(sales.amount.cents());
        self.accepted = Tally::new(self.accepted.count.saturating_add(sales.count), Money::from_cents(cents));
    }
}

/// What is final by now is settled first.
fn line(
    store: StoreId,
    side: &mut StoreSide,
    theirs: &StoreFigures,
    window_micros: i64,
    settled: &mut Vec<WindowKey>,
) -> Result<StoreLedger, QueryError> {
    let starts = side.settle(theirs.final_until, window_micros);
    settled.extend(starts.into_iter().map(|start| (store, start)));
    side.line(store, theirs).map_err(|error| QueryError::Storage(error.to_string()))
}

impl OffBalance {
    fn of(report: &LedgerReport) -> Self {
        let mut balance = Self { sums: Balance { poison: report.poison, ..Balance::default() }, stores: Vec::new() };
        for line in &report.stores {
            balance.add(line);
        }
        balance
    }

    fn add(&mut self, line: &StoreLedger) {
        let open = self.sums.open;
        let cents = open.amount.cents().saturating_add(line.open.1.cents());
        self.sums.open = Tally::new(open.count.saturating_add(line.open.0), Money::from_cents(cents));
        if (line.imbalance_count, line.imbalance_cents) == (0, 0) {
            return;
        }
        self.sums.stores_off += 1;
        self.sums.off_count = self.sums.off_count.saturating_add(line.imbalance_count.unsigned_abs());
        self.sums.off_cents = self.sums.off_cents.saturating_add(line.imbalance_cents.unsigned_abs());
        if self.stores.len() < OFF_REMEMBERED {
            self.stores.push(line.store);
        }
    }

    /// Without the stores.
    pub(super) const fn sums(&self) -> Balance {
        self.sums
    }
}

impl Book for LedgerBook {
    type Store = LedgerStore;
    type Change = LedgerChange;
    type Errand = Vec<WindowKey>;
    type Links = TurnoverPorts;

    const SIDE: Side = Side::Ledger;
    const DIRECTORY: &'static str = store::DIRECTORY;
    const READ: Read = Read::Ledger;

    fn queue(plan: &ReportingPlan) -> &str {
        &plan.ledger_queue
    }

    fn open(plan: &ReportingPlan, now: DateTime<Utc>) -> Result<(LedgerStore, Self), StoreError> {
        let store = LedgerStore::open(plan, now)?;
        let stores = store.load()?;
        let mut book = Self {
            poison: store.poison()?,
            settled: Vec::new(),
            accepted: Tally::default(),
            minute: Minute::default(),
            began: Instant::now(),
            balance: OffBalance::default(),
            stores: AHashMap::new(),
        };
        // What was counted before this start is none of the last minute's.
        stores.values().for_each(|side| book.count(0, side.total.paid()));
        (book.stores, book.minute) = (stores, Minute::default());
        Ok((store, book))
    }

    fn describe(message: &InboundMessage, _plan: &ReportingPlan, step: &mut Step) {
        if let Ok(sale) = Sale::from_payload(&message.payload) {
            step.store(&sale.store);
            step.transaction(&sale.id);
        }
    }

    fn write(store: &LedgerStore, job: &Job<Self>) -> Result<Written<LedgerChange>, StoreError> {
        let mut pass = Pass::new(store, &job.plan, &job.errand)?;
        for message in &job.messages {
            pass.fold(message)?;
        }
        pass.commit()
    }

    fn housekeeping(store: &LedgerStore, _job: &Job<Self>) -> Result<(), StoreError> {
        store.housekeeping()
    }

    fn errand(&mut self) -> Vec<WindowKey> {
        std::mem::take(&mut self.settled)
    }

    fn absorb(&mut self, change: LedgerChange, _plan: &ReportingPlan) {
        let step = self.step(Instant::now());
        for (store, total) in change.totals {
            let side = self.stores.entry(store).or_default();
            let sales = total.paid_beyond(side.total);
            side.total = total;
            side.minute.add(step, sales);
            self.count(step, sales);
        }
        for ((store, start), counted) in change.windows {
            self.stores.entry(store).or_default().open.insert(start, counted);
        }
        self.poison = change.poison;
    }

    fn tick(consumer: &mut Consumer<Self>, ctx: &mut SupervisedContext<Consumer<Self>>) {
        consumer.wiring.journeys.forget(Instant::now());
        let asking = consumer.wiring.links.figures.ask(QueryFigures, FIGURES_WITHIN);
        ctx.spawn(asking.into_actor(consumer).map(|answer, actor, _| {
            if let Err(error) = actor.compare(answer) {
                tracing::debug!(%error, "the ledger's gauges were not refreshed");
            }
        }));
    }
}
