//! The ledger is not blind: one sale that aggregation loses, doubles or misprices turns it red, for its store and amount.
//! Everything else in these tests is in order, so that nothing but the one sale can be the cause.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Sale, Setup, TestApp, eventually, pause};

const RED_WITHIN: Duration = Duration::from_secs(90);

/// Kind of fault; what the ledger must miss of a sale of 2.50, in sales and cents.
const CASES: [(&str, i64, i64); 3] = [("lose_sale", 1, 250), ("double_sale", -1, -250), ("misprice_sale", 0, -1)];

/// One sale of STORE_3 goes wrong; others of its window and of another store do not.
async fn tamper(app: &TestApp, kind: &str) {
    let id = app.break_environment(&json!({"kind": kind, "seconds": 30})).await;
    let spoiled = Sale::new("STORE_3", 250);
    app.accept(&spoiled).await;
    let record = app.over(id).await;
    assert_eq!(record["state"], "recovered", "{record}");
    app.accept(&Sale::new("STORE_3", 1_000).at(spoiled.time)).await;
    app.accept(&Sale::new("STORE_1", 777)).await;
}

/// The imbalance of every store that the ledger shows, once STORE_3 has one.
async fn red_ledger(app: &TestApp) -> (Value, Value) {
    eventually("the ledger to turn red", RED_WITHIN, async || {
        let ledger = app.get("/api/v1/ledger", "admin").await.json();
        let of = |store: &str| {
            let stores = ledger["stores"].as_array().unwrap();
            stores.iter().find(|row| row["store_id"] == store).map(|row| row["imbalance"].clone())
        };
        match (of("STORE_3"), of("STORE_1")) {
            (Some(third), Some(first)) if ledger["balanced"] == false => Ok((third, first)),
            _ => Err(ledger.to_string()),
        }
    })
    .await
}

#[tokio::test]
async fn a_sale_that_is_lost_doubled_or_mispriced_turns_the_ledger_red_by_exactly_that() {
    for (kind, count, cents) in CASES {
        let app = TestApp::start().await;
        tamper(&app, kind).await;

        let (third, first) = red_ledger(&app).await;

        assert_eq!(third, json!({"count": count, "cents": cents}), "{kind}");
        assert_eq!(first, json!({"count": 0, "cents": 0}), "{kind}");
        let metric = async |store: &str| app.metric("pos_ledger_imbalance_cents", store).await;
        eventually("the metric to say the same", RED_WITHIN, async || {
            let (third, first) = (metric("STORE_3").await, metric("STORE_1").await);
            let expected = (f64::from(i32::try_from(cents).unwrap()), 0.0);
            if (third, first) == expected { Ok(()) } else { Err(format!("{third} and {first}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_run_whose_ledger_is_red_ends_with_1_and_shows_where() {
    let mut app = Setup::new().argument("--duration").argument("20s").start().await;
    tamper(&app, "lose_sale").await;
    red_ledger(&app).await;

    let status = app.ends().await;

    assert_eq!(status.code(), Some(1), "{}", app.printed());
    app.prints(|printed| printed.contains("1 / 2.50")).await;
}

#[tokio::test]
async fn a_miscount_that_finds_no_sale_is_taken_back() {
    let app = TestApp::start().await;
    let id = app.break_environment(&json!({"kind": "lose_sale", "seconds": 0.2})).await;
    assert_eq!(app.over(id).await["state"], "not_fired");
    pause(Duration::from_millis(50)).await;

    let sale = Sale::new("STORE_3", 250);
    app.accept(&sale).await;

    assert_eq!(app.final_window_of(&sale).await.total_amount, 250);
    app.ledger_balances().await;
}
