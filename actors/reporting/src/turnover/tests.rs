use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use proptest::prelude::*;
use tillstream_domain::fixtures::sample_time;
use tillstream_domain::{AggregatedEvent, Money};
use tillstream_messages::{InboundMessage, QueryTurnover, TurnoverRow};

use super::book::TurnoverBook;
use super::pass::Pass;
use super::query;
use super::store::{TurnoverStore, days_of};
use crate::consumer::{Book, Written};
use crate::rejects::Reject;
use crate::testing::*;

const ALL: QueryTurnover = QueryTurnover { store: None, from: None, to: None, limit: usize::MAX };

/// Opens, folds and closes: every batch is followed by a restart.
fn fold_for_test(directory: &Path, messages: &[InboundMessage]) -> (TurnoverBook, Vec<Reject>) {
    let plan = plan_for_test(directory);
    let (store, mut book) = TurnoverBook::open(&plan, Utc::now()).expect("opened");
    let mut pass = Pass::new(&store, &plan, Utc::now()).expect("begun");
    for message in messages {
        pass.fold(message).expect("folded");
    }
    let Written { change, rejects, .. } = pass.commit().expect("committed");
    book.absorb(change, &plan);
    (book, rejects)
}

fn rows_for_test(directory: &Path, question: &QueryTurnover) -> Vec<TurnoverRow> {
    let plan = plan_for_test(directory);
    let store = TurnoverStore::open(&plan, Utc::now()).expect("opened");
    query::rows(&store, question, &plan).expect("answered")
}

fn window_sales_for_test(store: u32, second: i64, count: u64) -> Vec<TestSale> {
    let sale = |n: u64| TestSale { id: u64::from(store) * 1_000 + n, store, cents: 100 + n.cast_signed(), second };
    (0..count).map(sale).collect()
}

#[test]
fn a_row_that_never_became_final_counts_once_later_windows_of_its_store_are_final() {
    let directory = tempfile::tempdir().expect("a directory");
    let (first, second) = (window_sales_for_test(1, 0, 3), window_sales_for_test(1, 10, 2));
    let told = [event_for_test(&first[..2], false), event_for_test(&first, false), event_for_test(&second, false)];
    let messages = [&told[0], &told[1], &told[2]].map(|event| aggregation_for_test(1, event));

    let (book, _) = fold_for_test(directory.path(), &messages);
    assert_eq!(book.figures().stores[&store_for_test(1)].in_windows().count, 0);

    let skipping = event_for_test(&second, true);
    let (book, _) = fold_for_test(directory.path(), &[aggregation_for_test(2, &skipping)]);
    let sum = (told[1].transaction_count + 2, told[1].total_amount.cents() + skipping.total_amount.cents());
    let in_windows = book.figures().stores[&store_for_test(1)].in_windows();
    assert_eq!((in_windows.count, in_windows.amount.cents()), sum);

    let (book, _) = fold_for_test(directory.path(), &[aggregation_for_test(3, &event_for_test(&first, true))]);
    assert_eq!(book.figures().stores[&store_for_test(1)].in_windows(), in_windows);
}

#[test]
fn of_two_events_for_one_window_the_final_one_and_then_the_greater_count_holds() {
    let directory = tempfile::tempdir().expect("a directory");
    let sales = window_sales_for_test(1, 0, 3);
    let holds = event_for_test(&sales, true);
    let events = [
        event_for_test(&sales[..2], true),
        holds.clone(),
        event_for_test(&sales, false),
        event_for_test(&sales[..1], false),
        event_for_test(&sales[..2], true),
    ];

    for (number, event) in events.iter().enumerate() {
        fold_for_test(directory.path(), &[aggregation_for_test(number as u64, event)]);
    }

    let (book, _) = fold_for_test(directory.path(), &[]);
    let counted = book.figures().stores[&store_for_test(1)].in_windows();
    assert_eq!((counted.count, counted.amount), (holds.transaction_count, holds.total_amount));
    let rows = rows_for_test(directory.path(), &ALL);
    assert_eq!(rows, [TurnoverRow { event: holds, late_amount: Money::ZERO, late_count: 0 }]);
}

