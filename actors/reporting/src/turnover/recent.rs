//! The newest windows of every store and of all together, in memory: what is drawn while a row is still young.
//! Does not decide anything and is not kept: rows are on disk, and a restart reads the newest of them again.

use std::collections::BTreeMap;

use ahash::AHashMap;
use tillstream_domain::{Money, StoreId, Tally};
use tillstream_messages::{CompanyWindow, LiveWindow};

use super::figures::plus;
use super::keys::RowKey;
use super::row::Row;

/// Newest windows of a store that are kept.
const PER_STORE: usize = 30;
/// Windows of all stores that are kept, about 20 MB; with more stores than a tenth of it each keeps fewer.
const IN_ALL: usize = 300_000;
/// Even with the most stores there are.
const AT_LEAST: usize = 2;
/// Rows that a start reads at most.
pub(super) const READ_AT_START: usize = 20_000;

/// The newest windows.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    stores: AHashMap<StoreId, Newest>,
    /// By start.
    company: BTreeMap<i64, CompanyWindow>,
    /// The newest start whose sum of all stores is not kept, or not right any more.
    company_forgotten: Option<i64>,
    /// Windows before are not known.
    since: Option<i64>,
    /// There are older rows that were not read.
    has_gaps: bool,
}

/// The newest windows of one store.
#[derive(Debug, Default)]
struct Newest {
    /// Oldest first.
    windows: Vec<LiveWindow>,
    /// The newest start of a window that is not among them any more.
    forgotten: Option<i64>,
}

// === impl Recent ===

impl Recent {
    /// Takes over the rows that a start has read, newest first and at most so many. Where there are more, the last window is one
    /// that was not read to its end.
    pub(crate) fn load(mut rows: Vec<(RowKey, Row)>, limit: usize) -> Self {
        let torn = rows.last().filter(|_| rows.len() >= limit).map(|(key, _)| key.window_start());
        rows.retain(|(key, _)| Some(key.window_start()) != torn);
        let mut recent = Self::default();
        for (key, row) in &rows {
            recent.put(*key, row);
        }
        recent.has_gaps = torn.is_some();
        for window in recent.stores.values_mut().flat_map(|newest| &mut newest.windows) {
            window.revision = 0;
        }
        recent
    }

    /// How many rows are worth reading where there are so many stores.
    pub(crate) fn worth_reading(stores: usize) -> usize {
        stores.saturating_mul(PER_STORE + 1).min(READ_AT_START)
    }

    /// A row as it is now.
    pub(crate) fn put(&mut self, key: RowKey, row: &Row) {
        // An old window that changes says nothing of those between.
        if self.since.is_none_or(|since| key.window_start() < since && !self.has_gaps) {
            self.since = Some(key.window_start());
        }
        let kept = self.kept();
        let newest = self.stores.entry(key.store()).or_default();
        match newest.put(key.window_start(), row, kept) {
            Some(change) => self.sum(change, kept),
            None => self.lose(key.window_start()),
        }
    }

    /// The newest windows of a store, oldest first.
    pub(crate) fn of(&self, store: StoreId) -> Vec<LiveWindow> {
        self.stores.get(&store).map(|newest| newest.windows.clone()).unwrap_or_default()
    }

    /// The newest start of a window of a store that has made room; what is said of it and of older ones may lack something.
    pub(crate) fn forgotten_of(&self, store: StoreId) -> Option<i64> {
        self.stores.get(&store)?.forgotten
    }

    /// The newest windows of all stores together, oldest first.
    pub(crate) fn company(&self) -> Vec<CompanyWindow> {
        self.company.values().copied().collect()
    }

    /// As [`Self::forgotten_of`], of all stores together.
    pub(crate) const fn company_forgotten(&self) -> Option<i64> {
        self.company_forgotten
    }

    /// Windows that start before are not known here.
    pub(crate) fn since(&self) -> Option<i64> {
        self.since
    }

    fn kept(&self) -> usize {
        (IN_ALL / self.stores.len().max(1)).clamp(AT_LEAST, PER_STORE)
    }

