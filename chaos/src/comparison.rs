//! Compares the own list of answered sales with the rows of `/turnover`, per store and window, in sales and in cents.
//! Does not fetch anything and takes a window's bounds from its row.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::api::Row;
use crate::book::Entry;
use crate::cents::Cents;
use crate::sale::id_of;

/// Sales named for a difference of one.
const NAMED: usize = 3;

/// A number of sales and their money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many.
    pub count: i64,
    /// How much.
    pub cents: Cents,
}

/// One window in which account and turnover disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `STORE_<n>`.
    pub store_id: String,
    /// The window's start; `None` for sales that no window's bounds hold.
    pub window_start: Option<DateTime<Utc>>,
    /// Whether its row is final. One that is not, while the ledger has nothing open, was never decided.
    pub is_final: bool,
    /// What this drill had answered with 200.
    pub answered: Tally,
    /// What the service's window has grown by, late sales included.
    pub counted: Tally,
    /// Own sales of the window with just the amount that is off, when it is off by one sale.
    pub suspects: Vec<Uuid>,
}

/// All that is off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Answered with 200 and not counted.
    pub lost: Tally,
    /// Counted beyond what was answered.
    pub double: Tally,
    /// Windows whose number of sales is right and whose money is not.
    pub mispriced: u64,
    /// Window by window.
    pub differences: Vec<Difference>,
}

/// A store and the start of a window in microseconds; without a start: no window.
type Key = (String, Option<i64>);

impl Tally {
    fn add(&mut self, count: i64, cents: i64) {
        self.count += count;
        self.cents.0 += cents;
    }

    fn minus(self, other: Self) -> Self {
        Self { count: self.count - other.count, cents: Cents(self.cents.0 - other.cents.0) }
    }
}

impl Difference {
    /// Missing where positive, too much where negative.
    pub fn missing(&self) -> Tally {
        self.answered.minus(self.counted)
    }
}

impl Comparison {
    /// Whether every window is right.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty()
    }

    fn add(&mut self, difference: Difference) {
        let missing = difference.missing();
        match missing.count {
            1.. => self.lost.add(missing.count, missing.cents.0),
            0 => self.mispriced += 1,
            _ => self.double.add(-missing.count, -missing.cents.0),
        }
        self.differences.push(difference);
    }
}

/// What is off between `answered` and the growth of turnover from `before` to `after`.
pub(crate) fn compare(run: u64, answered: &[Entry], before: &[Row], after: &[Row]) -> Comparison {
    let bounds = Bounds::of(after);
    let mut sums = BTreeMap::<Key, (Tally, Tally)>::new();
    for entry in answered {
        sums.entry(bounds.key(entry)).or_default().0.add(1, entry.cents);
    }
    for (rows, sign) in [(after, 1), (before, -1)] {
        for row in rows {
            let (count, cents) = (row.transaction_count + row.late_count, row.total_amount.0 + row.late_amount.0);
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            sums.entry(key_of(row)).or_default().1.add(sign * count, sign * cents);
        }
    }
    let mut comparison = Comparison::default();
    for (key, (own, counted)) in sums.into_iter().filter(|(_, (own, counted))| own != counted) {
        let suspects = suspects(run, own.minus(counted), || answered.iter().filter(|entry| bounds.key(entry) == key));
        let is_final = after.iter().any(|row| key_of(row) == key && row.is_final);
        let window_start = key.1.and_then(DateTime::from_timestamp_micros);
        comparison.add(Difference {
            store_id: key.0.clone(),
            window_start,
            is_final,
            answered: own,
            counted,
            suspects,
        });
    }
    comparison
}

fn key_of(row: &Row) -> Key {
    (row.store_id.clone(), Some(row.window_start.timestamp_micros()))
}

/// The windows of every store by start, with their ends.
struct Bounds(BTreeMap<String, BTreeMap<i64, i64>>);

impl Bounds {
    fn of(rows: &[Row]) -> Self {
        let mut stores = BTreeMap::<String, BTreeMap<i64, i64>>::new();
        for row in rows {
            let windows = stores.entry(row.store_id.clone()).or_default();
            windows.insert(row.window_start.timestamp_micros(), row.window_end.timestamp_micros());
        }
        Self(stores)
    }

    fn key(&self, entry: &Entry) -> Key {
        let (store, time) = (format!("STORE_{}", entry.store), entry.time * 1_000);
        let before = self.0.get(&store).and_then(|windows| windows.range(..=time).next_back());
        let start = before.filter(|(_, end)| time < **end).map(|(start, _)| *start);
        (store, start)
    }
}

