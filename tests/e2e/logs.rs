//! The log of a real process: one line for one cause, another level while it runs, and a reader that has stopped.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Sale, Setup, TestApp, eventually};

const LOG: &str = "/api/v1/log";
const SOON: Duration = Duration::from_secs(60);

async fn set(app: &TestApp, order: Value) -> Answer {
    app.send(app.request("PUT", LOG, "admin").json(&order)).await
}

fn lines(app: &TestApp) -> Vec<Value> {
    app.printed().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The lines that match, once there are so many.
async fn logged(app: &TestApp, count: usize, matches: impl Fn(&Value) -> bool) -> Vec<Value> {
    eventually("the lines to be in the log", SOON, async || {
        let found: Vec<_> = lines(app).into_iter().filter(&matches).collect();
        if found.len() >= count { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await
}

#[tokio::test]
async fn d31_one_error_is_one_line_that_says_when_how_bad_and_where() {
    let app = Setup::new().setting("log.filter", "error").setting("log.format", "json").start().await;
    app.recovers("root.pipeline.router", &json!({"kind": "panic"})).await;

    let panics = logged(&app, 1, |line| line["target"] == "tillstream::panic").await;

    assert_eq!(panics.len(), 1, "{panics:?}");
    for field in ["timestamp", "level", "message", "target", "panic.place", "panic.thread"] {
        assert!(panics[0][field].is_string(), "{field} in {}", panics[0]);
    }
    assert!(lines(&app).iter().all(|line| line["level"] == "ERROR"), "{}", app.printed());
}

#[tokio::test]
async fn an_admin_sets_another_level_while_the_process_runs_and_for_a_while() {
    let app = Setup::new().setting("log.format", "json").start().await;
    assert_eq!(app.get(LOG, "admin").await.json(), json!({"filter": "info"}));
    assert_eq!(app.get(LOG, "pos-service").await.status, 403);
    let refused = set(&app, json!({"filter": "inof"})).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(refused.text.contains("neither a level"), "{}", refused.text);

    let answer = set(&app, json!({"filter": "debug", "for_seconds": 1})).await;

    assert_eq!((answer.status, answer.json()["then"].as_str()), (200, Some("info")), "{}", answer.text);
    logged(&app, 2, |line| line["target"] == "tillstream::log" && line["log.filter"].is_string()).await;
    assert_eq!(app.get(LOG, "admin").await.json(), json!({"filter": "info"}));

    set(&app, json!({"filter": "info,tillstream_validator=debug"})).await;
    app.accept(&Sale { status: "failed".to_owned(), ..Sale::new("STORE_1", 100) }).await;
    logged(&app, 1, |line| line["level"] == "DEBUG" && line["target"] == "tillstream_validator::events").await;
    let counted = app.metric("log_lines_total", "level=\"info\"").await;
    assert!(counted >= 3.0, "{counted}");
}

#[tokio::test]
async fn a_reader_of_the_log_that_has_stopped_holds_up_neither_sales_nor_the_end() {
    let setup = Setup::new().setting("log.filter", "trace").setting("log.queue", "100");
    let mut app = setup.with_a_log_that_nobody_reads().start().await;
    // Each leaves a line, and the last one is a sale that the ledger knows.
    for _ in 0..200 {
        app.accept(&Sale { status: "failed".to_owned(), ..Sale::new("STORE_1", 100) }).await;
    }
    app.accept(&Sale::new("STORE_1", 100)).await;
    eventually("the lines that nobody reads to be counted as lost", SOON, async || {
        let lost = app.metric("log_lines_lost_total", "").await;
        if lost > 0.0 { Ok(()) } else { Err(lost.to_string()) }
    })
    .await;
    app.ledger_balances().await;
    assert!(app.stop().await.success(), "it ends although its last lines cannot be written");
}

#[tokio::test]
async fn a_storm_of_one_cause_is_a_few_lines_and_a_number() {
    const STORM: usize = 300;
    let app =
        Setup::new().setting("log.format", "json").setting("log.burst", "5").setting("log.within", "1s").start().await;
    for wave in [[(); 100]; STORM / 100] {
        futures_util::future::join_all(wave.map(|()| app.post("{}"))).await;
    }
    let rejected =
        |line: &Value| line["message"].as_str().is_some_and(|text| text.starts_with("rejected a transaction"));
    let told = |line: &Value| {
        line["suppressed"]
            .as_u64()
            .filter(|_| line["log.place"].as_str().is_some_and(|place| place.contains("events.rs")))
    };

    eventually("every line of the storm to be written or counted", SOON, async || {
        let lines = lines(&app);
        let (written, suppressed) =
            (lines.iter().filter(|line| rejected(line)).count(), lines.iter().filter_map(told).sum::<u64>());
        assert!(written < STORM, "{written} lines");
        let total = written as u64 + suppressed;
        if total == STORM as u64 { Ok(()) } else { Err(format!("{written} and {suppressed} of {STORM}")) }
    })
    .await;
    assert!(app.metric("log_lines_suppressed_total", "level=\"warn\"").await > 0.0);
}
