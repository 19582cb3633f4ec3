//! The drill's own account: what was sent, what became of it, and which statuses came back.
//! Does not compare; `comparison` does.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// Unexpected answers that are told one by one; the rest is counted.
const TOLD: usize = 50;

/// A paid sale; 32 bytes, so that a million is no burden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Which sale of the run.
    pub(crate) number: u64,
    /// The store's number.
    pub(crate) store: u32,
    /// Event time in milliseconds of the Unix epoch.
    pub(crate) time: i64,
    /// The sum of its lines.
    pub(crate) cents: i64,
}

/// The account of one run. Clones write into the same book.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book(Arc<Mutex<Pages>>);

/// What stands in the book.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pages {
    /// Sent, not answered; a failed payment is `None`.
    pub(crate) under_way: HashMap<u64, Option<Entry>>,
    /// Paid and answered with 200.
    pub(crate) answered: Vec<Entry>,
    /// Counts.
    pub(crate) counts: Counts,
    /// Answers that no valid sale should get, the first of them.
    pub(crate) violations: Vec<String>,
}

/// What the load did and what it met.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Different sales.
    pub sent: u64,
    /// Of them answered with 200, failed payments included.
    pub answered: u64,
    /// Of these, failed payments: recorded, no turnover.
    pub failed_payments: u64,
    /// Refused for good.
    pub refused: u64,
    /// Attempts beyond the first of a sale, without the repetitions on purpose.
    pub retries: u64,
    /// Sent once more on purpose, after the 200 or at the same time.
    pub repetitions: u64,
    /// Answers by status, over all attempts.
    pub statuses: BTreeMap<u16, u64>,
    /// Attempts whose connection was refused or broke.
    pub cuts: u64,
    /// Attempts without an answer in time.
    pub timeouts: u64,
    /// Answers that no valid sale should get.
    pub violations: u64,
}

impl Counts {
    /// What was added to an earlier state of the same account.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let of = |field: fn(&Self) -> u64| field(self).saturating_sub(field(before));
        let status = |(status, count): (&u16, &u64)| {
            let grown = count.saturating_sub(before.statuses.get(status).copied().unwrap_or_default());
            (grown > 0).then_some((*status, grown))
        };
        Self {
            sent: of(|counts| counts.sent),
            answered: of(|counts| counts.answered),
            failed_payments: of(|counts| counts.failed_payments),
            refused: of(|counts| counts.refused),
            retries: of(|counts| counts.retries),
            repetitions: of(|counts| counts.repetitions),
            statuses: self.statuses.iter().filter_map(status).collect(),
            cuts: of(|counts| counts.cuts),
            timeouts: of(|counts| counts.timeouts),
            violations: of(|counts| counts.violations),
        }
    }
}

impl Book {
    /// The pages, for as long as the guard lives; never across an await.
    pub(crate) fn open(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// A sale is about to be sent for the first time.
    pub(crate) fn sending(&mut self, number: u64, entry: Option<Entry>) {
        self.counts.sent += 1;
        self.under_way.insert(number, entry);
    }

    /// It has its 200. A sale that is sent twice gets two; only the first counts.
    pub(crate) fn accepted(&mut self, number: u64) {
        let Some(entry) = self.under_way.remove(&number) else { return };
        self.counts.answered += 1;
        match entry {
            Some(entry) => self.answered.push(entry),
            None => self.counts.failed_payments += 1,
        }
    }

    /// It was refused for good.
    pub(crate) fn refused(&mut self, number: u64) {
        if self.under_way.remove(&number).is_some() {
            self.counts.refused += 1;
        }
    }

    /// An answer came.
    pub(crate) fn status(&mut self, status: u16) {
        *self.counts.statuses.entry(status).or_default() += 1;
    }

    /// An answer that a valid sale should not get.
    pub(crate) fn violation(&mut self, text: String) {
        self.counts.violations += 1;
        if self.violations.len() < TOLD {
            self.violations.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_that_is_sent_twice_counts_once_and_a_failed_payment_is_no_turnover() {
        let book = Book::default();
        let entry = Entry { number: 0, store: 1, time: 5, cents: 120 };
        book.open().sending(0, Some(entry));
        book.open().sending(1, None);
        book.open().sending(2, Some(Entry { number: 2, ..entry }));

        [0, 0, 1].into_iter().for_each(|number| book.open().accepted(number));

        let pages = book.open();
        assert_eq!(pages.answered, [entry]);
        assert_eq!((pages.counts.sent, pages.counts.answered, pages.counts.failed_payments), (3, 2, 1));
        assert_eq!(pages.under_way.keys().collect::<Vec<_>>(), [&2]);
    }
}
