//! The HTTP side against doors that answer as told: statuses, headers and bodies of the contract.

use std::time::Duration;

use actix_web::http::{Method, StatusCode, header};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web;
use base64::Engine;
use secrecy::SecretString;
use serde_json::{Value, json};
use tillstream_audit::AuditTrail;
use tillstream_domain::{Correction, Money, RuleError, StoreId};
use tillstream_messages::{
    EnvironmentFaults, HealthBoard, LedgerReport, Leg, LegState, Outcome, PublishError, QueryLedger, QueryTurnover,
    SaleAccepted, SaleRefused, SecretEntry, SecretTree, StoreLedger, TraceContext, ValidateSale, WallClock,
};
use tillstream_session::Backend;
use tillstream_supervision::{AskError, Node, Place, Port, Strategy, Supervisor, SupervisorSpec};

use super::*;
use crate::asyncapi::tests::references;
use crate::faults::{Environment, InForce};
use crate::live::LiveSettings;

mod audit;
mod faults;
mod health;
mod journey;
mod live;
mod log;
mod matrix;
mod secrets;

const SALE: &str = "/api/v1/pos/validate_transaction";
const ID: &str = "3fa85f64-5717-4562-b3fc-2c963f66afa6";

type Verdict = Result<SaleAccepted, SaleRefused>;

fn users_for_test() -> Users {
    let mut tree = SecretTree::default();
    for (user, role) in [("till", "pos"), ("agg", "aggregation"), ("reader", "reporting"), ("admin", "admin")] {
        let keys = [("username", user), ("password", "pw"), ("role", role)];
        let keys = keys.map(|(key, value)| (key.to_owned(), SecretString::from(value))).into();
        tree.entries.insert(format!("validation-service/creds/{user}"), SecretEntry::new(1, chrono::Utc::now(), keys));
    }
    Users::from_tree(&tree)
}

fn tree_for_test() -> Node {
    Node {
        path: "root".to_owned(),
        kind: "supervisor".to_owned(),
        state: "running".to_owned(),
        generation: 1,
        restarts: 0,
        last_failure: None,
        mailbox: 0,
        uptime_seconds: 1,
        children: Vec::new(),
    }
}

fn openapi_for_test() -> Documents {
    Documents::new(&tillstream_domain::Rules::default())
}

fn api_for_test(doors: Doors) -> Api {
    let board = HealthBoard::default();
    for leg in [Leg::Secrets, Leg::Publish, Leg::Clock] {
        board.set(leg, LegState::Up);
    }
    let settings = HttpSettings { max_body: 1_000, body_timeout: Duration::from_secs(1), ..HttpSettings::default() };
    let health = Health::new(&"validation".parse().unwrap(), board, || None);
    let pages = doors.live.is_some().then(|| Live::new(LiveSettings { max_pages: 2, ..LiveSettings::default() }));
    Api {
        in_flight: InFlight::new(settings.max_in_flight),
        gate: Gate::new(&settings, users_for_test()),
        settings,
        doors,
        documents: openapi_for_test(),
        faults: faults_for_test(true, health.clone()),
        health,
        tree: Arc::new(tree_for_test),
        live: pages,
        log: LogControl::default(),
    }
}

/// A tree without actors and without a broker.
fn faults_for_test(enabled: bool, health: Health) -> Faults {
    let place = Place::arbiter("faults-for-test");
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
    let environment = Environment {
        broker: None,
        backend: Backend::Embedded,
        roles: "pos".parse().unwrap(),
        clock: WallClock::default(),
        switches: EnvironmentFaults::default(),
        in_force: InForce::default(),
    };
    Faults::new(enabled, root, environment, None, health, AuditTrail::default())
}

fn accepted_for_test() -> SaleAccepted {
    SaleAccepted { transaction_id: ID.parse().unwrap(), outcome: Outcome::Paid, corrections: Vec::new() }
}

fn validating(verdict: impl Fn() -> Verdict + Send + Sync + 'static) -> Doors {
    let port = Port::from_fn(move |_: ValidateSale| verdict());
    Doors { validate: Some(port.into()), ..Doors::default() }
}

fn as_user(request: TestRequest, user: &str) -> TestRequest {
    let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{user}:pw"));
    request.insert_header((header::AUTHORIZATION, format!("Basic {credentials}")))
}

