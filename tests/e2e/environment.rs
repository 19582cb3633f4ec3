//! The broker stalls or says nothing, the clock is wrong, the disk takes no writes: 503, then all is well by itself.
//! A disk that is really full is in `disk_full`; these conditions are injected in front of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Sale, Setup, TestApp, assert_nothing_lost, sum_of};

const SOON: Duration = Duration::from_secs(60);

/// After the condition: the refused sale is taken, the process is ready, and every sale counts once.
async fn is_well_again(app: &mut TestApp, id: u64, mut accepted: Vec<Sale>, refused: Sale) -> Value {
    app.accept(&refused).await;
    accepted.push(refused);
    let record = app.over(id).await;
    assert_eq!(record["state"], "recovered", "{record}");
    assert_nothing_lost(&record);
    assert_eq!(app.get("/health/ready", "").await.status, 200);
    assert!(app.is_alive());
    let windows = app.windows_when_final(accepted.len() as u64).await;
    assert_eq!(sum_of(&windows).0, accepted.iter().map(|sale| sale.cents).sum::<i64>());
    app.ledger_balances().await;
    record
}

async fn first_sale(app: &TestApp) -> Vec<Sale> {
    let sale = Sale::new("STORE_1", 100);
    app.accept(&sale).await;
    vec![sale]
}

#[tokio::test]
async fn a_broker_that_stalls_gives_503_and_then_200_again() {
    let mut app = Setup::new().setting("validation.publish_timeout", "300ms").start().await;
    let mut accepted = first_sale(&app).await;

    let id = app.break_environment(&json!({"kind": "broker_stall", "seconds": 3})).await;
    let refused = app.post_until_refused(&mut accepted, SOON).await;

    is_well_again(&mut app, id, accepted, refused).await;
}

#[tokio::test]
async fn acknowledgements_that_do_not_come_give_503_and_the_sale_sent_again_counts_once() {
    let mut app = Setup::new().setting("validation.publish_timeout", "300ms").start().await;
    let mut accepted = first_sale(&app).await;

    let id = app.break_environment(&json!({"kind": "drop_acks", "seconds": 3})).await;
    let refused = app.post_until_refused(&mut accepted, SOON).await;

    is_well_again(&mut app, id, accepted, refused).await;
}

#[tokio::test]
async fn a_full_disk_and_a_read_only_one_give_503_and_heal_without_a_restart() {
    for kind in ["disk_full", "disk_readonly"] {
        let mut app = TestApp::start().await;
        let mut accepted = first_sale(&app).await;

        let id = app.break_environment(&json!({"kind": kind, "seconds": 4})).await;
        let refused = app.post_until_refused(&mut accepted, SOON).await;
        app.until_not_ready(SOON).await;

        let record = is_well_again(&mut app, id, accepted, refused).await;
        assert!(record["verdict"]["detection_ms"].is_number(), "{record}");
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_for_a_while_loses_no_sale() {
    for shift in [-40, 40] {
        let app = TestApp::start().await;
        let mut sales = first_sale(&app).await;

        let id = app.break_environment(&json!({"kind": "clock", "seconds": shift, "hold_seconds": 2})).await;
        for number in 0..5 {
            let sale = Sale::new("STORE_3", 200 + number);
            app.accept(&sale).await;
            sales.push(sale);
        }
        let record = app.over(id).await;
        // A later sale lets the store's watermark pass what was stamped with the wrong clock.
        let last = Sale::new("STORE_3", 300);
        app.accept(&last).await;
        sales.push(last);

        assert_eq!(record["state"], "recovered", "{record}");
        let windows = app.windows_when_final(sales.len() as u64).await;
        assert_eq!(sum_of(&windows).0, sales.iter().map(|sale| sale.cents).sum::<i64>());
        app.ledger_balances().await;
    }
}

#[tokio::test]
async fn a_clock_that_lags_refuses_sales_of_its_future_until_it_is_right_again() {
    let app = TestApp::start().await;
    let sale = Sale::new("STORE_1", 100);

    let id = app.break_environment(&json!({"kind": "clock", "seconds": -120, "hold_seconds": 1})).await;
    let refused = app.try_post(&sale).await.unwrap();
    app.over(id).await;
    app.accept(&sale).await;

    assert_eq!(refused.status, 422, "{}", refused.text);
    assert_eq!(app.final_window_of(&sale).await.total_amount, 100);
}

#[tokio::test]
async fn one_condition_of_a_kind_at_a_time_and_bad_orders_are_refused() {
    let app = TestApp::start().await;
    let send = |order: Value| app.send(app.request("POST", "/api/v1/faults/environment", "admin").json(&order));
    let clock = json!({"kind": "clock", "seconds": 1, "hold_seconds": 2});
    let id = app.break_environment(&clock).await;

    let second = send(clock).await;

    assert_eq!(second.status, 409);
    assert!(second.text.contains("wait until it is over"), "{}", second.text);
    for bad in [json!({"kind": "rain"}), json!({"kind": "clock"}), json!({"kind": "disk_full", "seconds": 301})] {
        assert_eq!(send(bad.clone()).await.status, 422, "{bad}");
    }
    assert_eq!(app.over(id).await["state"], "recovered");
}
