//! What the audit trail keeps of requests, against doors that answer as told.

use tillstream_audit::AuditSettings;
use tillstream_messages::AggregateRefused;

use super::*;

const WITHIN: Duration = Duration::from_secs(30);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// An API whose records go to a directory.
struct Recorded {
    api: Api,
    directory: tempfile::TempDir,
}

impl Recorded {
    fn new(doors: Doors) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let trail = AuditTrail::start(&AuditSettings::default(), directory.path().to_owned()).unwrap();
        let api = api_for_test(doors);
        let api = Api { gate: api.gate.clone().recorded_in(trail), ..api };
        Self { api, directory }
    }

    async fn answer(&self, request: TestRequest) -> StatusCode {
        let traced = request.insert_header(("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01")));
        answer(self.api.clone(), traced.peer_addr(([192, 0, 2, 1], 7).into())).await.0
    }

    /// What is in one of the two files, without the times.
    fn records(&self, file: &str) -> Vec<Value> {
        assert!(self.api.gate.trail().flush(WITHIN), "the writer is stuck");
        let text = std::fs::read_to_string(self.directory.path().join(file)).unwrap();
        let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let without_time = |mut record: Value| {
            assert!(record.as_object_mut().unwrap().remove("time").unwrap().is_string());
            record
        };
        records.map(without_time).collect()
    }
}

fn sale_of(body: &str) -> TestRequest {
    sale_request().set_payload(body.to_owned())
}

fn refusing(codes: &'static [&'static str]) -> Doors {
    validating(move || {
        let error = |code: &&'static str| RuleError {
            path: "items[0].a-secret-field".to_owned(),
            pointer: "/items/0/a-secret-field".to_owned(),
            code,
            message: "a secret".into(),
        };
        Err(SaleRefused::Invalid(codes.iter().map(error).collect()))
    })
}

