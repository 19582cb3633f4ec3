//! Where is one sale: asked by its id while it goes from the till into a final window, or elsewhere.
//! What a step is called and how it is known is looked at; whether the window is right is `counting`'s business.

use std::time::Duration;

use serde_json::{Value, json};

#[cfg(feature = "solace")]
use crate::support::Setup;
use crate::support::{Answer, Sale, TestApp, eventually};

/// Windows of the quick settings are final after about five seconds; a loaded machine may take its time.
const SOON: Duration = Duration::from_secs(90);
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn ask(app: &TestApp, id: &str) -> Answer {
    app.get(&format!("/api/v1/transactions/{id}/journey"), "reporting-service").await
}

/// Waits until the sale is there.
async fn arrives(app: &TestApp, id: &str, state: &str) -> Value {
    eventually(&format!("sale {id} to be {state}"), SOON, async || {
        let answer = ask(app, id).await;
        assert!([200, 404, 503].contains(&answer.status), "{}: {}", answer.status, answer.text);
        if answer.status == 200 && answer.json()["state"] == state { Ok(answer.json()) } else { Err(answer.text) }
    })
    .await
}

fn names(journey: &Value) -> Vec<&str> {
    journey["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

fn step<'a>(journey: &'a Value, name: &str) -> &'a Value {
    let mut steps = journey["steps"].as_array().unwrap().iter();
    steps.find(|step| step["step"] == name).unwrap_or_else(|| panic!("no {name} in {journey}"))
}

fn assert_names_nobody(journey: &Value) {
    let text = journey.to_string();
    assert!(!text.contains("CASHIER") && !text.contains("CUSTOMER") && !text.contains("r-1/"), "{text}");
}

