use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::DateTime;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{Money, Sale, StoreId, TransactionId};

const SECOND: i64 = 1_000;

fn rules_for_test() -> WindowRules {
    WindowRules {
        size_ms: 10 * SECOND,
        disorder_ms: SECOND,
        idle_ms: 5 * SECOND,
        allowed_lateness_ms: 30 * SECOND,
        update_interval_ms: SECOND,
        currency: "EUR".into(),
    }
}

fn windows_for_test() -> StoreWindows {
    StoreWindows::new(StoreId::from_number(1).unwrap(), rules_for_test(), None, 0)
}

fn sale_at(number: u128, timestamp_ms: i64, accepted_ms: i64, cents: i64) -> Sale {
    Sale {
        id: TransactionId::new(Uuid::from_u128(number)),
        store: StoreId::from_number(1).unwrap(),
        timestamp: DateTime::from_timestamp_millis(timestamp_ms).unwrap(),
        accepted_at: DateTime::from_timestamp_millis(accepted_ms).unwrap(),
        amount: Money::from_cents(cents),
    }
}

fn tag(number: u64) -> SaleTag {
    SaleTag { epoch: 1, number }
}

fn progress(at_ms: i64) -> Option<QueueProgress> {
    Some(QueueProgress { span: 1, at_ms })
}

/// Folds a sale that is timely by its own clock, then says what is due.
fn fold_at(windows: &mut StoreWindows, number: u64, at_ms: i64) -> Vec<Due> {
    let sale = sale_at(number.into(), at_ms, at_ms, 100);
    windows.fold(&sale, tag(number), progress(at_ms));
    windows.advance(progress(at_ms), at_ms)
}

fn finals(due: &[Due]) -> Vec<i64> {
    let starts = due.iter().filter_map(|due| match due {
        Due::Final(window) => Some(window.event.window_start.timestamp_millis()),
        Due::Emission(..) => None,
    });
    starts.collect()
}

#[test]
fn a_window_is_emitted_when_the_watermark_reaches_its_end_and_final_thirty_seconds_later() {
    let mut windows = windows_for_test();
    assert!(fold_at(&mut windows, 1, 5 * SECOND).is_empty());
    assert!(fold_at(&mut windows, 2, 11 * SECOND - 1).is_empty());
    let first = fold_at(&mut windows, 3, 11 * SECOND);
    assert!(matches!(&first[..], [Due::Emission(EmissionKind::First, event)] if event.transaction_count == 1));
    assert!(finals(&fold_at(&mut windows, 4, 41 * SECOND - 1)).is_empty());
    assert_eq!(finals(&fold_at(&mut windows, 5, 41 * SECOND)), [0]);
}

#[test]
fn a_sale_of_a_final_window_is_late_for_that_window_and_never_reopens_it() {
    let mut windows = windows_for_test();
    fold_at(&mut windows, 1, 5 * SECOND);
    fold_at(&mut windows, 2, 60 * SECOND);
    let late = windows.fold(&sale_at(3, 9_999, 60 * SECOND, 70), tag(3), None);
    let Fold::Late(held) = late else { panic!("the window is final") };
    assert_eq!(held.late.window_start.timestamp_millis(), 0);
    assert_eq!(windows.recognise(held.late.sale.id, tag(3)), Recognition::Known);
    assert_eq!(windows.undecided().1, [held]);
    assert!(windows.late_decided(held.late.sale.id, tag(3)).is_empty());
}

#[test]
fn more_sales_within_the_allowed_lateness_update_a_window_at_most_once_per_second() {
    let mut windows = windows_for_test();
    fold_at(&mut windows, 1, 5 * SECOND);
    fold_at(&mut windows, 2, 12 * SECOND);
    windows.fold(&sale_at(3, 6 * SECOND, 12 * SECOND, 1), tag(3), progress(12 * SECOND));
    assert!(windows.advance(progress(12 * SECOND), 12 * SECOND + 999).is_empty());
    let update = windows.advance(progress(12 * SECOND), 13 * SECOND);
    assert!(matches!(&update[..], [Due::Emission(EmissionKind::Update, event)] if event.transaction_count == 2));
    assert!(windows.advance(progress(12 * SECOND), 20 * SECOND).is_empty());
}

#[test]
fn an_idle_store_closes_by_queue_progress_not_by_wall_clock() {
    let mut windows = windows_for_test();
    fold_at(&mut windows, 1, 5 * SECOND);
    assert!(windows.advance(progress(5 * SECOND), 3_600 * SECOND).is_empty());
    assert!(windows.advance(None, 7_200 * SECOND).is_empty());
    assert!(windows.advance(progress(10 * SECOND), 0).is_empty());
    assert_eq!(windows.advance(progress(11 * SECOND), 0).len(), 1);
    assert_eq!(finals(&windows.advance(progress(41 * SECOND), 0)), [0]);
}

#[test]
fn an_outage_of_the_flow_closes_nothing_early() {
    let mut windows = windows_for_test();
    fold_at(&mut windows, 1, 5 * SECOND);
    let after = |at_ms| Some(QueueProgress { span: 2, at_ms });
    assert!(windows.advance(after(900 * SECOND), 0).is_empty());
    assert!(windows.advance(after(905 * SECOND), 0).is_empty());
    assert_eq!(finals(&windows.advance(after(936 * SECOND), 0)), [0]);
}

#[test]
fn one_till_59_s_ahead_for_five_minutes_makes_no_other_tills_sale_late() {
    let mut windows = windows_for_test();
    for second in 0..300 {
        let now = (1_000 + second) * SECOND;
        let ahead = sale_at(second as u128 * 2, now + 59 * SECOND, now, 100);
        let honest = sale_at(second as u128 * 2 + 1, now - SECOND, now, 100);
        assert_eq!(windows.fold(&ahead, tag(second as u64 * 2), progress(now)), Fold::Counted);
        assert_eq!(windows.fold(&honest, tag(second as u64 * 2 + 1), progress(now)), Fold::Counted);
        windows.advance(progress(now), now);
    }
}