#[actix_web::test]
async fn a_rejected_sale_leaves_who_where_which_and_all_rules_and_nothing_of_its_body() {
    let recorded = Recorded::new(refusing(&["out_of_range", "missing", "out_of_range"]));
    let body = format!(r#"{{"transaction_id":"{ID}","store_id":"STORE_3","cashier_id":"a-cashier","x":[1]}}"#);
    assert_eq!(recorded.answer(sale_of(&body)).await, StatusCode::UNPROCESSABLE_ENTITY);
    let expected = json!({
        "verdict": "rejected",
        "who": "till",
        "address": "192.0.2.1",
        "door": "http",
        "route": SALE,
        "rules": ["missing", "out_of_range"],
        "transaction_id": ID,
        "store_id": "STORE_3",
        "trace_id": TRACE,
    });
    assert_eq!(recorded.records("sales.jsonl"), [expected]);
}

#[actix_web::test]
async fn what_stands_where_an_id_belongs_is_recorded_only_if_it_is_one() {
    let recorded = Recorded::new(refusing(&["missing"]));
    for body in [
        r#"{"transaction_id":"a password","store_id":"a customer"}"#,
        r#"{"transaction_id":7,"store_id":{"a":"customer"}}"#,
        r#"{"store_id":"a customer","store_id":"STORE_3"}"#,
        "[",
        "",
    ] {
        assert_eq!(recorded.answer(sale_of(body)).await, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let records = recorded.records("sales.jsonl");
    assert_eq!(records.len(), 5);
    for record in records {
        assert!(record.get("transaction_id").is_none() && record.get("store_id").is_none(), "{record}");
    }
}

#[actix_web::test]
async fn a_corrected_sale_leaves_which_fields_and_one_that_is_as_it_should_be_leaves_nothing() {
    let body = format!(r#"{{"transaction_id":"{ID}","store_id":"STORE_3"}}"#);
    let correction =
        || Correction { field: "total_amount", sent: Money::from_cents(1), recorded: Money::from_cents(2) };
    let corrected = move || Ok(SaleAccepted { corrections: vec![correction()], ..accepted_for_test() });
    let recorded = Recorded::new(validating(corrected));
    assert_eq!(recorded.answer(sale_of(&body)).await, StatusCode::OK);
    let records = recorded.records("sales.jsonl");
    assert_eq!((records.len(), &records[0]["verdict"]), (1, &json!("corrected")));
    assert_eq!((&records[0]["corrected"], &records[0]["store_id"]), (&json!(["total_amount"]), &json!("STORE_3")));
    assert!(records[0].get("rules").is_none());

    let untouched = Recorded::new(validating(|| Ok(accepted_for_test())));
    assert_eq!(untouched.answer(sale_of(&body)).await, StatusCode::OK);
    let busy = Recorded::new(validating(|| Err(SaleRefused::Unavailable(PublishError::Overloaded))));
    assert_eq!(busy.answer(sale_of(&body)).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!([untouched.records("sales.jsonl"), busy.records("sales.jsonl")], [Vec::<Value>::new(), vec![]]);
}

#[actix_web::test]
async fn an_aggregate_that_is_rejected_leaves_a_record_whoever_found_it_out() {
    let refused = Port::from_fn(|_: tillstream_messages::PublishAggregate| {
        Err(AggregateRefused::Unavailable(PublishError::Overloaded))
    });
    let recorded = Recorded::new(Doors { aggregate: Some(refused.into()), ..Doors::default() });
    let request = TestRequest::post().uri("/api/v1/pos/amount-per-store").set_payload(r#"{"store_id":"STORE_2"}"#);
    assert_eq!(recorded.answer(as_user(request, "agg")).await, StatusCode::UNPROCESSABLE_ENTITY);
    let records = recorded.records("sales.jsonl");
    assert_eq!(records.len(), 1);
    assert_eq!((&records[0]["who"], &records[0]["store_id"]), (&json!("agg"), &json!("STORE_2")));
    assert!(!records[0]["rules"].as_array().unwrap().is_empty());
}

#[actix_web::test]
async fn who_is_refused_and_why_is_recorded_whatever_the_status() {
    let recorded = Recorded::new(Doors::default());
    let fault = || as_user(TestRequest::post().uri("/api/v1/faults/environment").set_payload("{}"), "admin");
    let disabled = Recorded {
        api: Api { faults: faults_for_test(false, recorded.api.health.clone()), ..recorded.api.clone() },
        directory: tempfile::tempdir().unwrap(),
    };
    assert_eq!(recorded.answer(TestRequest::get().uri("/api/v1/actors")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(recorded.answer(as_user(TestRequest::get().uri("/api/v1/actors"), "till")).await, StatusCode::FORBIDDEN);
    assert_eq!(disabled.answer(fault()).await, StatusCode::FORBIDDEN);
    let records = recorded.records("access.jsonl");
    let told =
        |record: &Value| [&record["verdict"], &record["who"], &record["reason"], &record["trace_id"]].map(Clone::clone);
    let unauthorised = |who: Value, reason: &str| [json!("unauthorised"), who, json!(reason), json!(TRACE)];
    let expected = [
        unauthorised(Value::Null, "no_credentials"),
        unauthorised(json!("till"), "role"),
        unauthorised(json!("admin"), "faults_disabled"),
    ];
    assert_eq!(records.iter().map(told).collect::<Vec<_>>(), expected);
}

#[actix_web::test]
async fn what_people_break_and_change_is_recorded_with_their_names() {
    let recorded = Recorded::new(Doors::default());
    let order = |request: TestRequest, body: &str| as_user(request.set_payload(body.to_owned()), "admin");
    let nobody = order(TestRequest::post().uri("/api/v1/actors/root.nobody/fault"), r#"{"kind":"panic"}"#);
    assert_eq!(recorded.answer(nobody).await, StatusCode::NOT_FOUND);
    let filter = order(TestRequest::put().uri("/api/v1/log"), r#"{"filter":"debug","for_seconds":60}"#);
    assert_eq!(recorded.answer(filter).await, StatusCode::OK);

    let records = recorded.records("access.jsonl");

    let told = |record: &Value| [&record["verdict"], &record["who"], &record["what"]].map(Clone::clone);
    let refused = "panic, refused: ";
    assert_eq!((&records[0]["object"], &records[0]["who"]), (&json!("root.nobody"), &json!("admin")));
    assert!(records[0]["what"].as_str().unwrap().starts_with(refused), "{}", records[0]);
    assert_eq!(told(&records[1]), [json!("log_filter"), json!("admin"), json!("debug for 60s")]);
    assert_eq!(records.len(), 2);
}