#[test]
fn a_late_sale_is_added_once_to_its_window_also_when_the_window_never_had_an_event() {
    let directory = tempfile::tempdir().expect("a directory");
    let late = TestSale { id: 7, store: 2, cents: 250, second: 33 };

    fold_for_test(directory.path(), &[late.late(1), late.late(2)]);
    let (book, _) = fold_for_test(directory.path(), &[late.late(3)]);

    let rows = rows_for_test(directory.path(), &ALL);
    assert_eq!((rows.len(), rows[0].late_amount, rows[0].late_count), (1, Money::from_cents(250), 1));
    assert!(rows[0].event.is_final && rows[0].event.transaction_count == 0);
    assert_eq!(rows[0].event.window_start, window_for_test(33));
    let figures = book.figures().stores[&store_for_test(2)].clone();
    assert_eq!((figures.late.count, figures.late.amount), (1, Money::from_cents(250)));
    assert_eq!(figures.final_until, sample_time(40_000).timestamp_micros());
}

#[test]
fn failed_payments_are_counted_once_per_store_and_are_no_turnover() {
    let directory = tempfile::tempdir().expect("a directory");
    let sale = |id, store| TestSale { id, store, cents: 100, second: 0 };

    fold_for_test(directory.path(), &[sale(1, 3).failed(1), sale(2, 3).failed(2), sale(3, 4).failed(3)]);
    let (book, rejects) = fold_for_test(directory.path(), &[sale(1, 3).failed(4)]);

    let counts: Vec<_> = book.failed_payments().iter().map(|failed| (failed.store.number(), failed.count)).collect();
    assert_eq!((counts, rejects.len()), (vec![(3, 2), (4, 1)], 0));
    assert!(rows_for_test(directory.path(), &ALL).is_empty());
}

#[test]
fn what_cannot_be_read_is_counted_once_and_rejected_each_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let event = event_for_test(&window_sales_for_test(1, 0, 2), true);
    let poison = inbound_for_test(1, "sale/pos/transaction/late/STORE_1/x", "{}");
    let foreign = inbound_for_test(2, "other/topic", "hello");

    let (_, first) = fold_for_test(directory.path(), &[poison.clone(), foreign, aggregation_for_test(3, &event)]);
    let (book, again) = fold_for_test(directory.path(), &[poison]);

    assert_eq!((first.len(), again.len(), book.figures().poison), (2, 1, 2));
    assert_eq!(first[0].document.queue, "sale_pos_transaction_reporting.q");
    assert_eq!(rows_for_test(directory.path(), &ALL).len(), 1);
}

#[test]
fn questions_are_answered_newest_first_within_their_bounds() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut messages = Vec::new();
    for (store, window) in (1..=3).flat_map(|store| (0..5).map(move |window| (store, window))) {
        let sales = window_sales_for_test(store, window * 10, 1);
        messages.push(aggregation_for_test(messages.len() as u64, &event_for_test(&sales, true)));
    }
    fold_for_test(directory.path(), &messages);
    let ask = |question| -> Vec<(i64, u32)> {
        let place = |row: &TurnoverRow| {
            ((row.event.window_start - sample_time(0)).num_seconds() / 10, row.event.store_id.number())
        };
        rows_for_test(directory.path(), &question).iter().map(place).collect()
    };

    assert_eq!(ask(QueryTurnover { limit: 4, ..ALL }), [(4, 1), (4, 2), (4, 3), (3, 1)]);
    let bounded = QueryTurnover { from: Some(sample_time(10_000)), to: Some(sample_time(30_000)), ..ALL };
    assert_eq!(ask(bounded.clone()), [(2, 1), (2, 2), (2, 3), (1, 1), (1, 2), (1, 3)]);
    assert_eq!(ask(QueryTurnover { store: Some(store_for_test(2)), ..bounded }), [(2, 2), (1, 2)]);
    assert_eq!(ask(QueryTurnover { store: Some(store_for_test(2)), limit: 2, ..ALL }), [(4, 2), (3, 2)]);
}

