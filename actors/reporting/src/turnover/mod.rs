//! Turnover: the actor that keeps a row per store and window out of the events that aggregation publishes.
//! Does not add up sales itself, except late ones; whether the rows are right is the ledger's question.

mod book;
mod figures;
mod keys;
mod pass;
mod query;
mod recent;
mod row;
mod store;
#[cfg(test)]
mod tests;

use actix::{Handler, Message, ResponseFuture};
use tillstream_domain::{StoreId, Tally};
use tillstream_messages::{CompanyWindow, LiveWindow, QueryError, QueryTurnover, TurnoverRow};
use tillstream_supervision::supervised;
use tokio::task::spawn_blocking;

use crate::consumer::Consumer;
use crate::error::StoreError;
use crate::journey::{QueryWindow, WindowAnswer};
use keys::RowKey;

pub(crate) use book::TurnoverBook;
pub(crate) use figures::{Figures, StoreFigures};

/// Keeps turnover rows; consumes the queue of aggregations, late sales and failed payments.
pub(crate) type Turnover = Consumer<TurnoverBook>;

supervised!(Turnover);

/// Asks for the failed payments of every store: recorded, no turnover.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Vec<FailedPayments>, QueryError>")]
pub struct QueryFailedPayments;

/// How many payments failed in one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedPayments {
    /// Whose.
    pub store: StoreId,
    /// Distinct failed payments.
    pub count: u64,
}

/// The ledger's question: what do final windows say?
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Figures, QueryError>")]
pub(crate) struct QueryFigures;

/// The ledger's question for the live page: what is drawn of these stores, and of all together?
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<RecentTurnover, QueryError>")]
pub(crate) struct QueryRecent {
    /// Answered in this order.
    pub(crate) stores: Vec<StoreId>,
}

/// What is drawn.
#[derive(Debug, Clone)]
pub(crate) struct RecentTurnover {
    /// What the rows of all stores say, late sales among it.
    pub(crate) turnover: Tally,
    /// The newest windows of all stores together, oldest first.
    pub(crate) windows: Vec<CompanyWindow>,
    /// Windows of any store that start before are not known.
    pub(crate) since: Option<i64>,
    /// The newest start of a window of all stores together that has made room.
    pub(crate) forgotten: Option<i64>,
    /// Those asked for.
    pub(crate) stores: Vec<RecentStore>,
}

/// What is drawn of one store.
#[derive(Debug, Clone)]
pub(crate) struct RecentStore {
    /// Which.
    pub(crate) store: StoreId,
    /// Its sums.
    pub(crate) figures: StoreFigures,
    /// Its newest windows, oldest first.
    pub(crate) windows: Vec<LiveWindow>,
    /// The newest start of a window that is not among them because it has made room.
    pub(crate) forgotten: Option<i64>,
}

impl Handler<QueryTurnover> for Turnover {
    type Result = ResponseFuture<Result<Vec<TurnoverRow>, QueryError>>;

    fn handle(&mut self, question: QueryTurnover, _ctx: &mut Self::Context) -> Self::Result {
        let (store, plan, readers) = (self.store(), self.wiring.plan.clone(), self.readers.clone());
        Box::pin(async move {
            let store = store?;
            // Held until the answer is complete: a few large answers at a time is what the memory is for.
            let _turn = readers.acquire_owned().await;
            let reading = spawn_blocking(move || query::rows(&store, &question, &plan));
            Ok(reading.await.map_err(StoreError::from)??)
        })
    }
}

impl Handler<QueryFigures> for Turnover {
    type Result = Result<Figures, QueryError>;

    fn handle(&mut self, _: QueryFigures, _ctx: &mut Self::Context) -> Self::Result {
        Ok(self.book()?.figures())
    }
}

impl Handler<QueryWindow> for Turnover {
    type Result = ResponseFuture<Result<WindowAnswer, QueryError>>;

    fn handle(&mut self, question: QueryWindow, _ctx: &mut Self::Context) -> Self::Result {
        let key = RowKey::new(question.start.timestamp_micros(), question.store);
        let (store, readers) = (self.store(), self.readers.clone());
        let figures = self.book().map(|book| book.figures());
        Box::pin(async move {
            let (store, figures) = (store?, figures?);
            let _turn = readers.acquire_owned().await;
            let reading = spawn_blocking(move || {
                let is_late = store.late.contains_key(key.late(question.id))?;
                Ok::<_, StoreError>((store.row(key)?, is_late))
            });
            let (row, is_late) = reading.await.map_err(StoreError::from)??;
            Ok(WindowAnswer { event: row.and_then(|row| row.event), figures, is_late })
        })
    }
}

impl Handler<QueryRecent> for Turnover {
    type Result = Result<RecentTurnover, QueryError>;

    fn handle(&mut self, question: QueryRecent, _ctx: &mut Self::Context) -> Self::Result {
        Ok(self.book()?.recent_of(&question.stores))
    }
}

impl Handler<QueryFailedPayments> for Turnover {
    type Result = Result<Vec<FailedPayments>, QueryError>;

    fn handle(&mut self, _: QueryFailedPayments, _ctx: &mut Self::Context) -> Self::Result {
        Ok(self.book()?.failed_payments())
    }
}
