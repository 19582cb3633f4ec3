//! Answers how sales stand now out of both copies in memory: the ledger's own, and the one that Turnover has.
//! Does not read a disk and changes nothing but that windows found final are settled, as every look at the ledger does.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use actix::{ActorFutureExt, Handler, ResponseActFuture, WrapFuture, fut};
use tillstream_domain::{Money, StoreId, Tally};
use tillstream_messages::{LiveReport, LiveStore, Pick, QueryError, QueryLive};
use tillstream_supervision::AskError;
use tokio::time::Instant;

use super::book::LedgerBook;
use super::{Ledger, unanswered};
use crate::turnover::{QueryRecent, RecentStore, RecentTurnover};

/// How long Turnover may take: whoever draws does not wait for long.
const RECENT_WITHIN: Duration = Duration::from_millis(500);
/// Open windows of a store, or of all together, that are told of.
const FILLING: usize = 30;
/// Stores that do not balance and are told of beside those that were asked for.
const OFF: usize = 20;

/// The ledger's part of the answer.
struct Half {
    report: LiveReport,
    stores: Vec<StoreId>,
    step: u64,
}

impl Handler<QueryLive> for Ledger {
    type Result = ResponseActFuture<Self, Result<LiveReport, QueryError>>;

    fn handle(&mut self, QueryLive(pick): QueryLive, _ctx: &mut Self::Context) -> Self::Result {
        let half = match self.book() {
            Ok(book) => book.half(&pick, Instant::now()),
            Err(error) => return Box::pin(fut::ready(Err(error))),
        };
        let asking = self.wiring.links.recent.ask(QueryRecent { stores: half.stores.clone() }, RECENT_WITHIN);
        Box::pin(asking.into_actor(self).map(|answer, actor, _| actor.complete(half, answer)))
    }
}

impl Ledger {
    fn complete(
        &mut self,
        half: Half,
        answer: Result<Result<RecentTurnover, QueryError>, AskError>,
    ) -> Result<LiveReport, QueryError> {
        let theirs = answer.map_err(|error| unanswered(&error))??;
        let window_micros = self.wiring.plan.window_micros();
        self.book()?.whole(half, theirs, window_micros)
    }
}

impl LedgerBook {
    fn half(&self, pick: &Pick, now: Instant) -> Half {
        let step = self.step(now);
        let (stores, matching) = self.pick(pick, step);
        let report = LiveReport {
            stores_total: self.stores.len(),
            matching,
            accepted: self.accepted,
            last_minute: self.minute.sum(step),
            filling: self.filling(),
            balance: self.balance.clone().sums(),
            ..LiveReport::default()
        };
        Half { report, stores, step }
    }

    fn whole(&mut self, half: Half, theirs: RecentTurnover, window_micros: i64) -> Result<LiveReport, QueryError> {
        let RecentTurnover { turnover, windows, since, forgotten, stores } = theirs;
        let known = |forgotten: Option<i64>| since.max(forgotten.map(|start| start.saturating_add(window_micros)));
        let stores = stores.into_iter().map(|store| {
            let windows_since = known(store.forgotten);
            self.store(store, windows_since, half.step, window_micros)
        });
        let stores = stores.collect::<Result<_, _>>()?;
        Ok(LiveReport { turnover, windows, windows_since: known(forgotten), stores, ..half.report })
    }

    fn store(
        &mut self,
        theirs: RecentStore,
        windows_since: Option<i64>,
        step: u64,
        window_micros: i64,
    ) -> Result<LiveStore, QueryError> {
        let RecentStore { store, figures, windows, .. } = theirs;
        let ledger = self.line(store, &figures, window_micros)?;
        let side = self.stores.entry(store).or_default();
        Ok(LiveStore {
            store,
            accepted: side.total.paid(),
            last_minute: side.minute.sum(step),
            turnover: figures.shown(),
            late: figures.late,
            failed: figures.failed,
            windows,
            windows_since,
            filling: newest(side.open.iter().map(|(start, counted)| (*start, counted.paid()))),
            ledger,
        })
    }

    /// The stores that are asked for, and how many there would be without a limit.
    fn pick(&self, pick: &Pick, step: u64) -> (Vec<StoreId>, usize) {
        match pick {
            Pick::Top(limit) => {
                let (mut stores, matching) = self.best(*limit, step, |_| true);
                let off = self.balance.stores.iter().filter(|store| !stores.contains(store)).take(OFF);
                let off: Vec<_> = off.copied().collect();
                stores.extend(off);
                (stores, matching)
            }
            Pick::Matching { text, limit } => {
                let text = text.to_ascii_uppercase();
                let (mut stores, matching) = self.best(*limit, step, |store| store.to_string().contains(&text));
                // Who says a whole id means that one, however many sell more and have it in theirs.
                if let Some(meant) = text.parse().ok().filter(|meant| self.stores.contains_key(meant)) {
                    stores.retain(|store| *store != meant);
                    stores.insert(0, meant);
                    stores.truncate(*limit);
                }
                (stores, matching)
            }
        }
    }

    /// Most turnover in the last minute first, then by number.
    fn best(&self, limit: usize, step: u64, is_wanted: impl Fn(StoreId) -> bool) -> (Vec<StoreId>, usize) {
        let wanted = self.stores.iter().filter(|(store, _)| is_wanted(**store));
        let mut ranks: Vec<_> = wanted.map(|(store, side)| (Reverse(side.minute.sum(step).amount), *store)).collect();
        let matching = ranks.len();
        if limit < ranks.len() {
            ranks.select_nth_unstable(limit);
            ranks.truncate(limit);
        }
        ranks.sort_unstable();
        (ranks.into_iter().map(|(_, store)| store).collect(), matching)
    }

    /// All stores' open windows together.
    fn filling(&self) -> Vec<(i64, Tally)> {
        let mut sums: BTreeMap<i64, Tally> = BTreeMap::new();
        for (start, counted) in self.stores.values().flat_map(|side| &side.open) {
            let sum = sums.entry(*start).or_default();
            let (count, cents) = (counted.paid().count, counted.paid().amount.cents());
            *sum = Tally::new(sum.count + count, Money::from_cents(sum.amount.cents().saturating_add(cents)));
        }
        newest(sums.into_iter())
    }
}

fn newest(windows: impl DoubleEndedIterator<Item = (i64, Tally)>) -> Vec<(i64, Tally)> {
    let mut newest: Vec<_> = windows.rev().take(FILLING).collect();
    newest.reverse();
    newest
}
