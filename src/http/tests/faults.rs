//! Who may break what, and what comes back; and the tills' rate.

use super::*;

const PATH: &str = "/api/v1/actors/root.nobody/fault";
const ENVIRONMENT: &str = "/api/v1/faults/environment";
const GENERATOR: &str = "/api/v1/generator";

fn posting(uri: &str, user: &str, body: &Value) -> TestRequest {
    as_user(TestRequest::post().uri(uri), user).set_json(body)
}

#[actix_web::test]
async fn only_an_admin_breaks_something_or_reads_what_was_broken() {
    for user in ["till", "agg", "reader"] {
        for uri in [PATH, ENVIRONMENT] {
            let (status, _, _) = answer(api_for_test(Doors::default()), posting(uri, user, &json!({}))).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{user} {uri}");
        }
        for uri in ["/api/v1/faults", "/api/v1/faults/1"] {
            let request = as_user(TestRequest::get().uri(uri), user);
            assert_eq!(answer(api_for_test(Doors::default()), request).await.0, StatusCode::FORBIDDEN);
        }
    }
    let nobody = TestRequest::post().uri(PATH).set_json(json!({"kind": "panic"}));
    assert_eq!(answer(api_for_test(Doors::default()), nobody).await.0, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn a_process_that_allows_no_faults_says_which_setting_would() {
    let api = || {
        let api = api_for_test(Doors::default());
        Api { faults: faults_for_test(false, api.health.clone()), ..api }
    };
    let requests = [
        posting(PATH, "admin", &json!({"kind": "panic"})),
        posting(ENVIRONMENT, "admin", &json!({"kind": "clock", "seconds": 1})),
        as_user(TestRequest::get().uri("/api/v1/faults"), "admin"),
        as_user(TestRequest::get().uri("/api/v1/faults/1"), "admin"),
    ];
    for request in requests {
        let (status, _, body) = answer(api(), request).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(body["detail"].as_str().unwrap().contains("faults.enabled"), "{body}");
    }
}

#[actix_web::test]
async fn what_is_not_there_is_a_404_that_names_it_and_a_bad_body_is_a_422() {
    let api = || api_for_test(Doors::default());
    let (status, _, body) = answer(api(), posting(PATH, "admin", &json!({"kind": "panic"}))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body["detail"].as_str().unwrap().contains("root.nobody"), "{body}");
    let (status, _, body) = answer(api(), posting(ENVIRONMENT, "admin", &json!({"kind": "lose_sale"}))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body["detail"].as_str().unwrap().contains("aggregation"), "{body}");
    for uri in ["/api/v1/faults/1", "/api/v1/faults/x"] {
        let request = as_user(TestRequest::get().uri(uri), "admin");
        assert_eq!(answer(api(), request).await.0, StatusCode::NOT_FOUND);
    }
    for uri in [PATH, ENVIRONMENT] {
        let (status, _, body) = answer(api(), posting(uri, "admin", &json!({"kind": "fire", "secs": 1}))).await;
        assert_eq!((status, body["errors"].as_array().unwrap().len()), (StatusCode::UNPROCESSABLE_ENTITY, 2));
    }
}

#[actix_web::test]
async fn a_fault_is_answered_with_its_verdict_or_at_once_and_one_of_a_kind_is_enough() {
    let api = api_for_test(Doors::default());
    let hour = posting(ENVIRONMENT, "admin", &json!({"kind": "clock", "seconds": 3600, "hold_seconds": 300}));
    let (status, headers, body) = answer(api.clone(), hour.insert_header(("prefer", "respond-async"))).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(headers.get(header::LOCATION).unwrap(), "/api/v1/faults/1");
    assert_eq!(body, json!({"id": 1, "target": "environment", "kind": "clock", "state": "pending", "verdict": null}));

    let again = posting(ENVIRONMENT, "admin", &json!({"kind": "clock", "seconds": 1}));
    let (status, _, body) = answer(api.clone(), again).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(body["detail"].as_str().unwrap().contains("`clock` is in force already"), "{body}");

    let (_, _, list) = answer(api, as_user(TestRequest::get().uri("/api/v1/faults"), "admin")).await;
    assert_eq!(list.as_array().unwrap().len(), 1);

    let short = posting(ENVIRONMENT, "admin", &json!({"kind": "clock", "seconds": -1, "hold_seconds": 0.1}));
    let (_, _, body) = answer(api_for_test(Doors::default()), short).await;
    assert_eq!((&body["state"], &body["verdict"]["lost"]), (&json!("recovered"), &Value::Null));
    assert!(body["verdict"]["restart_ms"].is_number(), "{body}");
}

#[actix_web::test]
async fn the_rate_of_the_tills_is_read_and_set_where_they_run() {
    let put = |body: &Value| as_user(TestRequest::put().uri(GENERATOR), "admin").set_json(body);
    let (status, _, body) = answer(api_for_test(Doors::default()), put(&json!({"rate": 0}))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body["detail"].as_str().unwrap().contains("`pos`"), "{body}");

    let rate = tillstream_generator::Rate::new(50);
    let api = || api_for_test(Doors { generator: Some(rate.clone()), ..Doors::default() });
    let (status, _, body) = answer(api(), put(&json!({"rate": 0}))).await;
    assert_eq!((status, body), (StatusCode::OK, json!({"rate": 0, "running": false})));
    assert_eq!(rate.get(), 0);
    let (status, _, _) = answer(api(), put(&json!({"rate": -1}))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    rate.set(7);
    let (_, _, body) = answer(api(), as_user(TestRequest::get().uri(GENERATOR), "admin")).await;
    assert_eq!(body, json!({"rate": 7, "running": true}));
    let reader = as_user(TestRequest::get().uri(GENERATOR), "reader");
    assert_eq!(answer(api(), reader).await.0, StatusCode::FORBIDDEN);
    let (status, headers, _) = answer(api(), TestRequest::post().uri(GENERATOR)).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(headers.get(header::ALLOW).unwrap(), "GET, HEAD, PUT");
}
