use std::collections::HashMap;
use std::sync::Mutex;

use chrono::DateTime;

use super::*;
use crate::recording::write_recording;
use crate::testing::{Reaction, TestServer, credentials_for_test};

fn options_for_test(file: PathBuf, server: &TestServer) -> ReplayOptions {
    ReplayOptions {
        file,
        url: server.url.clone(),
        trust: Trust::default(),
        credentials: credentials_for_test(),
        rate: None,
        concurrency: 8,
        deadline: Duration::from_secs(30),
        request_timeout: Duration::from_secs(5),
    }
}

fn store_and_id_for_test(body: &str) -> (String, String) {
    let json: serde_json::Value = serde_json::from_str(body).expect("json");
    let text = |key: &str| json[key].as_str().expect("text").to_owned();
    (text("store_id"), text("transaction_id"))
}

#[tokio::test]
async fn every_store_gets_its_sales_in_the_order_of_the_file_though_some_attempts_fail() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("sales.ndjson");
    let from = DateTime::from_timestamp(1_731_628_800, 0).expect("in range");
    write_recording(&file, 1, 120, 5, from, Duration::from_secs(60)).expect("written");
    let accepted: std::sync::Arc<Mutex<Vec<String>>> = std::sync::Arc::default();
    let kept = accepted.clone();
    let server = TestServer::start(move |number, body: &str| match number % 7 {
        3 => Reaction::Status(503),
        5 => Reaction::Cut,
        _ => {
            kept.lock().expect("not poisoned").push(body.to_owned());
            Reaction::Status(200)
        }
    })
    .await;

    let mut last = ReplayProgress::default();
    let report = replay(options_for_test(file.clone(), &server), |progress| last = *progress).await.expect("replayed");

    assert!(report.is_complete() && report.accepted() == 120 && report.retries > 0, "{report:?}");
    assert_eq!((last.answered, last.done_bytes), (120, last.total_bytes));
    let by_store = |bodies: &[String]| {
        let mut stores: HashMap<String, Vec<String>> = HashMap::new();
        for body in bodies {
            let (store, id) = store_and_id_for_test(body);
            stores.entry(store).or_default().push(id);
        }
        stores
    };
    let recorded: Vec<String> = std::fs::read_to_string(&file).expect("there").lines().map(str::to_owned).collect();
    assert_eq!(by_store(&accepted.lock().expect("not poisoned")), by_store(&recorded));
}

#[tokio::test]
async fn malformed_lines_are_named_and_the_rest_is_sent() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("sales.ndjson");
    std::fs::write(&file, "{\"store_id\":\"STORE_1\"}\nnot json\n\n{\"no\":1}\n").expect("written");
    let server = TestServer::start(|_, _: &str| Reaction::Status(200)).await;

    let report = replay(options_for_test(file, &server), |_| {}).await.expect("replayed");

    let lines: Vec<u64> = report.malformed_lines.iter().map(|malformed| malformed.line).collect();
    assert_eq!((report.accepted(), report.malformed, lines), (1, 2, vec![2, 4]));
    assert!(!report.is_complete());
}

#[tokio::test]
async fn a_sale_that_never_gets_its_answer_is_reported_with_its_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("sales.ndjson");
    std::fs::write(&file, "{\"store_id\":\"STORE_1\"}\n{\"store_id\":\"STORE_2\",\"bad\":1}\n").expect("written");
    let script = |_, body: &str| Reaction::Status(if body.contains("bad") { 503 } else { 200 });
    let server = TestServer::start(script).await;

    let options = ReplayOptions { deadline: Duration::from_millis(100), ..options_for_test(file, &server) };
    let report = replay(options, |_| {}).await.expect("replayed");

    assert_eq!(report.unanswered.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2]);
    assert!(!report.is_complete());
}
