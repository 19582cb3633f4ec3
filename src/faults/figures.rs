//! The figures of this process that a fault may move: sales told again, repetitions, and what the ledger misses.
//! Does not count anything itself: it reads the counters of rooms and asks the ledger.

use std::time::Duration;

use tillstream_messages::{LedgerReport, QueryLedger};
use tokio::time::{Instant, sleep};

use super::gap::{Gap, Imbalances};
use super::verdict::Difference;
use crate::http::Door;

/// How the ledger is asked.
pub type LedgerDoor = Door<QueryLedger>;

const REPLAYED: &str = "pos_replayed_total";
const DUPLICATES: &str = "pos_duplicates_total";

/// A ledger that is busy or restarts is not waited for.
const LEDGER_WITHIN: Duration = Duration::from_millis(500);
/// What an incarnation asks for again is told right after its start: this long nothing more must be told.
const CALM: Duration = Duration::from_millis(40);
/// Both sides of the ledger come by different queues, so one may be ahead of the other; and it may itself be restarting.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);

/// Reads the figures.
pub(super) struct Figures {
    ledger: Option<LedgerDoor>,
}

/// The figures at one moment.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    replayed: u64,
    duplicates: u64,
    books: Option<Books>,
}

/// The ledger at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Books {
    imbalances: Imbalances,
    open: Difference,
    /// Where the oldest and the newest window of any store that is not final start.
    open_starts: Option<(i64, i64)>,
}

/// From one reading to another.
#[derive(Debug, Clone)]
pub(super) struct Growth {
    pub(super) replayed: u64,
    pub(super) duplicates: u64,
    pub(super) lost: Option<Difference>,
    pub(super) double: Option<Difference>,
    pub(super) open: Option<Difference>,
    /// The ledger before, and the start of the newest window that is open now (the beginning of time where none is, but the
    /// books are uneven: one side may only be behind). There is something to look at again.
    pub(super) unjudged: Option<(Books, i64)>,
}

// === impl Figures ===

impl Figures {
    pub(super) const fn new(ledger: Option<LedgerDoor>) -> Self {
        Self { ledger }
    }

    /// As they stand.
    pub(super) async fn read(&self) -> Reading {
        let books = self.books().await;
        Reading { replayed: counter(REPLAYED), duplicates: counter(DUPLICATES), books }
    }

    /// What has grown, once nothing is told again any more and the ledger answers evenly or has had its time.
    pub(super) async fn growth_since(&self, before: &Reading) -> Growth {
        let give_up = Instant::now() + SETTLE_WITHIN;
        let mut growth = self.read().await.since(before);
        loop {
            sleep(CALM).await;
            let again = self.read().await.since(before);
            let is_calm = again.replayed == growth.replayed && (before.books.is_none() || again.is_even());
            growth = again;
            if is_calm || Instant::now() >= give_up {
                return growth;
            }
        }
    }

    /// What the ledger says; `None` when it does not.
    pub(super) async fn books(&self) -> Option<Books> {
        let answer = self.ledger.as_ref()?.ask(QueryLedger, LEDGER_WITHIN).await;
        Some(Books::of(&answer.ok()?.ok()?))
    }
}

// === impl Reading ===

impl Reading {
    fn since(self, before: &Self) -> Growth {
        let books = self.books.as_ref().zip(before.books.as_ref());
        let growth = books.map(|(now, then)| now.beyond(then).sums());
        Growth {
            replayed: self.replayed.saturating_sub(before.replayed),
            duplicates: self.duplicates.saturating_sub(before.duplicates),
            lost: growth.map(|(lost, _)| lost),
            double: growth.map(|(_, double)| double),
            open: self.books.as_ref().map(|now| now.open),
            unjudged: books.and_then(|(now, then)| Some((then.clone(), now.unjudged_until(then)?))),
        }
    }
}

// === impl Books ===

impl Books {
    /// Whether every window that starts until then is final.
    pub(super) fn are_final_until(&self, start: i64) -> bool {
        self.open_starts.is_none_or(|(oldest, _)| oldest > start)
    }

    /// The start of the newest window that the judgement has to wait for.
    fn unjudged_until(&self, before: &Self) -> Option<i64> {
        let newest = self.open_starts.map(|(_, newest)| newest);
        newest.or_else(|| (!self.beyond(before).is_even()).then_some(i64::MIN))
    }

    /// What is missing and what is too much now and was not before.
    pub(super) fn beyond(&self, before: &Self) -> Gap {
        self.imbalances.beyond(&before.imbalances)
    }

    fn of(report: &LedgerReport) -> Self {
        let mut books = Self { imbalances: Imbalances::of(&report.stores), ..Self::default() };
        for store in &report.stores {
            books.open.count += i64::try_from(store.open.0).unwrap_or(i64::MAX);
            books.open.cents += store.open.1.cents();
            books.open_starts = widest(books.open_starts, store.open_starts);
        }
        books
    }
}

// === impl Growth ===

impl Growth {
    fn is_even(&self) -> bool {
        self.lost == Some(Difference::NONE) && self.double == Some(Difference::NONE)
    }
}

fn widest(one: Option<(i64, i64)>, other: Option<(i64, i64)>) -> Option<(i64, i64)> {
    let Some((one, other)) = one.zip(other) else { return one.or(other) };
    Some((one.0.min(other.0), one.1.max(other.1)))
}

/// The sum of a counter of this process over its labels; 0 where nobody counts.
fn counter(name: &str) -> u64 {
    let families = prometheus::gather();
    let metrics = families.iter().filter(|family| family.name() == name).flat_map(|family| family.get_metric());
    // A counter of whole things is a float only inside the registry.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counters are whole and never negative"
    )]
    metrics.map(|metric| metric.get_counter().get_value() as u64).sum()
}

#[cfg(test)]
mod tests;