fn sale_request() -> TestRequest {
    let request = as_user(TestRequest::post().uri(SALE), "till");
    request.insert_header((header::CONTENT_TYPE, "application/json")).set_payload("{}")
}

/// Status, headers and body of one request.
async fn answer(api: Api, request: TestRequest) -> (StatusCode, header::HeaderMap, Value) {
    let app = init_service(server::app(web::Data::new(api))).await;
    let response = call_service(&app, request.to_request()).await;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = read_body(response).await;
    (status, headers, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

#[actix_web::test]
async fn an_accepted_sale_is_answered_like_the_original() {
    let (status, _, body) = answer(api_for_test(validating(|| Ok(accepted_for_test()))), sale_request()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body, json!({"status": "success", "transaction_id": ID, "message": "Transaction accepted"}));
}

#[actix_web::test]
async fn a_sale_is_handed_on_with_the_trace_of_its_request_and_a_bad_one_costs_nothing() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (header, trace) in [(parent, TraceContext::parse(parent, "rojo=1")), ("00-bad", None)] {
        let port = Port::from_fn(move |order: ValidateSale| {
            assert_eq!(order.trace, trace);
            Ok(accepted_for_test())
        });
        let doors = Doors { validate: Some(port.into()), ..Doors::default() };
        let request = sale_request().insert_header(("traceparent", header)).insert_header(("tracestate", "rojo=1"));
        assert_eq!(answer(api_for_test(doors), request).await.0, StatusCode::OK);
    }
}

#[actix_web::test]
async fn a_corrected_total_is_said_in_the_answer() {
    let corrected = || {
        let (sent, recorded) = (Money::from_cents(300), Money::from_cents(258));
        let corrections = vec![Correction { field: "total_amount", sent, recorded }];
        Ok(SaleAccepted { corrections, ..accepted_for_test() })
    };
    let (_, _, body) = answer(api_for_test(validating(corrected)), sale_request()).await;
    assert_eq!(body["corrections"], json!([{"field": "total_amount", "sent": 3.00, "recorded": 2.58}]));
}

#[actix_web::test]
async fn a_failed_payment_is_recorded_and_said_so() {
    let failed = || Ok(SaleAccepted { outcome: Outcome::PaymentFailed, ..accepted_for_test() });
    let (status, _, body) = answer(api_for_test(validating(failed)), sale_request()).await;
    assert_eq!((status, &body["message"]), (StatusCode::OK, &json!("Payment failed, recorded")));
}

#[actix_web::test]
async fn both_prefixes_are_one_route() {
    let api = api_for_test(validating(|| Ok(accepted_for_test())));
    let (status, _, _) = answer(api, sale_request().uri(&format!("/validation-service{SALE}"))).await;
    assert_eq!(status, StatusCode::OK);
}

#[actix_web::test]
async fn credentials_are_checked_before_the_body() {
    let request = TestRequest::post().uri(SALE).insert_header((header::CONTENT_TYPE, "text/plain")).set_payload("x");
    let (status, headers, body) = answer(api_for_test(validating(|| Ok(accepted_for_test()))), request).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(headers.get(header::WWW_AUTHENTICATE).unwrap(), "Basic realm=\"tillstream\", charset=\"UTF-8\"");
    assert_eq!(body, json!({"detail": "Not authenticated"}));
}

#[actix_web::test]
async fn a_user_of_another_role_is_forbidden() {
    let request = as_user(TestRequest::post().uri(SALE), "agg").set_payload("{}");
    let (status, _, _) = answer(api_for_test(validating(|| Ok(accepted_for_test()))), request).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn a_route_of_a_role_that_does_not_run_here_names_the_role() {
    for (uri, role) in [("/api/v1/pos/turnover", "reporting"), ("/api/v1/ledger", "reporting")] {
        let (status, _, body) =
            answer(api_for_test(Doors::default()), as_user(TestRequest::get().uri(uri), "admin")).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(body["detail"].as_str().unwrap().contains(role));
    }
    let (status, _, body) = answer(api_for_test(Doors::default()), sale_request()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body["detail"].as_str().unwrap().contains("validation"));
}

#[actix_web::test]
async fn unknown_paths_and_trailing_slashes_are_json_404s() {
    for uri in ["/nothing", "/openapi.json", "/api/v1/pos/validate_transaction/", "//", "/validation-services"] {
        let (status, _, body) = answer(api_for_test(Doors::default()), TestRequest::get().uri(uri)).await;
        assert_eq!((status, body), (StatusCode::NOT_FOUND, json!({"detail": "Not Found"})), "{uri}");
    }
}

#[actix_web::test]
async fn another_method_is_a_405_that_says_which_are_allowed() {
    for (method, uri, allowed) in [
        (Method::GET, SALE, "POST"),
        (Method::DELETE, "/api/v1/pos/turnover", "GET, HEAD"),
        (Method::POST, "/metrics", "GET, HEAD"),
        (Method::from_bytes(b"BREW").unwrap(), "/metrics", "GET, HEAD, POST, PUT"),
    ] {
        let (status, headers, body) =
            answer(api_for_test(Doors::default()), TestRequest::default().method(method).uri(uri)).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(headers.get(header::ALLOW).unwrap(), allowed);
        assert_eq!(body, json!({"detail": "Method Not Allowed"}));
    }
}

#[actix_web::test]
async fn a_body_over_the_bound_is_a_413_announced_or_not() {
    let api = || api_for_test(validating(|| Ok(accepted_for_test())));
    let (status, _, _) = answer(api(), sale_request().set_payload(vec![b' '; 1_001])).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let announced = sale_request().insert_header((header::CONTENT_LENGTH, "99999999"));
    let (status, _, _) = answer(api(), announced).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _, _) = answer(api(), sale_request().set_payload(vec![b' '; 1_000])).await;
    assert_eq!(status, StatusCode::OK);
}

#[actix_web::test]
async fn a_chunked_body_that_never_ends_does_not_keep_a_refused_connection() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let settings = HttpSettings { listen: ([127, 0, 0, 1], 0).into(), workers: 1, ..HttpSettings::default() };
    let bound = bind(&settings).unwrap();
    let mut client = tokio::net::TcpStream::connect(bound.address()).await.unwrap();
    let (server, handle) = bound.run(api_for_test(Doors::default())).unwrap();
    let server = actix_web::rt::spawn(server);
    let request = "POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab";
    client.write_all(request.as_bytes()).await.unwrap();

    let mut received = String::new();
    let until_closed = client.read_to_string(&mut received);

    tokio::time::timeout(Duration::from_secs(30), until_closed).await.expect("the connection is closed").unwrap();
    assert!(received.starts_with("HTTP/1.1 404"), "{received}");
    handle.stop(false).await;
    server.await.unwrap().unwrap();
}

