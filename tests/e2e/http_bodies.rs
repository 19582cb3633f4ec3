//! Every bad body gets a 422 that names all its faults, in the plain shape and as problem+json.
//! Never a 500, and nothing of a refused body reaches a window.

use serde_json::{Value, json};

use crate::support::{Answer, Sale, TestApp};

/// Changes one thing of a good body.
type Spoil = fn(&mut Value);

/// What is wrong, and the field that the answer must name.
const SPOILED: [(&str, Spoil); 34] = [
    ("transaction_id", |body| body["transaction_id"] = json!("not-a-uuid")),
    ("transaction_id", |body| remove(body, "transaction_id")),
    ("timestamp", |body| body["timestamp"] = json!("yesterday")),
    ("timestamp", |body| body["timestamp"] = json!("2024-11-15T10:00:00")),
    ("timestamp", |body| body["timestamp"] = json!("2999-01-01T00:00:00Z")),
    ("timestamp", |body| body["timestamp"] = json!(1_731_664_800)),
    ("store_id", |body| remove(body, "store_id")),
    ("store_id", |body| body["store_id"] = json!(null)),
    ("store_id", |body| body["store_id"] = json!("STORE_0")),
    ("store_id", |body| body["store_id"] = json!("STORE_11")),
    ("store_id", |body| body["store_id"] = json!("STORE_\u{0663}")),
    ("store_id", |body| body["store_id"] = json!("STORE_1/../STORE_2")),
    ("cashier_id", |body| body["cashier_id"] = json!("CASHIER_9")),
    ("cashier_id", |body| remove(body, "cashier_id")),
    ("items", |body| body["items"] = json!([])),
    ("items", |body| body["items"] = json!("milk")),
    ("items[0].quantity", |body| body["items"][0]["quantity"] = json!(0)),
    ("items[0].quantity", |body| body["items"][0]["quantity"] = json!(2.5)),
    ("items[0].quantity", |body| remove(&mut body["items"][0], "quantity")),
    ("items[0].price_per_unit", |body| body["items"][0]["price_per_unit"] = json!(-1)),
    ("items[0].price_per_unit", |body| remove(&mut body["items"][0], "price_per_unit")),
    ("items[0].total_price", |body| body["items"][0]["total_price"] = json!(100)),
    ("items[0].total_price", |body| body["items"][0]["total_price"] = json!("2.58")),
    ("total_amount", |body| remove(body, "total_amount")),
    ("total_amount", |body| body["total_amount"] = json!("2.58")),
    ("total_amount", |body| body["total_amount"] = json!(true)),
    ("total_amount", |body| body["total_amount"] = json!(0)),
    ("payment_method", |body| body["payment_method"] = json!("barter")),
    ("payment_status", |body| body["payment_status"] = json!("failure")),
    ("customer_id", |body| body["customer_id"] = json!("a/b/c")),
    ("customer_id", |body| body["customer_id"] = json!("")),
    ("customer_id", |body| body["customer_id"] = json!("c".repeat(400))),
    ("loyalty_points_earned", |body| body["loyalty_points_earned"] = json!(-5)),
    ("receipt", |body| remove(body, "receipt")),
];

/// Amounts that JSON can carry and money cannot.
const BAD_AMOUNTS: [&str; 9] = ["2.675", "1e2", "1E-2", "NaN", "Infinity", "-0.01", "0.00", "1000000000", "1e400"];

/// Whole bodies that are no transaction.
const NO_OBJECTS: [&str; 10] = ["", "[]", "\"x\"", "null", "5", "{", "{}", "{\"a\":", "\u{0}", "[[[[[[[["];

fn remove(object: &mut Value, key: &str) {
    object.as_object_mut().unwrap().remove(key).unwrap();
}

fn assert_refused(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 422, "{what}: {}", answer.text);
    let body = answer.json();
    assert_eq!(body["status"], "error", "{what}");
    assert_eq!(body["message"], "Validation failed for the request body", "{what}");
    assert!(!body["errors"].as_array().expect("errors").is_empty(), "{what}");
}

#[tokio::test]
async fn each_fault_of_a_body_is_a_422_that_names_its_field() {
    let app = TestApp::start().await;
    for (field, spoil) in SPOILED {
        let mut body = Sale::new("STORE_1", 258).json();
        spoil(&mut body);

        let answer = app.post(body.to_string()).await;

        assert_refused(&answer, &body.to_string());
        let start = format!("Field '{field}");
        let errors = answer.json()["errors"].clone();
        let named = errors.as_array().unwrap().iter().any(|error| error.as_str().unwrap().starts_with(&start));
        assert!(named, "`{field}` is not named: {errors}");
    }
}

#[tokio::test]
async fn an_amount_that_is_no_money_is_refused_whatever_json_can_write() {
    let app = TestApp::start().await;
    for amount in BAD_AMOUNTS {
        let answer = app.post(Sale::new("STORE_1", 258).body().replace("2.58", amount)).await;

        assert_refused(&answer, amount);
    }
}

#[tokio::test]
async fn a_body_that_is_no_object_at_all_is_a_422() {
    let app = TestApp::start().await;
    for body in NO_OBJECTS {
        assert_refused(&app.post(body).await, &format!("{body:?}"));
    }
    assert_refused(&app.post("{\"a\":".repeat(100_000)).await, "deep nesting");
}

#[tokio::test]
async fn all_faults_of_a_body_are_named_at_once() {
    let app = TestApp::start().await;
    let mut body = Sale::new("STORE_1", 258).json();
    body["store_id"] = json!("STORE_99");
    body["cashier_id"] = json!(7);
    body["items"][0]["quantity"] = json!(-1);
    body["payment_method"] = json!("barter");

    let answer = app.post(body.to_string()).await;

    assert_refused(&answer, "four faults");
    let errors = answer.json()["errors"].to_string();
    for field in ["store_id", "cashier_id", "items[0].quantity", "payment_method"] {
        assert!(errors.contains(&format!("Field '{field}' validation failed: ")), "{field}: {errors}");
    }
}

#[tokio::test]
async fn a_client_that_asks_for_problem_json_gets_pointers_and_stable_codes() {
    let app = TestApp::start().await;
    let mut body = Sale::new("STORE_1", 258).json();
    body["items"][0]["quantity"] = json!(0);
    let request = app.request("POST", "/api/v1/pos/validate_transaction", "pos-service");
    let request = request.header("accept", "application/problem+json").header("content-type", "application/json");

    let answer = app.send(request.body(body.to_string())).await;

    assert_eq!(answer.status, 422);
    assert!(answer.header("content-type").starts_with("application/problem+json"), "{:?}", answer.headers);
    let problem = answer.json();
    assert_eq!(problem["status"], 422);
    assert!(problem["title"].is_string(), "{problem}");
    let fault = &problem["errors"][0];
    assert!(fault.to_string().contains("/items/0/quantity"), "{problem}");
    assert!(fault["code"].as_str().is_some_and(|code| !code.is_empty()), "{problem}");
}

#[tokio::test]
async fn nothing_of_a_refused_body_is_counted() {
    let app = TestApp::start().await;
    let good = Sale::new("STORE_1", 100);
    let mut bad = Sale::new("STORE_1", 900).at(good.time).json();
    bad["cashier_id"] = json!("CASHIER_99");

    app.post(bad.to_string()).await;
    app.accept(&good).await;

    assert_eq!(app.final_window_of(&good).await.total_amount, 100);
    assert!(app.metric("pos_transactions_total", "outcome=\"rejected\"").await >= 1.0);
    app.ledger_balances().await;
}