    fn sum(&mut self, (old, new): (LiveWindow, LiveWindow), kept: usize) {
        let is_older = self.company.first_key_value().is_some_and(|(oldest, _)| new.start < *oldest);
        if is_older && (self.has_gaps || self.company.len() >= kept) {
            return self.lose(new.start);
        }
        let sum = self.company.entry(new.start).or_insert(CompanyWindow { start: new.start, ..Default::default() });
        sum.sales = plus(plus(sum.sales, -1, old.sales), 1, new.sales);
        sum.late = plus(plus(sum.late, -1, old.late), 1, new.late);
        sum.stores += u64::from(new.has_event && !old.has_event);
        sum.final_stores += u64::from(new.is_final && !old.is_final);
        while self.company.len() > kept {
            let Some((start, _)) = self.company.pop_first() else { return };
            self.company_forgotten = self.company_forgotten.max(Some(start));
        }
    }

    /// A row that is not kept: what all stores sold in its window is not known any more.
    fn lose(&mut self, start: i64) {
        while self.company.first_key_value().is_some_and(|(oldest, _)| *oldest <= start) {
            self.company.pop_first();
        }
        self.company_forgotten = self.company_forgotten.max(Some(start));
    }
}

// === impl Newest ===

impl Newest {
    /// Puts a row among the windows; the window before and after, or `None` where it is too old to be kept.
    fn put(&mut self, start: i64, row: &Row, kept: usize) -> Option<(LiveWindow, LiveWindow)> {
        let place = match self.windows.binary_search_by_key(&start, |window| window.start) {
            Ok(place) => place,
            Err(place) => self.make_room(place, start, kept)?,
        };
        let old = self.windows[place];
        let new = window_of(start, row);
        let is_revised = new.has_event && (new.sales, new.is_final) != (old.sales, old.is_final);
        self.windows[place] = LiveWindow { revision: old.revision.saturating_add(u32::from(is_revised)), ..new };
        Some((old, new))
    }

    /// Several make room where fewer are kept than when they came.
    fn make_room(&mut self, place: usize, start: i64, kept: usize) -> Option<usize> {
        let beyond = (self.windows.len() + 1).saturating_sub(kept);
        let forgotten =
            if place < beyond { Some(start) } else { self.windows[..beyond].last().map(|oldest| oldest.start) };
        self.forgotten = self.forgotten.max(forgotten);
        if place < beyond {
            return None;
        }
        self.windows.drain(..beyond);
        self.windows.insert(place - beyond, LiveWindow { start, ..LiveWindow::default() });
        Some(place - beyond)
    }
}