/// One sale that is missing or double has its amount: the own sales with this amount are worth a look.
fn suspects<'a, I: Iterator<Item = &'a Entry>>(run: u64, missing: Tally, own: impl FnOnce() -> I) -> Vec<Uuid> {
    if missing.count.abs() != 1 {
        return Vec::new();
    }
    let amount = missing.cents.0 * missing.count;
    own().filter(|entry| entry.cents == amount).take(NAMED).map(|entry| id_of(run, entry.number)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const SIZE: i64 = 10_000;

    /// What a faultless service says of these sales.
    pub(crate) fn rows_for_test(entries: &[Entry]) -> Vec<Row> {
        let mut rows = BTreeMap::<(u32, i64), Row>::new();
        for entry in entries {
            let start = entry.time.div_euclid(SIZE) * SIZE;
            let time = |milliseconds| DateTime::from_timestamp_millis(milliseconds).unwrap();
            let row = rows.entry((entry.store, start)).or_insert_with(|| Row {
                store_id: format!("STORE_{}", entry.store),
                window_start: time(start),
                window_end: time(start + SIZE),
                total_amount: Cents(0),
                transaction_count: 0,
                is_final: true,
                late_amount: Cents(0),
                late_count: 0,
            });
            // Late sales count as well as punctual ones.
            let is_late = entry.number.is_multiple_of(3);
            let (count, cents) = if is_late {
                (&mut row.late_count, &mut row.late_amount)
            } else {
                (&mut row.transaction_count, &mut row.total_amount)
            };
            *count += 1;
            cents.0 += entry.cents;
        }
        rows.into_values().collect()
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let entry = (1_u32..4, 0_i64..60_000, 1_i64..100_000);
        vec(entry, 1..60).prop_map(|all| {
            let number = |place: usize| u64::try_from(place).unwrap();
            let entry = |(place, (store, time, cents))| Entry { number: number(place), store, time, cents };
            all.into_iter().enumerate().map(entry).collect()
        })
    }

    fn without(all: &[Entry], place: usize) -> Vec<Entry> {
        [&all[..place], &all[place + 1..]].concat()
    }

    fn cents(value: i64) -> Cents {
        Cents(value)
    }

    proptest! {
        #[test]
        fn a_faultless_service_is_clean_whatever_was_there_before(own in entries(), foreign in entries()) {
            let before = rows_for_test(&foreign);
            let after = rows_for_test(&[foreign, own.clone()].concat());
            prop_assert_eq!(compare(1, &own, &before, &after), Comparison::default());
        }

        #[test]
        fn a_lost_sale_is_found_with_store_amount_and_id(own in entries(), pick: prop::sample::Index) {
            let lost = own[pick.index(own.len())];
            let after = rows_for_test(&without(&own, pick.index(own.len())));
            let found = compare(1, &own, &[], &after);
            prop_assert_eq!(found.lost, Tally { count: 1, cents: cents(lost.cents) });
            prop_assert_eq!((found.double, found.mispriced, found.differences.len()), (Tally::default(), 0, 1));
            prop_assert_eq!(&found.differences[0].store_id, &format!("STORE_{}", lost.store));
            let same = own.iter().filter(|entry| (entry.store, entry.cents) == (lost.store, lost.cents)).count();
            prop_assert!(same > NAMED || found.differences[0].suspects.contains(&id_of(1, lost.number)));
        }

        #[test]
        fn a_double_sale_is_found_with_store_and_amount(own in entries(), pick: prop::sample::Index) {
            let twice = own[pick.index(own.len())];
            let found = compare(1, &own, &[], &rows_for_test(&[&own[..], &[twice]].concat()));
            prop_assert_eq!(found.double, Tally { count: 1, cents: cents(twice.cents) });
            prop_assert_eq!((found.lost, found.mispriced, found.differences.len()), (Tally::default(), 0, 1));
            prop_assert!(!found.differences[0].suspects.is_empty());
        }

        #[test]
        fn a_wrong_amount_is_found_although_the_number_is_right(own in entries(), pick: prop::sample::Index) {
            let place = pick.index(own.len());
            let mut counted = own.clone();
            counted[place].cents += 1;
            let found = compare(1, &own, &[], &rows_for_test(&counted));
            prop_assert_eq!((found.lost, found.double, found.mispriced), (Tally::default(), Tally::default(), 1));
            prop_assert_eq!(found.differences[0].missing(), Tally { count: 0, cents: cents(-1) });
        }

        #[test]
        fn a_sale_in_the_wrong_store_is_lost_in_one_and_double_in_the_other(own in entries()) {
            let mut counted = own.clone();
            counted[0].store = 9;
            let found = compare(1, &own, &[], &rows_for_test(&counted));
            prop_assert_eq!((found.lost.count, found.double.count), (1, 1));
        }
    }

    #[test]
    fn a_sale_whose_window_nobody_knows_is_lost() {
        let entry = Entry { number: 1, store: 2, time: 5, cents: 300 };
        let found = compare(1, &[entry], &[], &[]);
        assert_eq!(found.lost, Tally { count: 1, cents: cents(300) });
        assert_eq!(found.differences[0].window_start, None);
    }

    #[test]
    fn a_window_that_has_vanished_is_a_loss_too() {
        let before = rows_for_test(&[Entry { number: 1, store: 2, time: 5, cents: 300 }]);
        assert_eq!(compare(1, &[], &before, &[]).lost.count, 1);
    }
}
