//! Turnover's copy in memory: the figures of all stores and the counter that is shown of them.
//! Does not hold rows; those stay on disk.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tillstream_domain::{StoreId, Tally};
use tillstream_messages::InboundMessage;
use tillstream_supervision::SupervisedContext;
use tillstream_traces::{Read, Step};

use super::figures::{Figures, plus};
use super::pass::{self, Pass, TurnoverChange};
use super::recent::Recent;
use super::store::{self, TurnoverStore, days_of};
use super::{FailedPayments, RecentStore, RecentTurnover};
use crate::consumer::{Book, Consumer, Job, Written};
use crate::error::StoreError;
use crate::leg::Side;
use crate::metrics;
use crate::settings::ReportingPlan;

/// What questions that need no rows are answered from.
pub(crate) struct TurnoverBook {
    figures: Figures,
    recent: Recent,
    /// What all rows say.
    shown: Tally,
}

impl TurnoverBook {
    /// The figures as of the last commit.
    pub(crate) fn figures(&self) -> Figures {
        self.figures.clone()
    }

    /// By store number.
    pub(crate) fn failed_payments(&self) -> Vec<FailedPayments> {
        let stores = self.figures.stores.iter();
        let mut failed: Vec<_> =
            stores.map(|(store, figures)| FailedPayments { store: *store, count: figures.failed }).collect();
        failed.retain(|failed| failed.count > 0);
        failed.sort_by_key(|failed| failed.store);
        failed
    }

    /// What is drawn of these stores, and of all together.
    pub(crate) fn recent_of(&self, stores: &[StoreId]) -> RecentTurnover {
        let of = |store: &StoreId| {
            let figures = self.figures.stores.get(store).cloned().unwrap_or_default();
            let (windows, forgotten) = (self.recent.of(*store), self.recent.forgotten_of(*store));
            RecentStore { store: *store, figures, windows, forgotten }
        };
        RecentTurnover {
            turnover: self.shown,
            windows: self.recent.company(),
            since: self.recent.since(),
            forgotten: self.recent.company_forgotten(),
            stores: stores.iter().map(of).collect(),
        }
    }

    fn show(&self, max_labels: usize) {
        let mut turnover: Vec<_> =
            self.figures.stores.iter().map(|(store, figures)| (*store, figures.in_finals.amount.cents())).collect();
        // By number, so that the same stores get labels after a restart.
        turnover.sort_unstable();
        metrics::show_turnover(turnover.into_iter(), max_labels);
    }
}

impl Book for TurnoverBook {
    type Store = TurnoverStore;
    type Change = TurnoverChange;
    type Errand = ();
    type Links = ();

    const SIDE: Side = Side::Turnover;
    const DIRECTORY: &'static str = store::DIRECTORY;
    const READ: Read = Read::Reporting;

    fn queue(plan: &ReportingPlan) -> &str {
        &plan.reporting_queue
    }

    fn open(plan: &ReportingPlan, now: DateTime<Utc>) -> Result<(TurnoverStore, Self), StoreError> {
        let store = TurnoverStore::open(plan, now)?;
        let figures = store.load_figures()?;
        let limit = Recent::worth_reading(figures.stores.len());
        let recent = Recent::load(store.newest(limit)?, limit);
        let shown = figures.stores.values().fold(Tally::default(), |sum, store| plus(sum, 1, store.shown()));
        Ok((store, Self { figures, recent, shown }))
    }

    fn describe(message: &InboundMessage, plan: &ReportingPlan, step: &mut Step) {
        pass::describe(message, plan, step);
    }

    fn write(store: &TurnoverStore, job: &Job<Self>) -> Result<Written<TurnoverChange>, StoreError> {
        let mut pass = Pass::new(store, &job.plan, job.now)?;
        for message in &job.messages {
            pass.fold(message)?;
        }
        pass.commit()
    }

    fn housekeeping(store: &TurnoverStore, job: &Job<Self>) -> Result<(), StoreError> {
        let deleted = store.housekeeping(job.now, days_of(job.retention))?;
        if deleted > 0 {
            tracing::info!(rows = deleted, "turnover rows deleted, their retention is over");
        }
        Ok(())
    }

    fn errand(&mut self) {}

    fn absorb(&mut self, change: TurnoverChange, _plan: &ReportingPlan) {
        let stores = Arc::make_mut(&mut self.figures.stores);
        for (store, figures) in change.figures {
            self.shown = plus(self.shown, 1, figures.shown());
            if let Some(old) = stores.insert(store, figures) {
                self.shown = plus(self.shown, -1, old.shown());
            }
        }
        for (key, row) in &change.rows {
            self.recent.put(*key, row);
        }
        self.figures.poison = change.poison;
    }

    fn tick(consumer: &mut Consumer<Self>, _ctx: &mut SupervisedContext<Consumer<Self>>) {
        let max_labels = consumer.wiring.plan.max_store_labels;
        if let Ok(book) = consumer.book() {
            book.show(max_labels);
        }
    }
}
