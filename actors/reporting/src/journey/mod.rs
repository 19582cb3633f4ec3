//! Where a sale is: put together from what both of reporting's queues have delivered, and from nobody's word else.
//! Keeps nothing on disk; counts nothing; a sale that it does not know is counted all the same.

mod book;
mod notes;
mod recent;
mod steps;

use actix::{ActorFutureExt, Handler, Message, ResponseActFuture, WrapFuture};
use chrono::{DateTime, Utc};
use tillstream_domain::{AggregatedEvent, StoreId, TransactionId};
use tillstream_messages::{Journey, JourneyError, QueryError, QueryJourney};
use tillstream_supervision::AskError;
use tokio::time::Instant;

use crate::ledger::Ledger;
use crate::turnover::{Figures, StoreFigures};
use steps::{Known, Standing};

pub(crate) use book::JourneyBook;
pub(crate) use notes::{Note, Published};

/// How long Turnover may take to look at one row.
const WITHIN: std::time::Duration = std::time::Duration::from_secs(5);

/// Asks Turnover what it knows of one window.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<WindowAnswer, QueryError>")]
pub(crate) struct QueryWindow {
    pub(crate) store: StoreId,
    pub(crate) start: DateTime<Utc>,
    /// Which sale may be late for it.
    pub(crate) id: TransactionId,
}

/// What Turnover knows of one window.
#[derive(Debug, Clone, Default)]
pub(crate) struct WindowAnswer {
    /// The event that holds.
    pub(crate) event: Option<AggregatedEvent>,
    /// Of all stores, as of the last commit before the row was read.
    pub(crate) figures: Figures,
    /// The sale is among its late ones, as they are on disk.
    pub(crate) is_late: bool,
}

impl Handler<QueryJourney> for Ledger {
    type Result = ResponseActFuture<Self, Result<Journey, JourneyError>>;

    fn handle(&mut self, question: QueryJourney, _ctx: &mut Self::Context) -> Self::Result {
        let (id, journeys) = (question.id, &self.wiring.journeys);
        let Some(note) = journeys.sale(id, Instant::now()) else {
            let unknown = JourneyError::Unknown { id, newest: journeys.newest };
            return Box::pin(std::future::ready(Err(unknown)).into_actor(self));
        };
        let sale = note.sale(id);
        let start = self.wiring.plan.window_start(sale.timestamp.timestamp_micros());
        let start = DateTime::from_timestamp_micros(start).unwrap_or_default();
        let asking = self.wiring.links.window.ask(QueryWindow { store: sale.store, start, id }, WITHIN);
        let answering = asking.into_actor(self).map(move |answer, actor, _| {
            let standing = actor.standing(sale.store, start, answer)?;
            let plan = &actor.wiring.plan;
            // What was noted while Turnover was asked belongs to what it said.
            let note = actor.wiring.journeys.sale(id, Instant::now()).unwrap_or(note);
            Ok(Known { id, note: &note, standing: &standing, plan }.journey())
        });
        Box::pin(answering)
    }
}

impl Ledger {
    /// Puts what Turnover says of a window beside the own side.
    fn standing(
        &mut self,
        store: StoreId,
        start: DateTime<Utc>,
        answer: Result<Result<WindowAnswer, QueryError>, AskError>,
    ) -> Result<Standing, QueryError> {
        let unanswered = |error: AskError| QueryError::Storage(format!("turnover does not answer: {error}"));
        let WindowAnswer { event, figures, is_late } = answer.map_err(unanswered)??;
        let (start, size) = (start.timestamp_micros(), self.wiring.plan.window_micros());
        let note = self.wiring.journeys.window((store, start), Instant::now());
        let counted = self.book()?.counted_in((store, start));
        let theirs = figures.stores.get(&store).cloned().unwrap_or_else(StoreFigures::default);
        let line = self.book()?.line(store, &theirs, size)?;
        Ok(Standing {
            event,
            note,
            is_settled: start.saturating_add(size) <= theirs.final_until,
            is_balanced: line.imbalance_count == 0 && line.imbalance_cents == 0,
            counted,
            is_late,
        })
    }
}
