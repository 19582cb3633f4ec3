//! Storms: one actor is killed faster than it can do anything, for longer than any limit on deliveries lasts.
//! Each test counts what must still be there when the storm is over.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Sale, Setup, TestApp, eventually, pause, sum_of};

/// More deaths than a message may have deliveries on a queue that gives up.
const DEATHS: usize = 40;

const SOON: Duration = Duration::from_secs(60);

/// Kills without waiting for recoveries, while sales come in.
async fn kill_without_a_pause(app: &TestApp, path: &str) -> Vec<Sale> {
    let mut sales = Vec::new();
    for _ in 0..DEATHS {
        let order = app.request("POST", &format!("/api/v1/actors/{path}/fault"), "admin");
        let taken = app.send(order.header("prefer", "respond-async").json(&json!({"kind": "panic"}))).await;
        assert_eq!(taken.status, 202, "{}", taken.text);
        let batch: Vec<Sale> = (1..=10).map(|store| Sale::new(&format!("STORE_{store}"), 100 + store)).collect();
        join_all(batch.iter().map(|sale| app.accept(sale))).await;
        sales.extend(batch);
        pause(Duration::from_millis(150)).await;
    }
    sales
}

async fn survives(path: &str) {
    let app = Setup::new().setting("supervision.max_restarts", "1000").start().await;

    let sales = kill_without_a_pause(&app, path).await;

    eventually("the storm to be over", SOON, async || match app.get("/api/v1/pos/turnover?limit=1", "admin").await {
        ready if ready.status == 200 => Ok(()),
        waiting => Err(waiting.text),
    })
    .await;
    let windows = app.windows_when_final(u64::try_from(sales.len()).unwrap()).await;
    assert_eq!(sum_of(&windows).0, sales.iter().map(|sale| sale.cents).sum::<i64>());
    app.ledger_balances().await;
}

#[tokio::test]
async fn turnover_that_is_killed_again_and_again_misses_no_window() {
    survives("root.reporting.turnover").await;
}

#[tokio::test]
async fn a_ledger_that_is_killed_again_and_again_misses_no_sale() {
    survives("root.reporting.ledger").await;
}

#[tokio::test]
async fn an_outbox_that_is_killed_again_and_again_decides_everything_once() {
    survives("root.pipeline.outbox").await;
}

#[tokio::test]
async fn a_window_that_is_rebuilt_after_a_kill_is_not_counted_as_a_new_one() {
    let app = Setup::new().setting("window.allowed_lateness", "5m").start().await;
    app.accept(&Sale::new("STORE_1", 100)).await;
    let emitted = async |kind: &str| app.metric("pos_windows_emitted_total", &format!("kind=\"{kind}\"")).await;
    eventually("the window to be told", SOON, async || match emitted("first").await {
        1.0 => Ok(()),
        seen => Err(seen.to_string()),
    })
    .await;

    app.recovers("root.pipeline.windows.STORE_1", &json!({"kind": "panic"})).await;

    eventually("the window to be told again", SOON, async || match emitted("update").await {
        1.0 => Ok(()),
        seen => Err(seen.to_string()),
    })
    .await;
    assert!((emitted("first").await - 1.0).abs() < f64::EPSILON);
}
