//! Where one sale is, over HTTP: JSON, page, refusals.

use chrono::{DateTime, TimeDelta, Utc};
use tillstream_messages::{
    Evidence, Journey, JourneyError, JourneyState, JourneyStep, QueryError, QueryJourney, StepKind, ToldAs, ToldWindow,
};
use uuid::Uuid;

use super::*;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_731_664_800 + seconds, 0).unwrap()
}

fn step(seconds: i64, what: StepKind) -> JourneyStep {
    JourneyStep { at: Some(time(seconds)), evidence: Evidence::Observed, source: "some.q".to_owned(), what }
}

fn journey_for_test(id: tillstream_domain::TransactionId) -> Journey {
    let (store, amount) = (StoreId::from_number(3).unwrap(), Money::from_cents(757));
    let told =
        ToldWindow { event_id: Uuid::nil(), transaction_count: 2, total: Money::from_cents(1_000), is_final: true };
    let window = StepKind::Window { start: time(0), end: time(0) + TimeDelta::seconds(10), told: None };
    let (kind, topic, queue) = ("receipt", "sale/x".to_owned(), "some.q".to_owned());
    let steps = vec![
        step(1, StepKind::Received { timestamp: time(0), accepted_at: time(1), trace_id: Some(0xab) }),
        step(1, StepKind::Corrected { field: "total_amount", sent: Money::from_cents(700), recorded: amount }),
        step(2, StepKind::Published { kind, topic, queue, deliveries: 1 }),
        JourneyStep { at: None, evidence: Evidence::Inferred, ..step(0, window) },
        step(11, StepKind::Aggregate { kind: ToldAs::Final, told }),
        step(12, StepKind::Rejected { store, amount, detail: "<script>".to_owned(), times: 3 }),
    ];
    Journey { id, store, amount, currency: "EUR".to_owned(), state: JourneyState::InFinalWindow, steps }
}

fn knowing(answer: impl Fn(QueryJourney) -> Result<Journey, JourneyError> + Send + Sync + 'static) -> Api {
    let port = Port::from_fn(move |question: QueryJourney| answer(question));
    api_for_test(Doors { journey: Some(port.into()), ..Doors::default() })
}

fn request_for_test(id: &str) -> TestRequest {
    as_user(TestRequest::get().uri(&format!("/api/v1/transactions/{id}/journey")), "reader")
}

async fn page(api: Api, id: &str) -> (StatusCode, header::HeaderMap, String) {
    let app = init_service(server::app(web::Data::new(api))).await;
    let request = request_for_test(id).insert_header((header::ACCEPT, BROWSER)).to_request();
    let response = call_service(&app, request).await;
    let (status, headers) = (response.status(), response.headers().clone());
    (status, headers, String::from_utf8(read_body(response).await.to_vec()).unwrap())
}

#[actix_web::test]
async fn every_text_form_of_an_id_is_one_sale_and_every_step_says_how_it_is_known() {
    for form in [ID.to_owned(), ID.to_uppercase(), ID.replace('-', ""), format!("urn:uuid:{ID}"), format!("%7B{ID}%7D")]
    {
        let (status, headers, body) =
            answer(knowing(|question| Ok(journey_for_test(question.id))), request_for_test(&form)).await;

        assert_eq!((status, body["transaction_id"].as_str()), (StatusCode::OK, Some(ID)), "{form}");
        assert_eq!(headers.get(header::CACHE_CONTROL).unwrap(), "no-store");
        assert_eq!((&body["state"], &body["store_id"]), (&json!("in_final_window"), &json!("STORE_3")));
        assert_eq!(
            body["steps"][0],
            json!({"step": "received", "at": "2024-11-15T10:00:01Z", "evidence": "observed", "source": "some.q",
                "till_timestamp": "2024-11-15T10:00:00Z", "accepted_at": "2024-11-15T10:00:01Z",
                "trace_id": "000000000000000000000000000000ab"})
        );
        assert_eq!(body["steps"][2]["message_id"], ID);
        assert_eq!((&body["steps"][3]["at"], &body["steps"][3]["told"]), (&Value::Null, &Value::Null));
        assert_eq!(body["steps"][4]["told"]["final"], true);
        assert_eq!((&body["steps"][5]["reason"], &body["steps"][5]["times"]), (&json!("conflict"), &json!(3)));
    }
}

