//! SIGKILL at bad moments: what was answered with 200 is counted, and counted once.
//! Replays of whole files under kills are in `replay`.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

use crate::support::{Sale, TestApp, pause, sum_of};

#[tokio::test]
async fn d3_a_sale_survives_the_death_of_the_service_right_after_its_200() {
    let mut app = TestApp::start().await;
    let sale = Sale::new("STORE_1", 258);
    app.accept(&sale).await;

    app.sigkill();
    app.start_again().await;

    assert_eq!(app.final_window_of(&sale).await.total_amount, 258);
    app.ledger_balances().await;
}

#[tokio::test]
async fn d6_open_windows_of_all_stores_survive_the_death_of_the_service() {
    let mut app = TestApp::start().await;
    let sales: Vec<Sale> =
        (0..200).map(|number| Sale::new(&format!("STORE_{}", number % 10 + 1), 100 + number)).collect();
    join_all(sales.iter().map(|sale| app.accept(sale))).await;

    app.sigkill();
    app.start_again().await;

    let windows = app.windows_when_final(200).await;
    assert_eq!(sum_of(&windows).0, sales.iter().map(|sale| sale.cents).sum::<i64>());
    app.ledger_balances().await;
}

#[tokio::test]
async fn d4_every_200_of_five_lives_is_counted_once_and_only_once() {
    let mut app = TestApp::start().await;
    let (mut sales, mut unanswered) = (Vec::new(), Vec::new());
    for life in 0..5 {
        let batch: Vec<Sale> =
            (0..64).map(|number| Sale::new(&format!("STORE_{}", number % 10 + 1), 1 + number)).collect();
        // The kill falls somewhere into the batch; each life a little later.
        unanswered.extend(unanswered_after(&app, &batch, 1 + 12 * life).await);
        app.sigkill();
        app.start_again().await;
        sales.extend(batch);
    }

    // A till that has its 200 never sends that sale again, so only the others may make up for anything.
    join_all(unanswered.iter().map(|sale| app.accept(sale))).await;

    let count = u64::try_from(sales.len()).unwrap();
    let windows = app.windows_when_final(count).await;
    assert_eq!(sum_of(&windows).0, sales.iter().map(|sale| sale.cents).sum::<i64>());
    app.ledger_balances().await;
}

/// Posts all at once and turns away when so many have their 200; gives back those that have none.
async fn unanswered_after(app: &TestApp, sales: &[Sale], answered: usize) -> Vec<Sale> {
    let mut posts: FuturesUnordered<_> =
        sales.iter().map(|sale| async move { (&sale.id, app.try_post(sale).await) }).collect();
    let mut accepted = HashSet::new();
    while accepted.len() < answered
        && let Some((id, answer)) = posts.next().await
    {
        accepted.extend(answer.is_ok_and(|answer| answer.status == 200).then_some(id));
    }
    sales.iter().filter(|sale| !accepted.contains(&sale.id)).cloned().collect()
}

#[tokio::test]
async fn d8_a_till_that_tries_again_after_the_crash_is_charged_once() {
    let mut app = TestApp::start().await;
    let open = Sale::new("STORE_1", 100);
    app.accept(&open).await;
    app.sigkill();
    app.start_again().await;
    app.accept(&open).await;
    app.final_window_of(&open).await;

    app.sigkill();
    app.start_again().await;
    app.accept(&open).await;
    pause(Duration::from_secs(3)).await;

    assert_eq!(sum_of(&app.windows().await), (100, 1));
    app.ledger_balances().await;
}

#[tokio::test]
async fn turnover_that_was_shown_before_the_crash_is_shown_after_it() {
    let mut app = TestApp::start().await;
    let sale = Sale::new("STORE_7", 4711);
    app.accept(&sale).await;
    let before = app.final_window_of(&sale).await;
    // When a later window is final, broker and aggregation hold the event no more: only reporting's disk can show it.
    let later = Sale::new("STORE_8", 1);
    app.accept(&later).await;
    app.final_window_of(&later).await;

    app.sigkill();
    app.start_again().await;

    let after = app.final_window_of(&sale).await;
    assert_eq!((before.event_id, before.total_amount), (after.event_id, after.total_amount));
}
