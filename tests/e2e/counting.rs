//! The main job: what was answered with 200 is in its window, once, and the books balance.
//! Kills nothing; see `crash` and `replay` for that.

use serde_json::json;

use crate::support::{Sale, Setup, TestApp, sum_of};

#[tokio::test]
async fn a_sale_that_was_answered_with_200_is_in_its_final_window_and_the_ledger_balances() {
    let app = TestApp::start().await;
    let sale = Sale::new("STORE_1", 258);

    let answer = app.accept(&sale).await;

    let expected = json!({"status": "success", "transaction_id": sale.id, "message": "Transaction accepted"});
    assert_eq!(answer.json(), expected);
    let window = app.final_window_of(&sale).await;
    assert_eq!((window.total_amount, window.transaction_count), (258, 1));
    assert_eq!((window.late_amount, window.late_count), (0, 0));
    assert_eq!(window.window_start.timestamp(), sale.window_start(1));
    assert_eq!((window.window_end - window.window_start).num_seconds(), 1);
    assert_eq!(window.currency.len(), 3);
    app.ledger_balances().await;
}

#[tokio::test]
async fn stores_do_not_share_windows() {
    let app = TestApp::start().await;
    let sales = [Sale::new("STORE_1", 100), Sale::new("STORE_2", 200), Sale::new("STORE_10", 400)];

    for sale in &sales {
        app.accept(sale).await;
    }

    for sale in &sales {
        assert_eq!(app.final_window_of(sale).await.total_amount, sale.cents);
    }
    app.ledger_balances().await;
}

#[tokio::test]
async fn a_failed_payment_is_recorded_and_is_no_turnover() {
    let app = TestApp::start().await;
    let mut failed = Sale::new("STORE_3", 999);
    failed.status = "failed".to_owned();
    let paid = Sale::new("STORE_3", 100).at(failed.time);

    let answer = app.accept(&failed).await;
    app.accept(&paid).await;

    assert_eq!(answer.json()["message"], "Payment failed, recorded");
    let window = app.final_window_of(&paid).await;
    assert_eq!((window.total_amount, window.transaction_count), (100, 1));
    app.ledger_balances().await;
}

#[tokio::test]
async fn a_wrong_total_is_corrected_and_the_till_is_told() {
    let app = TestApp::start().await;
    let sale = Sale::new("STORE_4", 258);
    let mut body = sale.json();
    body["total_amount"] = json!(99.99);

    let answer = app.post(body.to_string()).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!answer.json()["corrections"].as_array().expect("corrections").is_empty());
    assert_eq!(app.final_window_of(&sale).await.total_amount, 258);
    assert!(app.metric("pos_transactions_total", "outcome=\"corrected\"").await >= 1.0);
}

#[tokio::test]
async fn a_sale_for_a_final_window_is_late_of_that_same_window() {
    let app = TestApp::start().await;
    let punctual = Sale::new("STORE_5", 1000);
    app.accept(&punctual).await;
    app.final_window_of(&punctual).await;

    let straggler = Sale::new("STORE_5", 77).at(punctual.time);
    app.accept(&straggler).await;

    let windows = app.windows_when_final(2).await;
    assert_eq!(windows.len(), 1, "{windows:?}");
    assert_eq!((windows[0].total_amount, windows[0].late_amount, windows[0].late_count), (1000, 77, 1));
    app.ledger_balances().await;
}

#[tokio::test]
async fn a_chain_of_one_hundred_stores_is_counted_store_by_store() {
    let app = Setup::new().setting("rules.max_store", "100").start().await;
    let sales: Vec<Sale> = (1..=100).map(|number| Sale::new(&format!("STORE_{number}"), number)).collect();

    for sale in &sales {
        app.accept(sale).await;
    }

    let windows = app.windows_when_final(100).await;
    assert_eq!(sum_of(&windows), (5050, 100));
    assert!(sales.iter().all(|sale| windows.iter().any(|window| window.is_of(sale))));
    app.ledger_balances().await;
}
