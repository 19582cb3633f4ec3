use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tillstream_domain::StoreId;
use tillstream_messages::{QueryError, StoreLedger};
use tillstream_supervision::Port;

use super::*;

fn report_for_test(imbalances: &[(i64, i64)]) -> LedgerReport {
    let nothing = (0, tillstream_domain::Money::from_cents(0));
    let store = |(number, (count, cents)): (u32, &(i64, i64))| StoreLedger {
        store: StoreId::from_number(number).unwrap(),
        accepted: nothing,
        in_windows: nothing,
        late: nothing,
        rejected: nothing,
        open: nothing,
        open_starts: None,
        imbalance_count: *count,
        imbalance_cents: *cents,
    };
    LedgerReport { stores: (1..).zip(imbalances).map(store).collect(), poison: 0 }
}

/// A ledger that answers with one report after the other and stays at the last.
fn figures_for_test(answers: Vec<Result<LedgerReport, QueryError>>) -> Figures {
    let asked = Arc::new(AtomicUsize::new(0));
    let port = Port::from_fn(move |_: QueryLedger| {
        answers[asked.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1)].clone()
    });
    Figures::new(Some(port.into()))
}

fn amount(count: i64, cents: i64) -> Option<Difference> {
    Some(Difference { count, cents })
}

#[tokio::test(start_paused = true)]
async fn a_loss_in_one_store_is_not_made_up_for_by_a_surplus_in_another() {
    let reports = [vec![(0, 0), (0, 0)], vec![(2, 500), (-1, -500)]];
    let figures = figures_for_test(reports.iter().map(|report| Ok(report_for_test(report))).collect());
    let before = figures.read().await;
    let growth = figures.growth_since(&before).await;
    assert_eq!((growth.lost, growth.double), (amount(2, 500), amount(1, 500)));
}

#[tokio::test(start_paused = true)]
async fn what_was_red_before_the_fault_is_not_its_doing() {
    let figures = figures_for_test(vec![Ok(report_for_test(&[(3, 900)]))]);
    let before = figures.read().await;
    let growth = figures.growth_since(&before).await;
    assert_eq!((growth.lost, growth.double), (amount(0, 0), amount(0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_ledger_whose_sides_come_by_different_queues_is_given_time_to_meet() {
    let behind = || Ok(report_for_test(&[(5, 100)]));
    let figures =
        figures_for_test(vec![Ok(report_for_test(&[(0, 0)])), behind(), behind(), Ok(report_for_test(&[(0, 0)]))]);
    let before = figures.read().await;
    let growth = figures.growth_since(&before).await;
    assert_eq!(growth.lost, amount(0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_does_not_answer_says_neither_0_nor_anything_else() {
    let unreadable = || Err(QueryError::Storage("gone".to_owned()));
    let figures = figures_for_test(vec![Ok(report_for_test(&[(0, 0)])), unreadable()]);
    let before = figures.read().await;
    let growth = figures.growth_since(&before).await;
    assert_eq!((growth.lost, growth.double), (None, None));
}

#[tokio::test(start_paused = true)]
async fn sales_of_windows_that_are_not_final_are_said_to_be_open_and_left_to_a_second_look() {
    let mut report = report_for_test(&[(0, 0), (0, 0), (0, 0)]);
    report.stores[0].open = (2, tillstream_domain::Money::from_cents(300));
    report.stores[0].open_starts = Some((40, 50));
    report.stores[2].open = (1, tillstream_domain::Money::from_cents(50));
    report.stores[2].open_starts = Some((30, 40));
    let figures = figures_for_test(vec![Ok(report)]);
    let before = figures.read().await;
    let growth = figures.growth_since(&before).await;
    assert_eq!((growth.lost, growth.open), (amount(0, 0), amount(3, 350)));
    assert_eq!(growth.unjudged.map(|(_, newest)| newest), Some(50));
    let books = figures.books().await.unwrap();
    assert!(books.are_final_until(29) && !books.are_final_until(30));
}

#[tokio::test(start_paused = true)]
async fn where_no_window_is_open_nothing_is_left_to_look_at() {
    let figures = figures_for_test(vec![Ok(report_for_test(&[(0, 0)]))]);
    let before = figures.read().await;
    let growth = figures.growth_since(&before).await;
    assert_eq!((growth.open, growth.unjudged.is_none()), (amount(0, 0), true));
}

#[tokio::test(start_paused = true)]
async fn uneven_books_without_open_windows_are_looked_at_again() {
    let reports = [vec![(0, 0)], vec![(-4_640, -98)]];
    let figures = figures_for_test(reports.iter().map(|report| Ok(report_for_test(report))).collect());
    let before = figures.read().await;
    let growth = figures.growth_since(&before).await;
    assert_eq!((growth.double, growth.open), (amount(4_640, 98), amount(0, 0)));
    let (_, until) = growth.unjudged.unwrap();
    assert!(figures.books().await.unwrap().are_final_until(until));
}
