//! Every route against every role: the domain's matrix as HTTP keeps it, row by row.
//! A route without a row here fails, so that nobody adds one and forgets who may use it.

use std::collections::BTreeSet;

use tillstream_domain::{Action, UserRole};
use tillstream_generator::Rate;
use tillstream_messages::{
    JourneyError, ListSecrets, LiveReport, PublishAggregate, QueryJourney, QueryLive, RefreshSecrets, SecretsOverview,
    SecretsRefreshed,
};

use super::*;

/// What a route asks of whoever wants it.
#[derive(Debug, Clone, Copy)]
enum Needs {
    /// Nothing: everybody may.
    Nothing,
    /// A user whose role may do this.
    Right(Action),
}

use Needs::{Nothing, Right};

/// Method, path as the route table has it, and what it needs.
const ROWS: [(&str, &str, Needs); 29] = [
    ("POST", "/api/v1/pos/validate_transaction", Right(Action::SendSale)),
    ("POST", "/api/v1/pos/amount-per-store", Right(Action::SendAggregate)),
    ("GET", "/api/v1/pos/turnover", Right(Action::ReadTurnover)),
    ("GET", "/api/v1/transactions/{id}/journey", Right(Action::ReadJourney)),
    ("GET", "/", Right(Action::Watch)),
    ("GET", "/page/{file}", Right(Action::Watch)),
    ("GET", "/api/v1/events", Right(Action::Watch)),
    ("GET", "/api/v1/stores", Right(Action::Watch)),
    ("GET", "/api/v1/ledger", Right(Action::ReadLedger)),
    ("GET", "/api/v1/actors", Right(Action::ReadActors)),
    ("POST", "/api/v1/actors/{path}/fault", Right(Action::InjectFault)),
    ("POST", "/api/v1/faults/environment", Right(Action::InjectFault)),
    ("GET", "/api/v1/faults", Right(Action::ReadFaults)),
    ("GET", "/api/v1/faults/{id}", Right(Action::ReadFaults)),
    ("GET", "/api/v1/secrets", Right(Action::ReadSecrets)),
    ("POST", "/api/v1/secrets/refresh", Right(Action::RefreshSecrets)),
    ("PUT", "/api/v1/generator", Right(Action::ControlGenerator)),
    ("GET", "/api/v1/generator", Right(Action::ControlGenerator)),
    ("PUT", "/api/v1/log", Right(Action::SetLogFilter)),
    ("GET", "/api/v1/log", Right(Action::ReadLogFilter)),
    ("GET", "/api/v1/health", Nothing),
    ("GET", "/health/live", Nothing),
    ("GET", "/health/ready", Nothing),
    ("GET", "/health/startup", Nothing),
    ("GET", "/metrics", Nothing),
    ("GET", "/api/v1/pos/openapi.json", Nothing),
    ("GET", "/api/v1/pos/docs", Nothing),
    ("GET", "/api/v1/pos/docs/{file}", Nothing),
    ("HEAD", "/api/v1/ledger", Right(Action::ReadLedger)),
];

/// Users of `users_for_test`.
const USERS: [(&str, UserRole); 4] = [
    ("till", UserRole::Pos),
    ("agg", UserRole::Aggregation),
    ("reader", UserRole::Reporting),
    ("admin", UserRole::Admin),
];

fn all_doors() -> Doors {
    let overview = || SecretsOverview {
        source: "local",
        confirmed_at: chrono::Utc::now(),
        next_refresh: chrono::Utc::now(),
        trouble: None,
        secrets: Vec::new(),
    };
    let aggregate = Port::from_fn(|_: PublishAggregate| Ok(()));
    let turnover = Port::from_fn(|_: QueryTurnover| Ok(Vec::new()));
    let journey = Port::from_fn(|question: QueryJourney| Err(JourneyError::Unknown { id: question.id, newest: 1 }));
    let ledger = Port::from_fn(|_: QueryLedger| Ok(LedgerReport { stores: Vec::new(), poison: 0 }));
    let live = Port::from_fn(|_: QueryLive| Ok(LiveReport::default()));
    let refresh = Port::from_fn(|_: RefreshSecrets| Ok(SecretsRefreshed { changed: Vec::new(), kept: Vec::new() }));
    Doors {
        aggregate: Some(aggregate.into()),
        turnover: Some(turnover.into()),
        journey: Some(journey.into()),
        live: Some(live.into()),
        ledger: Some(ledger.into()),
        generator: Some(Rate::new(0)),
        secrets: Some(Port::from_fn(move |_: ListSecrets| overview()).into()),
        refresh_secrets: Some(refresh.into()),
        ..validating(|| Ok(accepted_for_test()))
    }
}

/// The path with something in its holes; no fault is ever carried out, because the body is none.
fn row_request(method: &str, path: &str) -> TestRequest {
    let uri = path.replace("{path}", "root").replace("{id}", "1").replace("{file}", "swagger-ui.css");
    TestRequest::default().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(&uri).set_payload("{}")
}

fn refused(status: StatusCode) -> bool {
    [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS].contains(&status)
}

/// All statuses on one gate, so the limits count as they do in life. No body is read: a stream has no end.
async fn status(api: &Api, request: TestRequest) -> StatusCode {
    let app = init_service(server::app(web::Data::new(api.clone()))).await;
    call_service(&app, request.to_request()).await.status()
}

