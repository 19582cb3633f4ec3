//! The ledger's copy in memory: per store the total and the open windows, so that a question reads no rows at all.
//! Does not hold ids; those stay on disk.

use actix::{ActorFutureExt, AsyncContext, WrapFuture};
use ahash::AHashMap;
use chrono::{DateTime, Utc};
use tillstream_domain::{Sale, StoreId};
use tillstream_messages::{InboundMessage, LedgerReport, QueryError};
use tillstream_supervision::{Port, SupervisedContext};
use tillstream_traces::{Read, Step};

use super::FIGURES_WITHIN;
use super::pass::{LedgerChange, Pass};
use super::side::StoreSide;
use super::store::{self, LedgerStore, WindowKey};
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
        let mut stores = Vec::with_capacity(self.stores.len());
        for (store, side) in &mut self.stores {
            let theirs = figures.stores.get(store).cloned().unwrap_or_else(StoreFigures::default);
            let settled = side.settle(theirs.final_until, window_micros);
            self.settled.extend(settled.into_iter().map(|start| (*store, start)));
            let line = side.line(*store, &theirs).map_err(|error| QueryError::Storage(error.to_string()))?;
            stores.push(line);
        }
        stores.sort_unstable_by_key(|line| line.store);
        Ok(LedgerReport { stores, poison: self.poison.saturating_add(figures.poison) })
    }
}

impl Book for LedgerBook {
    type Store = LedgerStore;
    type Change = LedgerChange;
    type Errand = Vec<WindowKey>;
    type Links = Port<QueryFigures>;

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
        let (change, rejects) = pass.commit()?;
        Ok(Written { change, rejects })
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
        let asking = consumer.wiring.links.ask(QueryFigures, FIGURES_WITHIN);
        ctx.spawn(asking.into_actor(consumer).map(|answer, actor, _| {
            if let Err(error) = actor.compare(answer) {
                tracing::debug!(%error, "the ledger's gauges were not refreshed");
            }
        }));
    }
}
