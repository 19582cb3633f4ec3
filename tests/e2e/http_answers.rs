//! Who may do what, and the status codes around bodies: 401, 403, 404, 405, 413, 415, health, documents.
//! What a body must look like is `http_bodies`; what turnover looks like is `http_queries`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::{Backend, Sale, Setup, TestApp};

const SALES: &str = "/api/v1/pos/validate_transaction";
const AGGREGATES: &str = "/api/v1/pos/amount-per-store";
const TURNOVER: &str = "/api/v1/pos/turnover";

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_cannot_be_told_apart() {
    let app = TestApp::start().await;
    let mut bodies = Vec::new();
    for (name, password) in [("nobody_username", "x"), ("pos-service_username", "wrong"), ("admin", ""), ("", "")] {
        let request = app.request("POST", SALES, "").basic_auth(name, Some(password));

        let answer = app.send(request.header("content-type", "application/json").body("{}")).await;

        assert_eq!(answer.status, 401, "{name}");
        assert!(answer.header("www-authenticate").starts_with("Basic"), "{name}");
        bodies.push(answer.text);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[tokio::test]
async fn no_and_broken_credentials_are_a_401_before_the_body_is_looked_at() {
    let app = TestApp::start().await;
    for value in ["", "Bearer abc", "Basic", "Basic !!!", &format!("Basic {}", STANDARD.encode("nocolon"))] {
        // A type that is not taken either: whoever looks at the body first says 415.
        let mut request = app.request("POST", SALES, "").header("content-type", "text/plain").body("not json");
        if !value.is_empty() {
            request = request.header("authorization", value);
        }

        let answer = app.send(request).await;

        assert_eq!(answer.status, 401, "{value}: {}", answer.text);
        assert!(answer.header("www-authenticate").starts_with("Basic"), "{value}");
    }
}

#[tokio::test]
async fn each_route_refuses_the_roles_that_it_is_not_for() {
    let app = TestApp::start().await;
    let table = [
        ("POST", SALES, ["aggregation-service", "reporting-service"].as_slice()),
        ("POST", AGGREGATES, &["pos-service", "reporting-service"]),
        ("GET", TURNOVER, &["pos-service", "aggregation-service"]),
        ("GET", "/api/v1/ledger", &["pos-service", "aggregation-service", "reporting-service"]),
        ("GET", "/api/v1/actors", &["pos-service", "aggregation-service", "reporting-service"]),
    ];
    for (method, path, users) in table {
        for user in users {
            let body = if method == "POST" { Sale::new("STORE_1", 1).body() } else { String::new() };
            let request = app.request(method, path, user).header("content-type", "application/json");

            let answer = app.send(request.body(body)).await;

            assert_eq!(answer.status, 403, "{user} {method} {path}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn the_admin_may_read_everything_and_post_sales() {
    let app = TestApp::start().await;
    for path in [TURNOVER, "/api/v1/ledger", "/api/v1/actors"] {
        assert_eq!(app.get(path, "admin").await.status, 200, "{path}");
    }
    let request = app.request("POST", SALES, "admin").header("content-type", "application/json");
    assert_eq!(app.send(request.body(Sale::new("STORE_1", 1).body())).await.status, 200);
}

#[tokio::test]
async fn the_old_prefix_and_the_bare_path_are_one_service() {
    let app = TestApp::start().await;
    for prefix in ["", "/validation-service"] {
        for path in ["/api/v1/health", "/health/live", "/health/ready", "/health/startup", "/metrics"] {
            assert_eq!(app.get(&format!("{prefix}{path}"), "").await.status, 200, "{prefix}{path}");
        }
        let request = app.request("POST", &format!("{prefix}{SALES}"), "pos-service");
        let request = request.header("content-type", "application/json").body(Sale::new("STORE_1", 1).body());
        assert_eq!(app.send(request).await.status, 200, "{prefix}{SALES}");
        assert_eq!(
            app.get(&format!("{prefix}{TURNOVER}"), "reporting-service").await.status,
            200,
            "{prefix}{TURNOVER}"
        );
    }
}

#[tokio::test]
async fn an_unknown_path_is_a_404_and_a_wrong_method_a_405_that_says_which_is_right() {
    let app = TestApp::start().await;

    assert_eq!(app.get("/api/v1/nothing", "admin").await.status, 404);
    assert_eq!(app.get("/openapi.json", "").await.status, 404);
    for (method, path, allowed) in [
        ("GET", SALES, "POST"),
        ("DELETE", SALES, "POST"),
        ("PUT", AGGREGATES, "POST"),
        ("POST", TURNOVER, "GET"),
        ("POST", "/api/v1/ledger", "GET"),
        ("PATCH", "/api/v1/health", "GET"),
    ] {
        let answer = app.send(app.request(method, path, "admin")).await;

        assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text);
        assert!(answer.header("allow").contains(allowed), "{method} {path}: {:?}", answer.headers);
    }
}

#[tokio::test]
async fn a_route_of_a_role_that_does_not_run_here_says_which_role_is_missing() {
    let app = Setup::new().roles("pos").setting("pos.url", "http://127.0.0.1:9").start().await;

    let answer = app.get(TURNOVER, "admin").await;

    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("reporting"), "{}", answer.text);
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413_however_it_is_sent() {
    let app = Setup::new().setting("http.max_body", "65536").start().await;
    let large = " ".repeat(65_537);
    let request = || app.request("POST", SALES, "pos-service").header("content-type", "application/json");
    let pieces = || futures_util::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(" ".repeat(1000))));

    assert_eq!(app.send(request().body(large)).await.status, 413, "with a length");
    assert_eq!(app.send(request().body(reqwest::Body::wrap_stream(pieces()))).await.status, 413, "in chunks");
}

#[tokio::test]
async fn another_content_type_is_a_415_and_none_is_taken_as_json() {
    let app = TestApp::start().await;
    for kind in
        ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    {
        let request = app.request("POST", SALES, "pos-service").header("content-type", kind);

        let answer = app.send(request.body(Sale::new("STORE_1", 1).body())).await;

        assert_eq!(answer.status, 415, "{kind}: {}", answer.text);
    }
    for kind in ["application/json", "application/json; charset=utf-8"] {
        let request = app.request("POST", SALES, "pos-service").header("content-type", kind);
        assert_eq!(app.send(request.body(Sale::new("STORE_1", 1).body())).await.status, 200, "{kind}");
    }
    let bare = app.request("POST", SALES, "pos-service").body(Sale::new("STORE_1", 1).body().into_bytes());
    assert_eq!(app.send(bare).await.status, 200, "none");
}

#[tokio::test]
async fn the_documents_are_openapi_3_1_with_every_route_and_a_page_to_try_it() {
    let app = TestApp::start().await;

    let answer = app.get("/api/v1/pos/openapi.json", "").await;

    let document: Value = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{document}");
    for path in [SALES, AGGREGATES, TURNOVER, "/api/v1/ledger", "/api/v1/actors", "/api/v1/health", "/health/ready"] {
        assert!(document["paths"][path].is_object(), "{path} is not documented");
    }
    let statuses = document["paths"][SALES]["post"]["responses"].as_object().unwrap();
    for status in ["200", "401", "403", "413", "415", "422", "503"] {
        assert!(statuses.contains_key(status), "{status} is not documented");
    }
    let page = app.get("/api/v1/pos/docs", "").await;
    assert!(page.status == 200 && page.text.to_lowercase().contains("swagger"), "{}", page.status);
}

#[tokio::test]
async fn the_actors_page_shows_a_tree_with_one_window_per_store() {
    let app = TestApp::start().await;
    app.accept(&Sale::new("STORE_3", 1)).await;
    app.windows_when_final(1).await;

    let tree = app.get("/api/v1/actors", "admin").await.json();

    for key in
        ["path", "kind", "state", "generation", "restarts", "last_failure", "mailbox", "uptime_seconds", "children"]
    {
        assert!(tree.get(key).is_some(), "{key}: {tree}");
    }
    assert!(tree.to_string().contains(".STORE_3\""), "{tree}");
}

#[tokio::test]
async fn the_metrics_of_the_contract_are_there_with_their_names() {
    let app = TestApp::start().await;
    app.accept(&Sale::new("STORE_1", 1)).await;
    app.windows_when_final(1).await;
    app.ledger_balances().await;

    let text = app.get("/metrics", "").await.text;

    // Nobody but a Solace broker itself sees how many messages a queue of it holds.
    let depth = (Backend::of_this_run() == Backend::Embedded).then_some("broker_queue_depth");
    let names = [
        "http_requests_total",
        "http_request_duration_seconds",
        "http_response_size_bytes",
        "pos_transactions_total",
        "pos_publish_duration_seconds",
        "pos_publish_in_flight",
        "pos_windows_emitted_total",
        "pos_window_delay_seconds",
        "pos_open_windows",
        "pos_late_total",
        "pos_duplicates_total",
        "pos_turnover_cents_total",
        "pos_ledger_imbalance_cents",
        "actor_up",
        "actor_mailbox_depth",
        "broker_connected",
        "broker_unacknowledged",
        "secrets_age_seconds",
        "process_resident_memory_bytes",
        "build_info",
    ];
    for name in names.into_iter().chain(depth) {
        let sample = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ', '_']));
        assert!(text.lines().any(sample), "{name} is missing");
    }
    let other_path = app.get("/no/such/path", "").await;
    assert_eq!(other_path.status, 404);
    let text = app.get("/metrics", "").await.text;
    assert!(!text.contains("no/such/path"), "an unknown path became a label");
}