#[tokio::test]
async fn a_paid_sale_is_followed_from_the_till_into_its_final_window() {
    let app = TestApp::start().await;
    let sale = Sale::new("STORE_3", 1_234);
    let request = app.request("POST", "/api/v1/pos/validate_transaction", "pos-service");
    let request = request.header("content-type", "application/json").header("traceparent", PARENT);
    let accepted = app.send(request.body(sale.body())).await;
    assert_eq!(accepted.status, 200, "{}", accepted.text);

    let journey = eventually("the final event to be a step", SOON, async || {
        let journey = arrives(&app, &sale.id, "in_final_window").await;
        let last = journey["steps"].as_array().unwrap().last().unwrap();
        if last["kind"] == "final" { Ok(journey) } else { Err(journey.to_string()) }
    })
    .await;

    let window = app.final_window_of(&sale).await;
    assert_eq!(
        (&journey["transaction_id"], &journey["store_id"], &journey["currency"]),
        (&json!(sale.id), &json!("STORE_3"), &json!("EUR"))
    );
    let text = ask(&app, &sale.id).await.text;
    assert!(text.contains("\"amount\":12.34"), "{text}");
    assert_eq!(names(&journey)[..3], ["received", "published", "window"]);
    assert_eq!(step(&journey, "received")["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(step(&journey, "published")["deliveries"], 1);
    assert_eq!(step(&journey, "published")["queue"], "sale_pos_transaction_ledger.q");
    let held = step(&journey, "window");
    assert_eq!((&held["evidence"], &held["told"]["final"]), (&json!("inferred"), &json!(true)));
    assert_eq!(held["told"]["event_id"], window.event_id);
    let last = journey["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["step"], &last["evidence"]), (&json!("aggregate"), &json!("observed")));
    assert_names_nobody(&journey);
}

#[tokio::test]
async fn a_corrected_sale_says_from_what_to_what_and_one_sent_twice_counts_once() {
    let app = TestApp::start().await;
    let sale = Sale::new("STORE_1", 500);
    let mut body = sale.json();
    body["total_amount"] = json!(4.5);
    for _ in 0..2 {
        assert_eq!(app.post(body.to_string()).await.status, 200);
    }

    let journey = arrives(&app, &sale.id, "in_final_window").await;

    let text = ask(&app, &sale.id).await.text;
    assert!(text.contains(r#""field":"total_amount","sent":4.50,"recorded":5.00"#), "{text}");
    assert_eq!(names(&journey).iter().filter(|name| **name == "corrected").count(), 1, "the receipt was right");
    assert_eq!(step(&journey, "window")["told"]["transaction_count"], 1);
    eventually("both deliveries", SOON, async || {
        let journey = ask(&app, &sale.id).await.json();
        if step(&journey, "published")["deliveries"] == 2 { Ok(()) } else { Err(journey.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_failed_payment_a_late_sale_and_a_second_sale_of_one_id_each_say_what_they_are() {
    let app = TestApp::start().await;
    let first = Sale::new("STORE_2", 100).milliseconds_ago(60_000);
    app.accept(&first).await;
    app.final_window_of(&first).await;

    let mut failed = Sale::new("STORE_2", 700);
    failed.status = "failed".to_owned();
    app.accept(&failed).await;
    let late = Sale::new("STORE_2", 300).at(first.time);
    app.accept(&late).await;
    let other = Sale { cents: 999, ..first.clone() };
    app.accept(&other).await;

    let journey = arrives(&app, &failed.id, "payment_failed").await;
    assert_eq!(names(&journey), ["received", "published", "payment_failed"]);
    assert_eq!(step(&journey, "published")["topic_kind"], "failed");

    let journey = arrives(&app, &late.id, "late").await;
    assert_eq!(names(&journey), ["received", "published", "window", "late"]);
    assert_eq!(step(&journey, "window")["evidence"], "observed");

    let journey = eventually("the refusal", SOON, async || {
        let journey = ask(&app, &first.id).await.json();
        if names(&journey).contains(&"rejected") { Ok(journey) } else { Err(journey.to_string()) }
    })
    .await;
    assert_eq!(step(&journey, "rejected")["detail"], "the id is known as a sale of STORE_2 over 1.00");
    arrives(&app, &first.id, "in_final_window").await;
    assert_names_nobody(&journey);
}

#[tokio::test]
async fn who_is_not_known_has_a_bad_id_or_may_not_ask_is_told_so() {
    let app = TestApp::start().await;
    let unknown = ask(&app, "00000000-0000-4000-8000-000000000000").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.text.contains("never accepted"), "{}", unknown.text);
    let bad = ask(&app, "not-an-id").await;
    assert_eq!((bad.status, bad.json()["status"].as_str()), (422, Some("error")), "{}", bad.text);

    let path = "/api/v1/transactions/00000000-0000-4000-8000-000000000000/journey";
    for (user, status) in [("", 401), ("pos-service", 403), ("aggregation-service", 403), ("admin", 404)] {
        assert_eq!(app.get(path, user).await.status, status, "{user}");
    }
    assert_eq!(app.get(&format!("/validation-service{path}"), "admin").await.status, 404);
    let page = app.send(app.request("GET", path, "admin").header("accept", "text/html,*/*;q=0.8")).await;
    assert!(page.text.starts_with("<!doctype html>") && !page.header("content-security-policy").is_empty());
}

#[tokio::test]
async fn a_sale_is_still_known_after_both_actors_of_reporting_have_failed_and_not_after_the_process_has() {
    let mut app = TestApp::start().await;
    let sale = Sale::new("STORE_1", 250);
    app.accept(&sale).await;
    app.ledger_balances().await;
    let before = arrives(&app, &sale.id, "in_final_window").await;
    assert!(app.metric("pos_journeys", "").await >= 1.0);

    for actor in ["root.reporting.ledger", "root.reporting.turnover", "root.reporting"] {
        app.recovers(actor, &json!({"kind": "panic"})).await;
    }
    assert_eq!(arrives(&app, &sale.id, "in_final_window").await, before);

    assert!(app.stop().await.success());
    app.start_again().await;
    assert_eq!(ask(&app, &sale.id).await.status, 404);
}

#[cfg(feature = "solace")]
#[tokio::test]
async fn where_roles_are_apart_reporting_answers_and_the_others_name_it() {
    let app = Setup::new().behind_a_proxy().roles("validation,aggregation").start().await;
    let mut reporting = app.setup().beside("reporting").launch_on(None).await;
    reporting.becomes_ready().await;
    let sale = Sale::new("STORE_1", 250);
    app.accept(&sale).await;

    let answer = ask(&app, &sale.id).await;
    assert!(answer.status == 404 && answer.text.contains("role `reporting`"), "{} {}", answer.status, answer.text);
    arrives(&reporting, &sale.id, "in_final_window").await;
}