#[test]
fn rows_go_when_their_retention_is_over_and_the_sums_stay() {
    let directory = tempfile::tempdir().expect("a directory");
    let sales = window_sales_for_test(1, 0, 2);
    let late = TestSale { id: 9, ..sales[0] };
    let event = aggregation_for_test(1, &event_for_test(&sales, true));
    fold_for_test(directory.path(), &[event.clone(), late.late(2)]);
    let retention = days_of(Duration::from_secs(3 * 24 * 60 * 60));

    {
        let store = TurnoverStore::open(&plan_for_test(directory.path()), Utc::now()).expect("opened");
        let clean = |days| store.housekeeping(Utc::now() + TimeDelta::days(days), retention).expect("cleaned");
        assert_eq!((clean(3), clean(5), clean(5)), (0, 1, 0));
        assert!(store.late.is_empty().expect("read") && store.by_store.is_empty().expect("read"));
    }

    assert!(rows_for_test(directory.path(), &ALL).is_empty());
    let (book, _) = fold_for_test(directory.path(), &[]);
    assert_eq!(book.figures().stores[&store_for_test(1)].in_windows().count, 2);
}

/// Store and second of a window to the cents of its event and of its late sales.
type Sums = BTreeMap<(u32, i64), (i64, i64)>;

/// Two stores, three windows; every window is told as it grows, with late sales beside.
fn history_for_test(windows: &[(u8, u8)]) -> (Vec<InboundMessage>, Sums) {
    let (mut messages, mut truth) = (Vec::new(), BTreeMap::new());
    for (place, (count, late)) in windows.iter().enumerate() {
        let (store, second) = (place as u32 % 2 + 1, place as i64 / 2 * 10);
        let sales = window_sales_for_test(store, second, u64::from(*count));
        for part in 1..=sales.len() {
            messages.push(aggregation_for_test(0, &event_for_test(&sales[..part], false)));
        }
        messages.push(aggregation_for_test(0, &event_for_test(&sales, true)));
        let id = |n: u8| place as u64 * 100 + 50_000 + u64::from(n);
        messages.extend((0..*late).map(|n| TestSale { id: id(n), store, cents: 7, second }.late(0)));
        let sum = sales.iter().map(|sale| sale.cents).sum();
        truth.insert((store, second), (sum, i64::from(*late) * 7));
    }
    (messages, truth)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_order_repetition_and_restart_gives_the_sums_of_a_plain_computation(
        windows in prop::collection::vec((1_u8..5, 0_u8..4), 1..6),
        order in any::<prop::sample::Index>(), seed in any::<u64>(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 3),
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut messages, truth) = history_for_test(&windows);
        let twice = messages[..order.index(messages.len())].to_vec();
        messages.extend(twice);
        shuffle_for_test(&mut messages, seed);

        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(messages.len())).collect();
        cuts.sort_unstable();
        // The last part of every batch is delivered again after the restart: it was committed and not acknowledged.
        for (from, to) in [(0, cuts[0]), (cuts[0] / 2, cuts[1]), (cuts[1] / 2, cuts[2]), (0, messages.len())] {
            fold_for_test(directory.path(), &messages[from.min(to)..to]);
        }

        let rows = rows_for_test(directory.path(), &ALL);
        let told: BTreeMap<_, _> = rows.iter().map(told_for_test).collect();
        prop_assert_eq!(&told, &truth);
        let (book, _) = fold_for_test(directory.path(), &[]);
        for (store, figures) in book.figures().stores.iter() {
            let own = truth.iter().filter(|((number, _), _)| *number == store.number());
            let sums = own.fold((0, 0), |sum, (_, cents)| (sum.0 + cents.0, sum.1 + cents.1));
            prop_assert_eq!((figures.in_finals.amount.cents(), figures.late.amount.cents()), sums);
        }
    }
}

fn told_for_test(row: &TurnoverRow) -> ((u32, i64), (i64, i64)) {
    let AggregatedEvent { store_id, window_start, total_amount, .. } = &row.event;
    let second = (*window_start - sample_time(0)).num_seconds();
    ((store_id.number(), second), (total_amount.cents(), row.late_amount.cents()))
}

/// A shuffle that follows from the seed alone.
fn shuffle_for_test<T>(list: &mut [T], seed: u64) {
    let mut state = seed | 1;
    for place in (1..list.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        list.swap(place, (state >> 33) as usize % (place + 1));
    }
}