/// Otherwise this incarnation settles the first copy, the next one the second, and nothing is left of the sale.
#[test]
fn no_copy_of_an_undecided_sale_is_a_duplicate_that_may_be_settled() {
    let copy = |number| SaleTag { epoch: SaleTag::COPIES, number };
    let sale = sale_at(1, 0, 0, 5);
    let mut windows = windows_for_test();
    windows.fold(&sale, copy(1), None);

    assert_eq!(windows.recognise(sale.id, tag(7)), Recognition::DeliveredAgain);
    assert_eq!(windows.recognise(sale.id, copy(2)), Recognition::DeliveredAgain);
    assert_eq!(windows.recognise(sale.id, copy(1)), Recognition::DeliveredAgain);
    assert_eq!(windows.recognise(sale.id, copy(1)), Recognition::Known);
}

#[test]
fn windows_before_the_epoch_and_of_odd_sizes_are_aligned_to_it() {
    let odd = WindowRules { size_ms: 7, ..rules_for_test() };
    let start = |ms| odd.start_of(DateTime::from_timestamp_millis(ms).unwrap());
    assert_eq!([start(-1), start(-7), start(-8), start(0), start(6), start(7)], [-7, -7, -14, 0, 0, 7]);
    let just_before = DateTime::from_timestamp(-1, 999_999_999).unwrap();
    assert_eq!(odd.start_of(just_before), -7);
}

#[test]
fn a_repeated_decision_keeps_deliveries_that_came_after_it() {
    let mut windows = windows_for_test();
    fold_at(&mut windows, 1, 5 * SECOND);
    fold_at(&mut windows, 2, 60 * SECOND);
    let (closing, _) = windows.undecided();
    let sale = closing[0].sales[0];
    let again = SaleTag { epoch: 2, number: 1 };
    assert_eq!(windows.recognise(sale.id, again), Recognition::DeliveredAgain);
    assert_eq!(windows.recognise(sale.id, again), Recognition::Known);
    assert_eq!(windows.recognise(sale.id, tag(9)), Recognition::Duplicate);
    assert_eq!(windows.window_decided(closing[0].event.window_start, 77), None);
    assert_eq!(windows.window_decided(closing[0].event.window_start, closing[0].decision), Some(vec![again]));
    assert_eq!(windows.recognise(sale.id, again), Recognition::New);
}

/// A plain reference: group distinct sales by window, sum.
fn naive_totals(sales: &[Sale]) -> BTreeMap<i64, i64> {
    let mut seen = HashSet::new();
    let mut totals = BTreeMap::new();
    for sale in sales {
        if seen.insert(sale.id) {
            *totals.entry(sale.timestamp.timestamp().div_euclid(10)).or_insert(0) += sale.amount.cents();
        }
    }
    totals
}

/// Everything that a store's windows say about a sequence of deliveries: totals of final windows plus late sales.
fn windowed_totals(deliveries: &[Sale]) -> BTreeMap<i64, i64> {
    let mut windows = windows_for_test();
    let mut index = HashSet::new();
    let mut totals: HashMap<i64, i64> = HashMap::new();
    let mut now = 0;
    for (number, sale) in deliveries.iter().enumerate() {
        now = now.max(sale.accepted_at.timestamp_millis());
        deliver(&mut windows, sale, tag(number as u64), now, &mut index, &mut totals);
        settle(&mut windows, progress(now), &mut index, &mut totals);
    }
    settle(&mut windows, progress(now + 3_600 * SECOND), &mut index, &mut totals);
    assert!(windows.is_idle());
    totals.into_iter().collect()
}

fn deliver(
    windows: &mut StoreWindows,
    sale: &Sale,
    tag: SaleTag,
    now: i64,
    index: &mut HashSet<TransactionId>,
    totals: &mut HashMap<i64, i64>,
) {
    if windows.recognise(sale.id, tag) != Recognition::New || index.contains(&sale.id) {
        return;
    }
    if let Fold::Late(held) = windows.fold(sale, tag, progress(now)) {
        *totals.entry(held.late.window_start.timestamp().div_euclid(10)).or_insert(0) += sale.amount.cents();
        index.insert(sale.id);
        windows.late_decided(sale.id, tag);
    }
}

fn settle(
    windows: &mut StoreWindows,
    progress: Option<QueueProgress>,
    index: &mut HashSet<TransactionId>,
    totals: &mut HashMap<i64, i64>,
) {
    for due in windows.advance(progress, 0) {
        let Due::Final(window) = due else { continue };
        let key = window.event.window_start.timestamp().div_euclid(10);
        *totals.entry(key).or_insert(0) += window.event.total_amount.cents();
        index.extend(window.sales.iter().map(|sale| sale.id));
        windows.window_decided(window.event.window_start, window.decision).unwrap();
    }
}

proptest! {
    #[test]
    fn any_order_duplication_and_disorder_gives_the_totals_of_a_naive_batch_computation(
        raw in prop::collection::vec((0_i64..200_000, 0_i64..400_000, 1_i64..100_000), 1..80),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..120),
    ) {
        let sales: Vec<Sale> = raw
            .iter()
            .enumerate()
            .map(|(number, &(time, arrival, cents))| sale_at(number as u128, time - 50_000, arrival, cents))
            .collect();
        let mut deliveries: Vec<Sale> = order.iter().map(|index| *index.get(&sales)).collect();
        deliveries.extend(&sales);
        prop_assert_eq!(windowed_totals(&deliveries), naive_totals(&sales));
    }
}
