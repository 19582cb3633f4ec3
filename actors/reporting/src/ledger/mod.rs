//! Ledger: the actor that counts the distinct paid sales of its own queue and holds them against what final windows say.
//! Does not read turnover's database and never asks aggregation: it asks Turnover by a message and compares.

mod book;
mod live;
mod minute;
mod pass;
mod side;
mod store;
#[cfg(test)]
mod tests;

use std::time::Duration;

use actix::{ActorFutureExt, Handler, ResponseActFuture, WrapFuture};
use tillstream_messages::{LedgerReport, QueryError, QueryLedger};
use tillstream_supervision::{AskError, Port, supervised};

use crate::consumer::Consumer;
use crate::journey::QueryWindow;
use crate::metrics;
use crate::turnover::{Figures, QueryFigures, QueryRecent};

pub(crate) use book::LedgerBook;

/// Keeps the ledger's own side; consumes its own queue of receipts.
pub(crate) type Ledger = Consumer<LedgerBook>;

supervised!(Ledger);

/// How long Turnover may take for its figures.
const FIGURES_WITHIN: Duration = Duration::from_secs(5);

/// What the ledger asks Turnover.
#[derive(Clone)]
pub(crate) struct TurnoverPorts {
    /// What final windows say.
    pub(crate) figures: Port<QueryFigures>,
    /// What is drawn of some stores.
    pub(crate) recent: Port<QueryRecent>,
    /// One window of one store.
    pub(crate) window: Port<QueryWindow>,
}

impl Handler<QueryLedger> for Ledger {
    type Result = ResponseActFuture<Self, Result<LedgerReport, QueryError>>;

    fn handle(&mut self, _: QueryLedger, _ctx: &mut Self::Context) -> Self::Result {
        let asking = self.wiring.links.figures.ask(QueryFigures, FIGURES_WITHIN);
        Box::pin(asking.into_actor(self).map(|answer, actor, _| actor.compare(answer)))
    }
}

impl Ledger {
    /// Holds the own side against the other one and shows the difference.
    pub(crate) fn compare(
        &mut self,
        answer: Result<Result<Figures, QueryError>, AskError>,
    ) -> Result<LedgerReport, QueryError> {
        let figures = answer.map_err(|error| unanswered(&error))??;
        let plan = self.wiring.plan.clone();
        let report = self.book()?.report(&figures, plan.window_micros())?;
        let imbalance = report.stores.iter().map(|line| (line.store, line.imbalance_cents));
        metrics::show_imbalance(imbalance, plan.max_store_labels);
        Ok(report)
    }
}

fn unanswered(error: &AskError) -> QueryError {
    QueryError::Storage(format!("turnover does not answer: {error}"))
}
