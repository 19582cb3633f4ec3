//! The ledger's copy in memory: per store the total and the open windows, so that a question reads no rows at all.
//! Does not hold ids; those stay on disk.

use actix::{ActorFutureExt, AsyncContext, WrapFuture};
use ahash::AHashMap;
use chrono::{DateTime, Utc};
use tillstream_domain::{Sale, StoreId};
use tillstream_messages::{InboundMessage, LedgerReport, QueryError, StoreLedger};
use tillstream_supervision::SupervisedContext;
use tillstream_traces::{Read, Step};
use tokio::time::Instant;

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
    stores: AHashMap<StoreId, StoreSide>,
    poison: u64,
    /// Windows that became final since the last commit; their rows may go.
    settled: Vec<WindowKey>,
}

impl LedgerBook {
    /// Holds the own side against turnover's figures. What Turnover has decided since the last time is settled first.
    pub(crate) fn report(&mut self, figures: &Figures, window_micros: i64) -> Result<LedgerReport, QueryError> {
        for store in figures.stores.keys() {
            self.stores.entry(*store).or_default();
        }
        let mut known: Vec<_> = self.stores.keys().copied().collect();
        known.sort_unstable();
        let lines = known.into_iter().map(|store| Ok(self.line(store, figures, window_micros)?.0));
        let stores = lines.collect::<Result<_, QueryError>>()?;
        Ok(LedgerReport { stores, poison: self.poison.saturating_add(figures.poison) })
    }

    /// One store's line, and until when its windows are final. What Turnover has decided since the last time is settled first.
    pub(crate) fn line(
        &mut self,
        store: StoreId,
        figures: &Figures,
        window_micros: i64,
    ) -> Result<(StoreLedger, i64), QueryError> {
        let theirs = figures.stores.get(&store).cloned().unwrap_or_else(StoreFigures::default);
        let side = self.stores.entry(store).or_default();
        let settled = side.settle(theirs.final_until, window_micros);
        self.settled.extend(settled.into_iter().map(|start| (store, start)));
        let line = side.line(store, &theirs).map_err(|error| QueryError::Storage(error.to_string()))?;
        Ok((line, theirs.final_until))
    }

    /// Sales of a window that is not settled, without those that were rejected.
    pub(crate) fn counted_in(&self, (store, start): WindowKey) -> u64 {
        let window = self.stores.get(&store).and_then(|side| side.open.get(&start));
        window.map_or(0, |counted| counted.accepted.count.saturating_sub(counted.rejected.count))
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
        let book = Self { stores: store.load()?, poison: store.poison()?, settled: Vec::new() };
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
        for (store, total) in change.totals {
            self.stores.entry(store).or_default().total = total;
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
