//! The live page, its stream and its search, with a reporting that answers as told and nobody who paints.

use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use tillstream_domain::Tally;
use tillstream_messages::{LiveReport, LiveStore, LiveWindow, Pick, QueryLive};

use super::*;
use crate::live::{Reader, Turn};

const EVENTS: &str = "/api/v1/events";

fn report_for_test(pick: &Pick) -> LiveReport {
    let Pick::Matching { text, limit } = pick else { panic!("a search is for what matches: {pick:?}") };
    assert_eq!((text.as_str(), *limit), ("7", 3));
    let sales = Tally::new(4, Money::from_cents(1_005));
    let store = StoreId::from_number(7).unwrap();
    let window =
        LiveWindow { start: 1_700_000_000_000_000, sales, has_event: true, revision: 2, ..LiveWindow::default() };
    let side = (4, Money::from_cents(1_005));
    let nothing = (0, Money::ZERO);
    let ledger = StoreLedger {
        store,
        accepted: side,
        in_windows: nothing,
        late: nothing,
        rejected: nothing,
        open: nothing,
        open_starts: None,
        imbalance_count: 4,
        imbalance_cents: -1_005,
    };
    let store = LiveStore {
        store,
        accepted: sales,
        last_minute: Tally::default(),
        turnover: sales,
        late: Tally::default(),
        failed: 0,
        windows: vec![window],
        windows_since: Some(1_700_000_000_000_000),
        filling: vec![(1_700_000_010_000_000, sales)],
        ledger,
    };
    LiveReport { stores_total: 10, matching: 1, stores: vec![store], ..LiveReport::default() }
}

fn doors() -> Doors {
    let live = Port::from_fn(|QueryLive(pick): QueryLive| Ok(report_for_test(&pick)));
    Doors { live: Some(live.into()), ..Doors::default() }
}

async fn open(api: &Api, request: TestRequest) -> ServiceResponse<impl MessageBody + use<>> {
    let app = init_service(server::app(web::Data::new(api.clone()))).await;
    call_service(&app, request.to_request()).await
}

/// The next piece of a stream.
async fn piece(body: &mut (impl MessageBody + Unpin)) -> Option<String> {
    let polling = std::future::poll_fn(|context| std::pin::Pin::new(&mut *body).poll_next(context));
    let bytes = tokio::time::timeout(Duration::from_secs(60), polling).await.expect("stuck: a stream says nothing");
    bytes.map(|bytes| String::from_utf8(bytes.unwrap_or_else(|_| panic!("a stream broke")).to_vec()).unwrap())
}

