//! Who is let in from outside, what becomes of those who are not, and what is recorded of them; with the defects of the
//! replaced system in this field, numbered as in `old_defects`.
//! What each role may do on each route is the matrix beside the routes; here it is the real process.

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::audit::recorded;
use crate::support::{Answer, Sale, Setup, TestApp, eventually, pause};

const SALES: &str = "/api/v1/pos/validate_transaction";
const AGGREGATES: &str = "/api/v1/pos/amount-per-store";
const TILL: &str = "pos-service_username";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SOON: Duration = Duration::from_secs(60);

/// One request with this name and password, from this address of the machine.
async fn knock(app: &TestApp, from: IpAddr, name: &str, password: &str) -> Answer {
    let client = reqwest::Client::builder().local_address(from).timeout(Duration::from_secs(20)).build().unwrap();
    let request = client.post(format!("{}{SALES}", app.url())).basic_auth(name, Some(password));
    app.send(sale(request)).await
}

fn sale(request: RequestBuilder) -> RequestBuilder {
    request.header("content-type", "application/json").body(Sale::new("STORE_1", 258).body())
}

const fn here(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}

/// The records of refusals, once there are so many that match.
async fn audited(app: &TestApp, count: usize, matches: impl Fn(&Value) -> bool) -> Vec<Value> {
    recorded(app, "access.jsonl", count, matches).await
}

