//! What users of the replaced system suffered, one test per defect; the number is the defect's in the survey of that system.
//! Defects that need a kill are in `crash`, those at the end of the process in `shutdown`, those of a broker that is
//! another process in `old_broker_defects`.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::command_line::run;
use crate::support::{Backend, Holder, SALES, Sale, Setup, TestApp, eventually, pause, sum_of};

#[tokio::test]
async fn d1_one_tills_nonsense_timestamp_does_not_end_counting_for_all() {
    let app = TestApp::start().await;
    for nonsense in ["yesterday", "", "2024-11-15T10:00:00", "0000-00-00T00:00:00Z", "+99999-01-01T00:00:00Z"] {
        let mut body = Sale::new("STORE_1", 100).json();
        body["timestamp"] = json!(nonsense);
        assert_eq!(app.post(body.to_string()).await.status, 422, "{nonsense}");
    }
    let infinite = Sale::new("STORE_1", 258).body().replace("2.58", "Infinity");
    assert_eq!(app.post(infinite).await.status, 422);

    let honest = Sale::new("STORE_1", 258);
    app.accept(&honest).await;

    assert_eq!(app.final_window_of(&honest).await.total_amount, 258);
}

#[tokio::test]
async fn d2_a_pause_between_sales_makes_the_next_one_not_late() {
    let app = TestApp::start().await;
    for _ in 0..4 {
        app.accept(&Sale::new("STORE_1", 100)).await;
        pause(Duration::from_millis(1500)).await;
    }

    let windows = app.windows_when_final(4).await;

    assert_eq!(windows.iter().map(|window| window.late_count).sum::<u64>(), 0, "{windows:?}");
}

#[tokio::test]
async fn d8_a_till_that_tries_again_is_charged_once_however_it_writes_the_id() {
    let app = TestApp::start().await;
    let sale = Sale::new("STORE_1", 500);
    let mut shouted = sale.clone();
    shouted.id = sale.id.to_uppercase();
    let mut bare = sale.clone();
    bare.id = sale.id.replace('-', "");

    for attempt in [&sale, &sale, &shouted, &bare] {
        assert_eq!(app.accept(attempt).await.json()["transaction_id"], sale.id);
    }
    assert_eq!(app.final_window_of(&sale).await.total_amount, 500);
    app.accept(&sale).await;
    pause(Duration::from_secs(3)).await;

    assert_eq!(sum_of(&app.windows().await), (500, 1));
    assert!(app.metric("pos_duplicates_total", "").await >= 4.0);
    app.ledger_balances().await;
}

#[tokio::test]
async fn d9_a_straggler_changes_its_window_and_makes_no_second_one() {
    let app = Setup::new().setting("window.allowed_lateness", "6s").start().await;
    let first = Sale::new("STORE_1", 100);
    app.accept(&first).await;
    pause(Duration::from_secs(3)).await;
    app.accept(&Sale::new("STORE_1", 50).at(first.time)).await;

    let windows = app.windows_when_final(2).await;

    assert_eq!(windows.len(), 1, "{windows:?}");
    assert_eq!((windows[0].total_amount, windows[0].late_count), (150, 0));
}

#[tokio::test]
async fn d10_the_documented_store_01_is_store_1_and_not_a_store_that_nobody_reads() {
    let app = TestApp::start().await;
    let now = Utc::now();
    for name in ["STORE_01", "STORE_1", "STORE_0000001"] {
        app.accept(&Sale::new(name, 100).at(now)).await;
    }

    let windows = app.windows_when_final(3).await;

    assert_eq!(windows.len(), 1, "{windows:?}");
    assert_eq!((windows[0].store_id.as_str(), windows[0].total_amount), ("STORE_1", 300));
}

#[tokio::test]
async fn d11_a_till_that_runs_59_seconds_ahead_makes_no_other_till_late() {
    let app = TestApp::start().await;
    let mut count = 0;
    for _ in 0..30 {
        app.accept(&Sale::new("STORE_1", 1).milliseconds_ago(-59_000)).await;
        app.accept(&Sale::new("STORE_1", 1).milliseconds_ago(500)).await;
        count += 2;
        pause(Duration::from_millis(200)).await;
    }

    let late = app.metric("pos_late_total", "").await;
    let windows = app.windows().await;

    assert!(late == 0.0 && windows.iter().all(|window| window.late_count == 0), "{late} late: {windows:?}");
    let too_far = app.post(Sale::new("STORE_1", 1).milliseconds_ago(-90_000).body()).await;
    assert_eq!(too_far.status, 422, "{count} sales were fine, this one is an hour that has not happened");
}

#[tokio::test]
async fn d12_a_failed_payment_has_one_spelling_and_is_recorded() {
    let app = TestApp::start().await;
    let mut sale = Sale::new("STORE_1", 100);
    sale.status = "failure".to_owned();
    assert_eq!(app.post(sale.body()).await.status, 422);

    sale.status = "failed".to_owned();
    assert_eq!(app.accept(&sale).await.json()["message"], "Payment failed, recorded");

    assert!(app.metric("pos_transactions_total", "outcome=\"payment_failed\"").await >= 1.0);
}

#[tokio::test]
async fn d13_a_receipt_without_items_or_with_an_invented_line_total_moves_no_turnover() {
    let app = TestApp::start().await;
    let mut empty = Sale::new("STORE_1", 258).json();
    empty["items"] = json!([]);
    let mut invented = Sale::new("STORE_1", 258).json();
    invented["items"][0] =
        json!({"item_id": "a", "name": "x", "quantity": 2, "price_per_unit": 1.29, "total_price": 100});

    for body in [empty, invented] {
        assert_eq!(app.post(body.to_string()).await.status, 422, "{body}");
    }
}