fn window_of(start: i64, row: &Row) -> LiveWindow {
    let late = Tally::new(row.late_count, Money::from_cents(row.late_cents));
    let Some(event) = &row.event else { return LiveWindow { start, late, ..LiveWindow::default() } };
    let sales = Tally::new(event.transaction_count, event.total_amount);
    LiveWindow { start, sales, late, has_event: true, is_final: event.is_final, revision: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestSale, event_for_test, store_for_test, window_for_test};

    fn put_for_test(recent: &mut Recent, store: u32, second: i64, count: u64, is_final: bool) {
        let sale = |id| TestSale { id, store, cents: 100, second };
        let event = event_for_test(&(0..count).map(sale).collect::<Vec<_>>(), is_final);
        let key = RowKey::new(event.window_start.timestamp_micros(), store_for_test(store));
        recent.put(key, &Row { event: Some(event), ..Row::default() });
    }

    #[test]
    fn a_window_of_all_stores_is_their_sum_however_often_each_is_revised() {
        let mut recent = Recent::default();
        put_for_test(&mut recent, 1, 0, 2, false);
        put_for_test(&mut recent, 2, 0, 5, false);
        put_for_test(&mut recent, 1, 0, 3, false);
        put_for_test(&mut recent, 1, 0, 3, true);

        let [sum] = recent.company()[..] else { panic!("one window: {:?}", recent.company()) };
        assert_eq!((sum.sales.count, sum.sales.amount.cents(), sum.stores, sum.final_stores), (8, 800, 2, 1));
        let [window] = recent.of(store_for_test(1))[..] else { panic!("one window") };
        assert_eq!((window.sales.count, window.is_final, window.revision), (3, true, 3));
    }

    #[test]
    fn only_the_newest_windows_are_kept_and_an_older_one_changes_nothing() {
        let mut recent = Recent::default();
        for number in 10..100 {
            put_for_test(&mut recent, 1, number * 10, 1, true);
        }
        put_for_test(&mut recent, 1, 0, 9, true);

        let (store, company) = (recent.of(store_for_test(1)), recent.company());
        assert_eq!((store.len(), company.len()), (PER_STORE, PER_STORE));
        assert!(store.is_sorted_by_key(|window| window.start));
        assert_eq!(store[0].start, company[0].start);
        assert_eq!(company.iter().map(|window| window.sales.count).sum::<u64>(), PER_STORE as u64);
    }

    #[test]
    fn what_a_start_reads_has_no_revision_yet() {
        let mut recent = Recent::default();
        put_for_test(&mut recent, 1, 0, 2, false);
        let key = RowKey::new(recent.company()[0].start, store_for_test(1));
        let row = || (key, Row::default());
        let loaded = Recent::load(vec![row()], 2);

        assert_eq!(loaded.of(store_for_test(1))[0].revision, 0);
        assert_eq!(loaded.since(), Some(key.window_start()));
        assert_eq!(Recent::load(Vec::new(), 0).since(), None);
        assert_eq!(Recent::load(vec![row()], 1).since(), None, "the window may have rows that were not read");
    }

    #[test]
    fn with_very_many_stores_each_keeps_fewer_windows() {
        let mut recent = Recent::default();
        for store in 1..=IN_ALL as u32 {
            recent.stores.insert(store_for_test(store), Newest::default());
        }
        assert_eq!(recent.kept(), AT_LEAST);
        assert_eq!(Recent::worth_reading(IN_ALL), READ_AT_START);
    }

    /// As many stores that a store keeps so many windows.
    fn crowded_for_test(kept: usize) -> Recent {
        let mut recent = Recent::default();
        for store in 100..100 + (IN_ALL / kept) as u32 {
            recent.stores.insert(store_for_test(store), Newest::default());
        }
        assert!((kept - 1..=kept).contains(&recent.kept()), "{}", recent.kept());
        recent
    }

    #[test]
    fn a_window_that_made_room_is_forgotten_and_no_window_without_sales() {
        let mut recent = crowded_for_test(3);
        for number in 0..6 {
            put_for_test(&mut recent, 1, number * 10, 1, true);
        }
        put_for_test(&mut recent, 2, 0, 1, true);

        let (busy, quiet) = (store_for_test(1), store_for_test(2));
        let kept = recent.kept();
        let oldest = recent.of(busy)[0].start;
        assert_eq!(recent.of(busy).len(), kept);
        assert_eq!(recent.forgotten_of(busy), Some(oldest - 10_000_000), "the one before the oldest that is kept");
        assert_eq!(recent.forgotten_of(quiet), None, "a store that has few windows has forgotten none");
        assert_eq!(recent.company_forgotten(), Some(oldest - 10_000_000));
        assert!(recent.since() < recent.company_forgotten(), "what was known once does not say what is known now");
    }

    #[test]
    fn a_row_for_which_there_is_no_room_any_more_takes_the_sum_of_all_stores_with_it() {
        let mut recent = Recent::default();
        for number in 0..PER_STORE as i64 {
            put_for_test(&mut recent, 1, number * 20, 1, true);
        }
        put_for_test(&mut recent, 2, 50, 1, true);
        for store in 100..100 + IN_ALL as u32 / 3 {
            recent.stores.insert(store_for_test(store), Newest::default());
        }
        let (store, start) = (store_for_test(1), window_for_test(50).timestamp_micros());
        assert!(recent.company().iter().any(|window| window.start == start));

        put_for_test(&mut recent, 1, 50, 1, true);
        assert_eq!((recent.of(store).len(), recent.forgotten_of(store)), (PER_STORE, Some(start)));
        assert_eq!(recent.company_forgotten(), Some(start));
        assert!(recent.company().iter().all(|window| window.start > start), "{:?}", recent.company());

        put_for_test(&mut recent, 1, 1_000, 1, true);
        assert_eq!(recent.of(store).len(), recent.kept());
        assert!(recent.of(store).is_sorted_by_key(|window| window.start));
    }
}