#[actix_web::test]
async fn amounts_have_two_decimals_in_steps_too() {
    let app = init_service(server::app(web::Data::new(knowing(|question| Ok(journey_for_test(question.id)))))).await;
    let body = read_body(call_service(&app, request_for_test(ID).to_request()).await).await;
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(
        text.contains(r#""amount":7.57"#)
            && text.contains(r#""sent":7.00"#)
            && text.contains(r#""total_amount":10.00"#),
        "{text}"
    );
}

#[actix_web::test]
async fn a_browser_gets_a_page_that_runs_nothing_and_loads_nothing() {
    let (status, headers, html) = page(knowing(|question| Ok(journey_for_test(question.id))), ID).await;

    assert_eq!(
        (status, headers.get(header::CONTENT_TYPE).unwrap()),
        (StatusCode::OK, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert!(headers.get(header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap().starts_with("default-src 'none';"));
    assert_eq!(
        (headers.get(header::X_CONTENT_TYPE_OPTIONS).unwrap(), headers.get(header::VARY).unwrap()),
        (&"nosniff".parse().unwrap(), &"Accept".parse().unwrap())
    );
    assert!(
        html.contains("in_final_window") && html.contains("7.57 EUR in STORE_3") && html.contains("from 7.00 to 7.57"),
        "{html}"
    );
    assert!(html.contains("&lt;script&gt;") && !html.contains("<script"), "{html}");
}

#[actix_web::test]
async fn nobody_is_told_that_a_till_heard_accepted_of_a_failed_payment() {
    let failed = knowing(|question| {
        let (kind, topic, queue) = ("failed", "sale/failed".to_owned(), "some.q".to_owned());
        let published = step(2, StepKind::Published { kind, topic, queue, deliveries: 0 });
        let steps = vec![published, step(2, StepKind::PaymentFailed)];
        Ok(Journey { state: JourneyState::PaymentFailed, steps, ..journey_for_test(question.id) })
    });
    let (.., html) = page(failed, ID).await;
    assert!(html.contains("brought by some.q; the till heard that the payment failed"), "{html}");
    assert!(!html.contains("accepted") && !html.contains("0 times"), "{html}");
}

#[actix_web::test]
async fn a_sale_that_nobody_knows_is_a_404_that_says_why_as_json_and_as_a_page() {
    let nobody = || knowing(|question| Err(JourneyError::Unknown { id: question.id, newest: 7 }));
    let (status, _, body) = answer(nobody(), request_for_test(ID)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains(ID) && detail.contains("never accepted") && detail.contains("newest 7 sales"), "{detail}");

    let (status, headers, html) = page(nobody(), ID).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(headers.contains_key(header::CONTENT_SECURITY_POLICY) && html.contains("never accepted"), "{html}");
}

#[actix_web::test]
async fn a_bad_id_is_a_422_in_the_usual_shapes_and_never_comes_back_as_markup() {
    let nobody = || knowing(|_| panic!("nobody is asked"));
    for bad in ["1", "3fa85f64-5717-4562-b3fc-2c963f66afa", "%3Cscript%3E", "x%22y"] {
        let (status, _, body) = answer(nobody(), request_for_test(bad)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
        assert_eq!(body["message"], "Validation failed for the path");
        assert!(body["errors"][0].as_str().unwrap().starts_with("Field 'id' validation failed: "), "{body}");
        let problem = request_for_test(bad).insert_header((header::ACCEPT, "application/problem+json"));
        let (_, headers, body) = answer(nobody(), problem).await;
        assert_eq!(headers.get(header::CONTENT_TYPE).unwrap(), "application/problem+json");
        assert_eq!(
            (&body["errors"][0]["pointer"], &body["errors"][0]["code"]),
            (&json!("/id"), &json!("uuid_invalid"))
        );
        let (status, _, html) = page(nobody(), bad).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(!html.contains("<script"), "{html}");
    }
}

#[actix_web::test]
async fn a_reporting_that_cannot_answer_now_is_a_503_and_one_that_is_elsewhere_a_404_that_names_the_role() {
    let busy = knowing(|_| Err(JourneyError::Query(QueryError::Storage("full".to_owned()))));
    let (status, headers, _) = answer(busy, request_for_test(ID)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(headers.contains_key(header::RETRY_AFTER));

    let (status, _, body) = answer(api_for_test(Doors::default()), request_for_test(ID)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(body["detail"], "this route belongs to role `reporting`, which does not run in this process");
}