#[tokio::test]
async fn d15_a_customer_id_cannot_break_the_topic_and_the_longest_one_fits() {
    let app = TestApp::start().await;
    for evil in ["a/b", "", ">", "*", "c\u{0}", &"c".repeat(49), "päckchen"] {
        let mut body = Sale::new("STORE_1", 1).json();
        body["customer_id"] = json!(evil);
        assert_eq!(app.post(body.to_string()).await.status, 422, "{evil:?}");
    }
    let longest = Sale::new("STORE_10", 99_999_999_999);
    let mut body = longest.json();
    body["customer_id"] = json!("c".repeat(48));
    body["receipt"]["receipt_id"] = json!("r".repeat(48));
    body["payment_method"] = json!("credit_card");
    body["receipt"]["payment_method"] = json!("credit_card");

    let answer = app.post(body.to_string()).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(app.final_window_of(&longest).await.total_amount, 99_999_999_999);
}

#[tokio::test]
async fn d16_ten_times_ten_cents_is_one_and_half_a_cent_is_refused() {
    let app = TestApp::start().await;
    let now = Utc::now();
    for _ in 0..10 {
        app.accept(&Sale::new("STORE_1", 10).at(now)).await;
    }
    let padded = Sale::new("STORE_1", 258).at(now).body().replace("2.58", "2.580");
    assert_eq!(app.post(padded).await.status, 200);
    let half_a_cent = Sale::new("STORE_1", 258).body().replace("2.58", "2.675");
    assert_eq!(app.post(half_a_cent).await.status, 422);

    assert_eq!(sum_of(&app.windows_when_final(11).await), (358, 11));
}

#[tokio::test]
async fn d17_eight_ordinary_mistakes_are_the_tills_fault_and_not_a_500() {
    let app = TestApp::start().await;
    let good = Sale::new("STORE_1", 258);
    let without = |key: &str| {
        let mut body = good.json();
        body.as_object_mut().unwrap().remove(key);
        body.to_string()
    };
    let text_amount = good.body().replace("\"total_amount\":2.58", "\"total_amount\":\"2.58\"");
    let number_store = good.body().replace("\"STORE_1\"", "5");
    for body in [
        without("store_id"),
        without("cashier_id"),
        without("total_amount"),
        without("receipt"),
        text_amount,
        number_store,
        "[]".to_owned(),
        "\"x\"".to_owned(),
    ] {
        assert_eq!(app.post(body.clone()).await.status, 422, "{body}");
    }
}

#[tokio::test]
async fn d32_the_documents_name_the_topics_that_are_used_and_the_answers_that_are_given() {
    let app = TestApp::start().await;
    let (code, text) = run(app.setup(), &["asyncapi"]).await;
    assert_eq!(code, 0, "{text}");
    let topics: Value = serde_json::from_str(&text).unwrap();
    let channel = |name: &str| topics["channels"][name]["address"].as_str().unwrap().to_owned();
    assert!(channel("receipt").starts_with("sale/pos/transaction/receipt/{store}/"), "{}", channel("receipt"));
    assert!(channel("aggregations").starts_with("sale/pos/transaction/aggregations/{store}/"));
    let action = |operation: &str| topics["operations"][operation]["action"].clone();
    assert_eq!(action("validation.send.receipt"), "send");
    assert_eq!(action("sale_pos_transaction_aggregation_service.receive.receipt"), "receive");

    let document = app.get("/api/v1/pos/openapi.json", "").await.json();
    let answers = &document["paths"]["/api/v1/pos/validate_transaction"]["post"]["responses"];
    for (user, body, status) in [("", "{}", "401"), ("reporting-service", "{}", "403"), ("pos-service", "{}", "422")] {
        let request = app.request("POST", SALES, user).header("content-type", "application/json").body(body);
        let given = app.send(request).await;
        assert_eq!(given.status.to_string(), status, "{}", given.text);
        let schema = answers[status]["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
        let schema = document.pointer(schema.trim_start_matches('#')).unwrap();
        let documented: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        let mut sent: Vec<_> = given.json().as_object().unwrap().keys().cloned().collect();
        sent.retain(|key| !documented.contains(key));
        assert!(sent.is_empty(), "{status} has {sent:?}, which the document does not know: {documented:?}");
    }
}

#[tokio::test]
async fn d30_the_same_id_with_another_amount_is_set_aside_and_counting_goes_on() {
    let app = TestApp::start().await;
    let first = Sale::new("STORE_1", 100);
    let mut other = first.clone();
    other.cents = 900;
    let next = Sale::new("STORE_1", 50).at(first.time + TimeDelta::milliseconds(1));

    app.accept(&first).await;
    app.accept(&other).await;
    app.accept(&next).await;
    app.final_window_of(&first).await;
    app.final_window_of(&next).await;

    assert_eq!(sum_of(&app.windows().await), (150, 2));
    app.ledger_balances().await;
    aggregation_and_the_ledger_have_set_aside_one_each(&app).await;
}

async fn aggregation_and_the_ledger_have_set_aside_one_each(app: &TestApp) {
    if Backend::of_this_run() == Backend::Solace {
        let operator = "message-broker/creds/login";
        return Holder::of("sale_pos_transaction_rejected.q", operator, app.setup()).await.has(2).await;
    }
    eventually("two messages in the rejected queue", Duration::from_secs(30), async || {
        let rejected = app.metric("broker_queue_depth", "rejected").await;
        if rejected == 2.0 { Ok(()) } else { Err(format!("{rejected} in the rejected queue")) }
    })
    .await;
}