#[actix_web::test]
async fn each_role_may_do_on_each_route_what_the_matrix_says_and_nothing_else() {
    let api = api_for_test(all_doors());
    for (method, path, needs) in ROWS {
        for (user, role) in USERS {
            let status = status(&api, as_user(row_request(method, path), user)).await;
            match needs {
                Right(action) if !role.may(action) => {
                    assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path} {user}")
                }
                _ => assert!(!refused(status), "{method} {path} {user}: {status}"),
            }
        }
    }
}

#[actix_web::test]
async fn who_is_nobody_or_has_a_wrong_password_gets_no_further_than_the_open_routes() {
    let api = api_for_test(all_doors());
    let wrong = |request: TestRequest, user: &str| request.insert_header((header::AUTHORIZATION, basic(user, "wrong")));
    for (method, path, needs) in ROWS {
        let nobody = status(&api, row_request(method, path)).await;
        let stranger = status(&api, wrong(row_request(method, path), "stranger")).await;
        let impostor = status(&api, wrong(row_request(method, path), "admin")).await;
        match needs {
            Nothing => assert!(![nobody, stranger, impostor].into_iter().any(refused), "{method} {path}"),
            Right(_) => {
                assert_eq!([nobody, stranger, impostor], [StatusCode::UNAUTHORIZED; 3], "{method} {path}");
            }
        }
    }
}

#[test]
fn every_route_of_the_table_has_a_row() {
    let table: BTreeSet<_> =
        include_str!("../routes.rs").split('"').skip(1).step_by(2).filter(|text| text.starts_with('/')).collect();
    let rows: BTreeSet<_> = ROWS.iter().map(|(_, path, _)| *path).collect();
    assert_eq!(table, rows);
    let needing: BTreeSet<_> = waiting::LATER.into_iter().filter(|path| *path != prefix::PREFIX).collect();
    let answered = |path: &&str| path.starts_with("/health/") || ["/api/v1/health", "/metrics"].contains(path);
    assert_eq!(needing, table.into_iter().filter(|path| !answered(path)).collect(), "while the process waits");
}

/// The route table has no methods that a test could read; the document has.
#[test]
fn every_operation_of_the_document_has_a_row_and_says_whether_it_needs_somebody() {
    let document: Value = serde_json::from_str(openapi_for_test().at_root()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let row = ROWS.iter().find(|(verb, route, _)| verb.eq_ignore_ascii_case(method) && route == path);
            let (.., needs) = row.unwrap_or_else(|| panic!("{method} {path} has no row"));
            let expected = match needs {
                Nothing => Value::Null,
                Right(_) => json!([{"basic": []}, {"bearer": []}, {"mutualTLS": []}]),
            };
            assert_eq!(operation["security"], expected, "{method} {path}");
            let limited = operation["responses"]["429"].is_object();
            assert_eq!(limited, matches!(needs, Right(_)), "{method} {path}");
        }
    }
}

#[test]
fn every_right_is_needed_by_some_route() {
    let needed: BTreeSet<_> =
        ROWS.iter().filter_map(|(.., needs)| if let Right(action) = needs { Some(*action) } else { None }).collect();
    assert_eq!(needed, BTreeSet::from(Action::ALL));
}

#[actix_web::test]
async fn guesses_are_answered_by_a_429_that_says_when_to_come_again() {
    let api = api_for_test(all_doors());
    let guess = |number: usize| {
        let credentials = basic("till", &format!("guess {number}"));
        sale_request().insert_header((header::AUTHORIZATION, credentials))
    };
    for number in 0..10 {
        assert_eq!(status(&api, guess(number)).await, StatusCode::UNAUTHORIZED);
    }
    let (status, headers, body) = answer(api, sale_request()).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = headers.get(header::RETRY_AFTER).unwrap().to_str().unwrap().parse().unwrap();
    assert!((1..=31).contains(&seconds), "{seconds}");
    assert_eq!(body, json!({"detail": "too many failed logins: try again later"}));
}

#[actix_web::test]
async fn secrets_that_are_too_old_let_nobody_in_and_leave_health_alone() {
    let api = api_for_test(all_doors());
    let api = Api { gate: api.gate.clone().fail_closed_when(|| true), ..api };
    for (method, path, needs) in ROWS {
        let (status, headers, body) = answer(api.clone(), as_user(row_request(method, path), "admin")).await;
        let Right(_) = needs else {
            assert_eq!(status, StatusCode::OK, "{path}");
            continue;
        };
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{method} {path}");
        assert!(headers.contains_key(header::RETRY_AFTER), "{method} {path}");
        assert!(method == "HEAD" || body["detail"].as_str().unwrap().contains("secrets"), "{method} {path}: {body}");
    }
}

#[actix_web::test]
async fn refusals_are_counted_by_reason_and_the_metric_does_not_tell_who_exists() {
    let api = api_for_test(all_doors());
    for user in ["stranger", "till"] {
        let request = sale_request().insert_header((header::AUTHORIZATION, basic(user, "wrong")));
        assert_eq!(status(&api, request).await, StatusCode::UNAUTHORIZED);
    }
    let app = init_service(server::app(web::Data::new(api))).await;
    let response = call_service(&app, TestRequest::get().uri("/metrics").to_request()).await;
    let page = String::from_utf8(read_body(response).await.to_vec()).unwrap();
    assert!(page.contains("http_refusals_total{reason=\"credentials\"}"), "{page}");
    assert!(!page.contains("unknown_user") && !page.contains("wrong_password"));
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}
