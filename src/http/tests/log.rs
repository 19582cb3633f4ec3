//! The route that sets which lines are logged, against a log that only notes what is wanted of it.

use std::sync::Mutex;

use super::*;

const LOG: &str = "/api/v1/log";

/// An API with a log of its own, and how often its filter was put in force.
fn with_log() -> (Api, Arc<Mutex<usize>>) {
    let applied = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&applied);
    let log = LogControl::new("info".parse().unwrap(), move |_| {
        *seen.lock().unwrap() += 1;
        true
    });
    (Api { log, ..api_for_test(Doors::default()) }, applied)
}

fn put(body: &str) -> TestRequest {
    as_user(TestRequest::put().uri(LOG).set_payload(body.to_owned()), "admin")
}

async fn get(api: &Api) -> Value {
    answer(api.clone(), as_user(TestRequest::get().uri(LOG), "admin")).await.2
}

#[actix_web::test]
async fn a_filter_that_is_set_is_in_force_and_read_back() {
    let (api, applied) = with_log();
    assert_eq!(get(&api).await, json!({"filter": "info"}));
    let filter = json!({"filter": "info,tillstream_window=debug"});
    let (status, _, body) = answer(api.clone(), put(&filter.to_string())).await;
    assert_eq!((status, &body), (StatusCode::OK, &filter));
    assert_eq!((get(&api).await, *applied.lock().unwrap()), (filter, 1));
}

#[actix_web::test]
async fn a_filter_for_a_while_says_what_comes_after_it() {
    let (api, _) = with_log();
    let (status, _, body) = answer(api, put(r#"{"filter":"debug","for_seconds":60}"#)).await;
    assert_eq!((status, body), (StatusCode::OK, json!({"filter": "debug", "for_seconds": 60, "then": "info"})));
}

#[actix_web::test]
async fn what_is_no_filter_is_refused_with_its_field_and_changes_nothing() {
    let (api, applied) = with_log();
    for (body, pointer) in [
        ("", ""),
        ("{}", ""),
        ("[]", ""),
        (r#"{"filter":7}"#, ""),
        (r#"{"filter":"info","x":1}"#, ""),
        (r#"{"filter":""}"#, "/filter"),
        (r#"{"filter":"inof"}"#, "/filter"),
        (r#"{"filter":"a=loud"}"#, "/filter"),
        (r#"{"filter":"info","for_seconds":0}"#, "/for_seconds"),
        (r#"{"filter":"info","for_seconds":86401}"#, "/for_seconds"),
        (r#"{"filter":"info","for_seconds":-1}"#, ""),
    ] {
        let request = put(body).insert_header((header::ACCEPT, "application/problem+json"));
        let (status, _, problem) = answer(api.clone(), request).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
    }
    assert_eq!((get(&api).await, *applied.lock().unwrap()), (json!({"filter": "info"}), 0));
}
