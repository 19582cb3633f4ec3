//! Turnover as JSON, CSV and NDJSON: filters, order, limits, bad questions.
//! What is counted is `counting`'s business.

use chrono::{TimeDelta, Utc};

use serde_json::json;

use crate::support::{Answer, Sale, TestApp};

const TURNOVER: &str = "/api/v1/pos/turnover";

/// Three sales of two stores in three windows, all final.
async fn with_three_windows() -> (TestApp, [Sale; 3]) {
    let app = TestApp::start().await;
    let old = Utc::now() - TimeDelta::seconds(60);
    let sales = [
        Sale::new("STORE_1", 101).at(old),
        Sale::new("STORE_1", 202).at(old + TimeDelta::seconds(5)),
        Sale::new("STORE_2", 303).at(old + TimeDelta::seconds(10)),
    ];
    for sale in &sales {
        app.accept(sale).await;
    }
    app.windows_when_final(3).await;
    (app, sales)
}

async fn stores_and_cents(app: &TestApp, query: &str) -> Vec<(String, String)> {
    let answer = app.get(&format!("{TURNOVER}{query}"), "reporting-service").await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    let rows = answer.json();
    let text = |row: &serde_json::Value, key: &str| row[key].to_string().trim_matches('"').to_owned();
    rows.as_array().unwrap().iter().map(|row| (text(row, "store_id"), text(row, "window_start"))).collect()
}

#[tokio::test]
async fn windows_come_newest_first_and_filters_cut_them() {
    let (app, sales) = with_three_windows().await;

    let all = stores_and_cents(&app, "").await;
    assert_eq!(all.len(), 3);
    assert!(all.windows(2).all(|pair| pair[0].1 >= pair[1].1), "{all:?}");
    assert_eq!(stores_and_cents(&app, "?store_id=STORE_1").await.len(), 2);
    assert_eq!(stores_and_cents(&app, "?store_id=STORE_01").await.len(), 2, "STORE_01 is STORE_1");
    assert_eq!(stores_and_cents(&app, "?limit=1").await, all[..1]);
    let middle = sales[1].time.format("%Y-%m-%dT%H:%M:%SZ");
    assert_eq!(stores_and_cents(&app, &format!("?from={middle}")).await.len(), 2);
    assert_eq!(stores_and_cents(&app, &format!("?to={middle}")).await.len(), 1);
}

#[tokio::test]
async fn a_spreadsheet_gets_csv_and_a_pipeline_gets_ndjson() {
    let (app, _) = with_three_windows().await;
    let get =
        |accept: &'static str| app.send(app.request("GET", TURNOVER, "reporting-service").header("accept", accept));

    let csv = get("text/csv").await;
    let lines: Vec<&str> = csv.text.lines().collect();
    assert!(csv.header("content-type").starts_with("text/csv"));
    assert_eq!(lines.len(), 4, "{}", csv.text);
    for column in
        ["store_id", "window_start", "window_end", "total_amount", "transaction_count", "final", "late_amount"]
    {
        assert!(lines[0].contains(column), "{column}: {}", lines[0]);
    }
    assert!(csv.text.contains("3.03") && csv.text.contains("STORE_2"), "{}", csv.text);

    let ndjson = get("application/x-ndjson").await;
    assert!(ndjson.header("content-type").contains("ndjson"));
    let rows =
        ndjson.text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("one object a line"));
    assert_eq!(rows.count(), 3);
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_a_422_and_never_a_500() {
    let app = TestApp::start().await;
    for query in ["?limit=0", "?limit=x", "?limit=1000001", "?limit=-1", "?from=yesterday", "?to=", "?store_id=SHOP_1"]
    {
        let answer = app.get(&format!("{TURNOVER}{query}"), "reporting-service").await;

        assert_eq!(answer.status, 422, "{query}: {}", answer.text);
    }
}

#[tokio::test]
async fn an_aggregate_that_comes_a_second_time_over_http_is_accepted_and_changes_nothing() {
    let (app, _) = with_three_windows().await;
    let rows = app.get(&format!("{TURNOVER}?store_id=STORE_2"), "reporting-service").await;
    let event = rows.text.trim_matches(['[', ']', '\n']).split(",\"late_amount\"").next().unwrap().to_owned() + "}";

    let answer = hand_in(&app, event).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    let expected = json!({"status": "success", "message": "Aggregated data received successfully."});
    assert_eq!(answer.json(), expected);
    // The queue keeps its order: once a later sale is in its window, the repetition has been read.
    let later = Sale::new("STORE_2", 404);
    app.accept(&later).await;
    app.final_window_of(&later).await;
    assert_eq!(app.windows_when_final(4).await.len(), 4);
    app.ledger_balances().await;
}

#[tokio::test]
async fn an_aggregate_that_breaks_the_rules_is_a_422() {
    let app = TestApp::start().await;
    for bad in ["{}", "[]", "", r#"{"total_amount":-1,"store_id":"../../x"}"#] {
        assert_eq!(hand_in(&app, bad.to_owned()).await.status, 422, "{bad}");
    }
}

async fn hand_in(app: &TestApp, body: String) -> Answer {
    let request = app.request("POST", "/api/v1/pos/amount-per-store", "aggregation-service");
    app.send(request.header("content-type", "application/json").body(body)).await
}
