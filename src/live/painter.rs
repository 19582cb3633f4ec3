//! The actor that paints the model: while a page is open, a few times a second, and never for longer than its share of a core.
//! Does nothing at all while nobody looks.

use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, WrapFuture};
use chrono::Utc;
use tillstream_messages::{LiveReport, Pick, QueryLive};
use tillstream_supervision::{SupervisedContext, supervised};
use tokio::time::Instant;

use super::board::{Board, Sources};
use super::hub::Live;

/// Reporting answers from memory; while it restarts pages go on without it.
const SALES_WITHIN: Duration = Duration::from_millis(600);
/// After a model that took a while to paint there is a pause of so many times that while: 2 % of a core.
const REST: u32 = 50;
/// Even on a machine that is slow.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// Paints.
pub struct Painter {
    live: Live,
    board: Board,
}

supervised!(Painter);

impl Painter {
    /// A painter for these pages; frames told by a former incarnation stay told.
    pub fn new(live: Live, sources: Sources) -> Self {
        Self { live, board: Board::new(sources) }
    }

    fn wait_for_somebody(&mut self, ctx: &mut SupervisedContext<Self>) {
        let live = self.live.clone();
        ctx.spawn(async move { live.wanted().await }.into_actor(self).map(|(), painter, ctx| painter.ask(ctx)));
    }

    fn ask(&mut self, ctx: &mut SupervisedContext<Self>) {
        let begun = Instant::now();
        let pick = Pick::Top(self.live.settings().top_stores);
        let asking = self.board.sources().sales.ask(QueryLive(pick), SALES_WITHIN);
        ctx.spawn(asking.into_actor(self).map(move |answer, painter, ctx| {
            let cost = painter.paint(answer.ok().and_then(Result::ok));
            let pause = painter.pause(cost).saturating_sub(begun.elapsed());
            ctx.run_later(pause, Self::go_on);
        }));
    }

    fn go_on(&mut self, ctx: &mut SupervisedContext<Self>) {
        if self.live.pages() == 0 {
            return self.wait_for_somebody(ctx);
        }
        self.ask(ctx);
    }

    fn paint(&mut self, report: Option<LiveReport>) -> Duration {
        let begun = Instant::now();
        let model = self.board.paint(report, self.live.pages(), self.next_within(), Utc::now());
        self.live.tell(model);
        begun.elapsed()
    }

    /// Whoever has heard nothing new for longer does not look at what is, whatever else the connection says.
    fn next_within(&self) -> Duration {
        self.live.settings().interval(self.live.pages()).max(LONGEST_REST) + SALES_WITHIN
    }

    fn pause(&self, cost: Duration) -> Duration {
        let rest = (cost * REST).min(LONGEST_REST);
        self.live.settings().interval(self.live.pages()).max(rest)
    }
}

impl Actor for Painter {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.go_on(ctx);
    }
}

#[cfg(test)]
mod tests;