#[actix_web::test]
async fn a_stream_begins_with_who_watches_and_goes_on_with_the_model() {
    let api = api_for_test(doors());
    let response = open(&api, as_user(TestRequest::get().uri(EVENTS), "reader")).await;
    assert_eq!(response.status(), StatusCode::OK);
    for (header, value) in
        [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no")]
    {
        assert_eq!(response.headers().get(header).unwrap(), value);
    }
    let live = api.live.clone().unwrap();
    let mut body = Box::pin(response.into_body());
    let hello = piece(&mut body).await.unwrap();
    assert!(hello.starts_with("retry: ") && hello.contains(r#""role":"reporting""#), "{hello}");
    live.tell(json!({"at": 1}));
    assert!(piece(&mut body).await.unwrap().ends_with("event: snapshot\ndata: {\"at\":1}\n\n"));
    live.tell(json!({"at": 2}));
    assert!(piece(&mut body).await.unwrap().ends_with("event: change\ndata: {\"at\":2}\n\n"));
    live.close();
    assert_eq!(piece(&mut body).await, None);
}

#[actix_web::test]
async fn streams_take_no_place_of_other_requests_and_one_too_many_is_asked_to_come_again() {
    let api = api_for_test(doors());
    let request = || as_user(TestRequest::get().uri(EVENTS), "admin");
    let streams = [open(&api, request()).await, open(&api, request()).await];
    assert_eq!(api.in_flight.count(), 0);
    let refused = open(&api, request()).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    drop(streams);
    assert_eq!(api.live.as_ref().unwrap().pages(), 0);
    assert_eq!(open(&api, request()).await.status(), StatusCode::OK);
}

#[actix_web::test]
async fn a_user_with_as_many_streams_as_one_may_have_is_asked_to_wait_and_others_are_let_in() {
    let settings = LiveSettings { max_pages: 4, max_pages_per_user: 2, ..LiveSettings::default() };
    let api = Api { live: Some(Live::new(settings)), ..api_for_test(doors()) };
    let stream = async |user| open(&api, as_user(TestRequest::get().uri(EVENTS), user)).await;
    let mut streams = vec![stream("reader").await, stream("reader").await];
    let refused = stream("reader").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    let body: Value = serde_json::from_slice(&read_body(refused).await).unwrap();
    assert!(body["detail"].as_str().unwrap().contains("of this user"), "{body}");
    for _ in 0..2 {
        let other = stream("admin").await;
        assert_eq!(other.status(), StatusCode::OK);
        streams.push(other);
    }
    drop(streams.remove(0));
    assert_eq!(stream("reader").await.status(), StatusCode::OK);
}

#[actix_web::test]
async fn a_question_for_the_head_alone_opens_no_page() {
    let api = api_for_test(doors());
    let request = as_user(TestRequest::default().method(Method::HEAD).uri(EVENTS), "admin");
    assert_eq!(open(&api, request).await.status(), StatusCode::OK);
    assert_eq!(api.live.unwrap().pages(), 0);
}

#[actix_web::test]
async fn whoever_loses_the_right_to_watch_loses_the_stream_while_others_keep_theirs() {
    tokio::time::pause();
    let api = api_for_test(doors());
    let stream = async |user| Box::pin(open(&api, as_user(TestRequest::get().uri(EVENTS), user)).await.into_body());
    let (mut demoted, mut kept) = (stream("reader").await, stream("admin").await);
    for body in [&mut demoted, &mut kept] {
        assert!(piece(body).await.unwrap().contains("event: hello"));
    }
    let mut tree = SecretTree::default();
    for (user, role) in [("reader", "pos"), ("admin", "admin")] {
        let keys = [("username", user), ("password", "pw"), ("role", role)];
        let keys = keys.map(|(key, value)| (key.to_owned(), SecretString::from(value))).into();
        tree.entries.insert(format!("validation-service/creds/{user}"), SecretEntry::new(2, chrono::Utc::now(), keys));
    }
    api.gate.users().replace(&tree, Duration::ZERO);

    assert_eq!(piece(&mut demoted).await, None);
    assert_eq!(piece(&mut kept).await.unwrap(), ": beat\n\n");
}

#[actix_web::test]
async fn a_page_that_waits_holds_the_stream_of_nobody_else() {
    let api = api_for_test(doors());
    let live = api.live.clone().unwrap();
    let response = open(&api, as_user(TestRequest::get().uri(EVENTS), "admin")).await;
    let quick = Reader { by: "basic", name: "quick".into() };
    let mut quick = live.open(quick, None).unwrap();
    for number in 0..200 {
        live.tell(json!({ "at": number }));
        assert!(matches!(quick.turn(Duration::from_secs(1)).await, Turn::Send(_)));
    }
    let mut body = Box::pin(response.into_body());
    piece(&mut body).await.unwrap();
    assert!(piece(&mut body).await.unwrap().contains("event: snapshot\ndata: {\"at\":199}"));
}

#[actix_web::test]
async fn every_file_of_the_page_is_served_with_its_type_under_a_strict_policy_and_is_not_sent_twice() {
    let api = api_for_test(doors());
    let files = std::fs::read_dir("page").unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let paths: Vec<_> = files.map(|file| format!("/page/{file}")).chain(["/".to_owned()]).collect();
    assert!(paths.len() > 4, "{paths:?}");
    for path in paths {
        let response = open(&api, as_user(TestRequest::get().uri(&path), "reader")).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let headers = response.headers().clone();
        let policy = headers.get(header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"));
        assert_eq!(headers.get(header::X_CONTENT_TYPE_OPTIONS).unwrap(), "nosniff");
        assert_ne!(headers.get(header::CONTENT_TYPE).unwrap(), "application/octet-stream", "{path}");
        let tag = headers.get(header::ETAG).unwrap().clone();
        let again = as_user(TestRequest::get().uri(&path), "reader").insert_header((header::IF_NONE_MATCH, tag));
        let again = open(&api, again).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        assert!(read_body(again).await.is_empty());
    }
    let absent = open(&api, as_user(TestRequest::get().uri("/page/absent.js"), "reader")).await;
    assert_eq!(absent.status(), StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn below_the_prefix_the_page_stands_behind_a_slash_so_that_its_links_lead_there_too() {
    let api = api_for_test(doors());
    let (status, headers, _) = answer(api.clone(), TestRequest::get().uri("/validation-service")).await;
    assert_eq!(status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(headers.get(header::LOCATION).unwrap(), "validation-service/");
    let (status, ..) = answer(api, as_user(TestRequest::get().uri("/validation-service/"), "reader")).await;
    assert_eq!(status, StatusCode::OK);
}

#[actix_web::test]
async fn a_browser_that_comes_without_a_password_is_told_to_ask_for_one() {
    for path in ["/", "/page/app.js", EVENTS, "/api/v1/stores"] {
        let (status, headers, _) = answer(api_for_test(doors()), TestRequest::get().uri(path)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(headers.get(header::WWW_AUTHENTICATE).unwrap().to_str().unwrap().starts_with("Basic"));
    }
}

#[actix_web::test]
async fn without_role_reporting_there_is_nothing_to_watch() {
    for path in ["/", "/page/app.js", EVENTS, "/api/v1/stores"] {
        let request = as_user(TestRequest::get().uri(path), "admin");
        let (status, _, body) = answer(api_for_test(Doors::default()), request).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(body["detail"].as_str().unwrap().contains("`reporting`"), "{body}");
    }
}

#[actix_web::test]
async fn stores_are_found_and_told_with_money_as_text() {
    let request = as_user(TestRequest::get().uri("/api/v1/stores?search=7&limit=3"), "reader");
    let (status, _, body) = answer(api_for_test(doors()), request).await;
    assert_eq!((status, &body["total"], &body["matching"]), (StatusCode::OK, &json!(10), &json!(1)));
    let store = &body["stores"][0];
    assert_eq!((&store["store_id"], &store["accepted"]), (&json!("STORE_7"), &json!("10.05")));
    let window = json!({"amount": "10.05", "count": 4, "final": false, "revision": 2, "late": "0.00", "late_count": 0});
    assert_eq!(store["windows"], json!({"2023-11-14T22:13:20Z": window}));
    assert_eq!(store["windows_since"], "2023-11-14T22:13:20Z");
    assert_eq!(store["filling"], json!({"2023-11-14T22:13:30Z": {"amount": "10.05", "count": 4}}));
    assert_eq!(store["ledger"]["imbalance"], json!({"count": 4, "amount": "-10.05"}));
}

/// A browser sends a password that it knows along with whatever a page of somebody else asks for.
#[actix_web::test]
async fn a_page_of_another_site_changes_nothing_with_the_password_that_a_browser_remembers() {
    let changing = [
        ("POST", "/api/v1/secrets/refresh"),
        ("POST", "/api/v1/actors/root/fault"),
        ("POST", "/api/v1/faults/environment"),
        ("PUT", "/api/v1/generator"),
        ("PUT", "/api/v1/log"),
        ("POST", SALE),
        ("POST", "/api/v1/pos/amount-per-store"),
    ];
    let all = Doors { generator: Some(tillstream_generator::Rate::new(0)), ..validating(|| Ok(accepted_for_test())) };
    let status = async |method: &str, path: &str, (header, value): (&'static str, &str)| {
        let request = TestRequest::default().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        let request = as_user(request, "admin").insert_header(("host", "shop:8080")).insert_header((header, value));
        answer(api_for_test(all.clone()), request.set_payload("{}")).await
    };
    let (site, origin) = ("sec-fetch-site", "origin");
    let strangers = [(site, "cross-site"), (site, "same-site"), (origin, "http://evil.example"), (origin, "null")];
    for (method, path) in changing {
        for header in strangers.into_iter().chain([(origin, "http://shop:8081")]) {
            let (status, _, body) = status(method, path, header).await;
            let role_absent = status == StatusCode::NOT_FOUND;
            assert!(role_absent || status == StatusCode::FORBIDDEN, "{method} {path} {header:?}: {status} {body}");
        }
        for header in [(site, "same-origin"), (origin, "http://shop:8080"), (origin, "https://Shop:8080")] {
            let (own, ..) = status(method, path, header).await;
            assert_ne!(own, StatusCode::FORBIDDEN, "{method} {path} {header:?}");
        }
    }
}

/// With a body, a browser must ask first whether another site may send it as JSON, and nobody here says yes.
#[actix_web::test]
async fn what_changes_something_takes_no_body_that_a_form_could_send() {
    let all = Doors { generator: Some(tillstream_generator::Rate::new(0)), ..validating(|| Ok(accepted_for_test())) };
    for (method, path) in [
        ("POST", "/api/v1/actors/root/fault"),
        ("POST", "/api/v1/faults/environment"),
        ("PUT", "/api/v1/generator"),
        ("PUT", "/api/v1/log"),
        ("POST", SALE),
    ] {
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            let request = TestRequest::default().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
            let request = as_user(request, "admin").insert_header((header::CONTENT_TYPE, kind)).set_payload("{}");
            let (status, ..) = answer(api_for_test(all.clone()), request).await;
            assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{method} {path} {kind}");
        }
    }
}