#[actix_web::test]
async fn a_body_that_is_not_json_by_its_type_is_a_415_and_one_without_type_is_read() {
    let api = || api_for_test(validating(|| Ok(accepted_for_test())));
    let typed = sale_request().insert_header((header::CONTENT_TYPE, "text/plain"));
    assert_eq!(answer(api(), typed).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let untyped = as_user(TestRequest::post().uri(SALE), "till").set_payload("{}");
    assert_eq!(answer(api(), untyped).await.0, StatusCode::OK);
}

#[actix_web::test]
async fn every_broken_rule_comes_back_in_the_shape_that_the_client_accepts() {
    let broken = || {
        let rule = |path: &str, pointer: &str| RuleError {
            path: path.to_owned(),
            pointer: pointer.to_owned(),
            code: "field_missing",
            message: "is missing".into(),
        };
        Err(SaleRefused::Invalid(vec![rule("store_id", "/store_id"), rule("items[0].name", "/items/0/name")]))
    };
    let (status, _, body) = answer(api_for_test(validating(broken)), sale_request()).await;
    assert_eq!((status, body["errors"].as_array().unwrap().len()), (StatusCode::UNPROCESSABLE_ENTITY, 2));
    assert_eq!(body["errors"][1], "Field 'items[0].name' validation failed: is missing");
    let request = sale_request().insert_header((header::ACCEPT, "application/problem+json"));
    let (_, headers, body) = answer(api_for_test(validating(broken)), request).await;
    assert_eq!(headers.get(header::CONTENT_TYPE).unwrap(), "application/problem+json");
    assert_eq!(body["errors"][1]["pointer"], "/items/0/name");
}

#[actix_web::test]
async fn an_overloaded_service_asks_the_till_to_come_back() {
    let full = || Err(SaleRefused::Unavailable(PublishError::Overloaded));
    let (status, headers, _) = answer(api_for_test(validating(full)), sale_request()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers.get(header::RETRY_AFTER).unwrap(), "1");

    for error in [AskError::Full, AskError::Lost, AskError::Timeout, AskError::NotDelivered, AskError::Terminated] {
        let door = Door::new(move |_, _| Box::pin(async move { Err(error) }));
        let doors = Doors { validate: Some(door), ..Doors::default() };
        let (status, headers, _) = answer(api_for_test(doors), sale_request()).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(headers.contains_key(header::RETRY_AFTER));
    }

    let api = Api { in_flight: InFlight::new(0), ..api_for_test(validating(|| Ok(accepted_for_test()))) };
    assert_eq!(answer(api, sale_request()).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[actix_web::test]
async fn the_ledger_shows_both_sides_and_whether_they_agree() {
    let report = || {
        let side = |count, cents| (count, Money::from_cents(cents));
        let store = StoreLedger {
            store: StoreId::from_number(3).unwrap(),
            accepted: side(5, 1_000),
            in_windows: side(4, 900),
            late: side(0, 0),
            rejected: side(0, 0),
            open: side(2, 250),
            open_starts: None,
            imbalance_count: 1,
            imbalance_cents: 100,
        };
        Ok(LedgerReport { stores: vec![store], poison: 7 })
    };
    let port = Port::from_fn(move |_: QueryLedger| report());
    let doors = Doors { ledger: Some(port.into()), ..Doors::default() };
    let (status, _, body) =
        answer(api_for_test(doors), as_user(TestRequest::get().uri("/api/v1/ledger"), "admin")).await;
    assert_eq!((status, &body["balanced"], &body["poison"]), (StatusCode::OK, &json!(false), &json!(7)));
    assert_eq!(body["stores"][0]["open"], json!({"count": 2, "amount": 2.5}));
    assert_eq!(body["stores"][0]["imbalance"], json!({"count": 1, "cents": 100}));
}

#[actix_web::test]
async fn a_bad_query_names_every_mistake_and_a_good_one_gets_an_array() {
    let doors = || {
        let port = Port::from_fn(|_: QueryTurnover| Ok(Vec::new()));
        Doors { turnover: Some(port.into()), ..Doors::default() }
    };
    let get = |uri: &str| as_user(TestRequest::get().uri(uri), "reader");
    let (status, _, body) = answer(api_for_test(doors()), get("/api/v1/pos/turnover?limit=0&from=x")).await;
    assert_eq!((status, body["errors"].as_array().unwrap().len()), (StatusCode::UNPROCESSABLE_ENTITY, 2));
    let (status, _, body) = answer(api_for_test(doors()), get("/api/v1/pos/turnover")).await;
    assert_eq!((status, body), (StatusCode::OK, json!([])));
}

#[actix_web::test]
async fn health_names_the_leg_that_is_down() {
    let api = api_for_test(Doors::default());
    let (status, _, body) = answer(api.clone(), TestRequest::get().uri("/api/v1/health")).await;
    assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("ok")));
    assert_eq!(body["message"], "The application is healthy and running.");
    api.health.start_draining();
    let (status, _, _) = answer(api.clone(), TestRequest::get().uri("/health/ready")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let (status, _, _) = answer(api, TestRequest::get().uri("/health/live")).await;
    assert_eq!(status, StatusCode::OK);
}

#[actix_web::test]
async fn the_actor_tree_is_for_the_admin_only() {
    let uri = "/api/v1/actors";
    let (status, _, _) = answer(api_for_test(Doors::default()), as_user(TestRequest::get().uri(uri), "reader")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, _, body) = answer(api_for_test(Doors::default()), as_user(TestRequest::get().uri(uri), "admin")).await;
    assert_eq!((status, &body["path"]), (StatusCode::OK, &json!("root")));
}

#[actix_web::test]
async fn metrics_count_both_prefixes_as_one_endpoint_and_mask_what_no_route_has() {
    let app = init_service(server::app(web::Data::new(api_for_test(Doors::default())))).await;
    for uri in ["/health/startup", "/validation-service/health/startup", "/scan/1", "/scan/2"] {
        // The metrics are the process's: no other test asks for a head here.
        let request = TestRequest::default().method(Method::HEAD).uri(uri);
        read_body(call_service(&app, request.to_request()).await).await;
    }
    let response = call_service(&app, TestRequest::get().uri("/metrics").to_request()).await;
    let page = String::from_utf8(read_body(response).await.to_vec()).unwrap();
    let total = "http_requests_total{endpoint=\"/health/startup\",method=\"HEAD\",status=\"200\"} 2";
    assert!(page.contains(total), "{page}");
    assert!(page.contains("http_request_duration_seconds_count{endpoint=\"/health/startup\""));
    assert!(page.contains("http_response_size_bytes_count{endpoint=\"/health/startup\""));
    assert!(page.contains("endpoint=\"unmatched\"") && !page.contains("/scan/"));
    assert!(page.contains("build_info{version=") && page.contains("process_cpu_seconds_total"));
    assert!(!page.contains("/validation-service/"));
}

#[actix_web::test]
async fn the_document_describes_every_route_and_starts_with_the_prefix_that_was_asked() {
    let uri = "/validation-service/api/v1/pos/openapi.json";
    let (status, _, body) = answer(api_for_test(Doors::default()), TestRequest::get().uri(uri)).await;
    assert_eq!((status, &body["openapi"]), (StatusCode::OK, &json!("3.1.0")));
    assert_eq!(body["servers"][0]["url"], "/validation-service");
    assert_eq!(body["paths"].as_object().unwrap().len(), 21);
    let invalid = &body["paths"][SALE]["post"]["responses"]["422"]["content"];
    assert!(invalid["application/problem+json"].is_object() && invalid["application/json"].is_object());
}

#[test]
fn every_reference_of_the_document_points_at_something() {
    let document: Value = serde_json::from_str(openapi_for_test().at_root()).unwrap();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

/// The property names of a schema, sorted.
fn properties(schema: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(openapi_for_test().at_root()).unwrap();
    keys(&document["components"]["schemas"][schema]["properties"])
}

fn keys(object: &Value) -> Vec<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn what_is_read_and_served_by_others_has_the_documented_fields() {
    let transaction = examples::transaction();
    assert_eq!(keys(&transaction), properties("Transaction"));
    assert_eq!(keys(&transaction["items"][0]), properties("Item"));
    assert_eq!(keys(&transaction["receipt"]), properties("Receipt"));
    let start = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let event = turnover::row_for_test(1, start, Money::from_cents(5)).event;
    let mut event = keys(&serde_json::from_slice(&event.to_json()).unwrap());
    event.sort();
    assert_eq!(event, properties("AggregatedEvent"));
    // Types of one name would silently share one schema.
    let document: Value = serde_json::from_str(openapi_for_test().at_root()).unwrap();
    assert_eq!(document["components"]["schemas"]["Amount"]["type"], "number");
    assert_eq!(properties("Difference"), ["cents", "count"]);
    let node = keys(&serde_json::to_value(tree_for_test()).unwrap());
    assert_eq!(node, properties("ActorDocument"));
}

#[actix_web::test]
async fn the_page_to_try_it_loads_nothing_from_elsewhere_below_any_prefix() {
    let app = init_service(server::app(web::Data::new(api_for_test(Doors::default())))).await;
    for prefix in ["", "/validation-service"] {
        let uri = format!("{prefix}/api/v1/pos/docs");
        let response = call_service(&app, TestRequest::get().uri(&uri).to_request()).await;
        let html = String::from_utf8(read_body(response).await.to_vec()).unwrap();
        assert!(html.contains("<base href=\"docs/\">") && !html.contains("https://"));
        for file in ["swagger-ui-bundle.js", "swagger-ui.css", "swagger-initializer.js"] {
            assert!(html.contains(file));
            let asset = TestRequest::get().uri(&format!("{uri}/{file}")).to_request();
            assert_eq!(call_service(&app, asset).await.status(), StatusCode::OK);
        }
    }
}