#[tokio::test]
async fn d18_an_unknown_user_is_answered_like_a_wrong_password_and_its_name_is_not_repeated() {
    let app = TestApp::start().await;
    let mut answers = Vec::new();
    for name in ["nobody-of-this-name", TILL] {
        let answer = knock(&app, here(1), name, "wrong").await;
        assert!(!answer.text.contains(name), "{}", answer.text);
        let mut headers = answer.headers.clone();
        headers.remove("date");
        answers.push((answer.status, answer.text, headers));
    }
    assert_eq!(answers[0].0, 401);
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn d18_who_guesses_is_limited_and_no_other_user_and_no_other_address_is() {
    let app = TestApp::start().await;
    let (till, password) = app.users().named("pos-service");
    for name in [till.as_str(), "nobody-of-this-name"] {
        for guess in 0..10 {
            assert_eq!(knock(&app, here(2), name, &format!("guess {guess}")).await.status, 401, "{name}");
        }
    }

    let (right, unknown) =
        (knock(&app, here(2), &till, &password).await, knock(&app, here(2), "nobody-of-this-name", "x").await);

    assert_eq!((right.status, unknown.status), (429, 429));
    assert_eq!(right.text, unknown.text);
    assert!((1..=31).contains(&right.header("retry-after").parse::<u64>().unwrap()));
    let (admin, secret) = app.users().named("admin");
    assert_eq!(knock(&app, here(2), &admin, &secret).await.status, 200, "another user from the same address");
    assert_eq!(knock(&app, here(3), &till, &password).await.status, 200, "the same user from another address");
}

#[tokio::test]
async fn a_till_with_an_old_password_does_not_lock_out_the_tills_beside_it() {
    let app = TestApp::start().await;
    for _ in 0..50 {
        assert_eq!(knock(&app, here(1), TILL, "last year's").await.status, 401);
    }
    app.accept(&Sale::new("STORE_1", 258)).await;
}

#[tokio::test]
async fn a_proxy_that_is_trusted_says_who_guesses() {
    let app = Setup::new().setting("http.trusted_proxies", r#"["127.0.0.0/8"]"#).start().await;
    let (till, password) = app.users().named("pos-service");
    let knock = async |client: &str, password: &str| {
        let request = app.request("POST", SALES, "").header("x-forwarded-for", format!("192.0.2.9, {client}"));
        app.send(sale(request.basic_auth(&till, Some(password)))).await.status
    };
    for guess in 0..10 {
        assert_eq!(knock("198.51.100.7", &format!("guess {guess}")).await, 401);
    }
    assert_eq!(knock("198.51.100.7", &password).await, 429);
    assert_eq!(knock("198.51.100.8", &password).await, 200);
    assert_eq!(audited(&app, 11, |line| line["address"] == "198.51.100.7").await.len(), 11);
}

#[tokio::test]
async fn d19_a_till_cannot_hand_in_turnover_and_aggregation_cannot_ring_up_sales() {
    let app = TestApp::start().await;
    let send = async |user: &str, path: &str, body: String| {
        let request = app.request("POST", path, user).header("content-type", "application/json").body(body);
        app.send(request).await.status
    };
    assert_eq!(send("pos-service", AGGREGATES, aggregate("STORE_1").to_string()).await, 403);
    assert_eq!(send("aggregation-service", SALES, Sale::new("STORE_1", 258).body()).await, 403);
    assert_eq!(send("reporting-service", SALES, Sale::new("STORE_1", 258).body()).await, 403);
    assert!(app.windows().await.is_empty());
}

#[tokio::test]
async fn d19_turnover_of_a_store_that_is_none_gets_no_further_than_the_door() {
    let app = TestApp::start().await;
    for store in ["../../x", "STORE_1/../STORE_2", "STORE_1/>", "*", ">", "", "STORE_0", "STORE_9999999", "store_1\n"] {
        let request = app.request("POST", AGGREGATES, "aggregation-service");
        let request = request.header("content-type", "application/json").body(aggregate(store).to_string());

        let answer = app.send(request).await;

        assert_eq!(answer.status, 422, "{store}: {}", answer.text);
        assert!(answer.text.contains("store_id"), "{store}: {}", answer.text);
    }
    assert!(app.windows().await.is_empty());
}

/// What matters of a window's turnover where it is refused anyway.
fn aggregate(store: &str) -> Value {
    json!({
        "store_id": store,
        "window_start": "2026-11-23T10:00:00Z",
        "window_end": "2026-11-23T10:00:10Z",
        "total_amount": 2.58,
        "transaction_count": 1,
        "currency": "EUR",
    })
}

#[tokio::test]
async fn every_refusal_is_in_the_audit_log_with_user_route_address_trace_and_reason() {
    let app = TestApp::start().await;
    let trace = ("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let with_trace = |request: RequestBuilder| sale(request.header(trace.0, &trace.1));
    let strange = "till\u{202e} no-such-user\" y";
    let wrong = app.request("POST", SALES, "").basic_auth(strange, Some("not-to-be-logged"));
    assert_eq!(app.send(with_trace(wrong)).await.status, 401);
    assert_eq!(app.send(with_trace(app.request("POST", SALES, ""))).await.status, 401);
    assert_eq!(app.send(with_trace(app.request("POST", SALES, "aggregation-service"))).await.status, 403);

    let lines = audited(&app, 3, |line| line["trace_id"] == TRACE).await;

    let told: Vec<_> = lines.iter().map(|line| (line["reason"].as_str().unwrap(), line["who"].as_str())).collect();
    let unknown = told[0].1.expect("what stands for a name that is nobody's");
    let digits = unknown.strip_prefix("unknown#").unwrap_or_else(|| panic!("{unknown}"));
    assert!(digits.len() == 8 && u32::from_str_radix(digits, 16).is_ok(), "{unknown}");
    let role = ("role", Some("aggregation-service_username"));
    assert_eq!(told, [("unknown_user", Some(unknown)), ("no_credentials", None), role]);
    for line in &lines {
        assert_eq!((&line["route"], &line["address"]), (&json!(SALES), &json!("127.0.0.1")), "{line}");
    }
    // What people type where the name goes may be a password, of this door or another.
    let everything = format!("{}{lines:?}", app.printed());
    for secret in ["not-to-be-logged", "no-such-user", strange] {
        assert!(!everything.contains(secret), "{secret}");
    }
    let counted = app.metric("http_refusals_total", "reason=\"credentials\"").await;
    assert!(counted >= 1.0, "{counted}");
}

#[tokio::test]
async fn a_flood_of_refusals_is_counted_in_the_audit_log_and_does_not_fill_it() {
    const FLOOD: u64 = 2_000;
    let app = TestApp::start().await;
    let requests = (0..FLOOD).map(|_| app.send(sale(app.request("POST", SALES, "").basic_auth(TILL, Some("old")))));
    let mut waves = requests.collect::<Vec<_>>();
    while !waves.is_empty() {
        let wave = waves.split_off(waves.len().saturating_sub(100));
        futures_util::future::join_all(wave).await;
    }
    let total = |lines: &[Value]| lines.iter().map(|line| line["suppressed"].as_u64().unwrap_or(1)).sum::<u64>();

    let lines = eventually("the last count", SOON, async || {
        let lines = audited(&app, 1, |line| line["reason"] == "wrong_password").await;
        if total(&lines) == FLOOD { Ok(lines) } else { Err(format!("{} of {FLOOD}", total(&lines))) }
    })
    .await;

    assert!((lines.len() as u64) < FLOOD, "{} lines", lines.len());
    assert!(lines.iter().any(|line| line["suppressed"].is_u64()), "some are counted");
}

#[tokio::test]
async fn a_changed_passwords_predecessor_holds_for_the_overlap_and_a_removed_user_not_at_all() {
    let app = Setup::new().setting("secrets.overlap", "1h").setting("secrets.refresh", "1s").start().await;
    let (till, old) = app.users().named("pos-service");
    let changed = "changed-for-this-test";
    rewrite(&app, |tree| tree["validation-service/creds/pos-service"]["password"] = changed.into());
    eventually("the new password to hold", SOON, async || match knock(&app, here(1), &till, changed).await.status {
        200 => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
    assert_eq!(knock(&app, here(1), &till, &old).await.status, 200, "both hold");

    let extra = "validation-service/creds/till-of-store-7";
    let entry = |tree: &toml::Table| tree["validation-service/creds/pos-service"].clone();
    rewrite(&app, |tree| {
        let mut entry = entry(tree);
        entry["username"] = "till-7".into();
        tree.insert(extra.to_owned(), entry);
    });
    eventually("the new user to be let in", SOON, async || {
        match knock(&app, here(1), "till-7", changed).await.status {
            200 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    rewrite(&app, |tree| drop(tree.remove(extra)));
    eventually("the removed user to be refused", SOON, async || {
        match knock(&app, here(1), "till-7", changed).await.status {
            401 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    pause(Duration::from_millis(100)).await;
    assert_eq!(knock(&app, here(1), &till, &old).await.status, 200, "nobody else is affected");
}

/// Changes the secrets in one atomic step.
fn rewrite(app: &TestApp, change: impl FnOnce(&mut toml::Table)) {
    let file = app.setup().secrets_file();
    let mut tree: toml::Table = toml::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    change(&mut tree);
    let draft = file.with_extension("draft");
    std::fs::write(&draft, toml::to_string(&tree).unwrap()).unwrap();
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&draft, &file).unwrap();
}
