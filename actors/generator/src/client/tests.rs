use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::testing::{Reaction, TestServer, credentials_for_test};

const WITHIN: Duration = Duration::from_secs(60);

async fn post_for_test(server: &TestServer) -> Result<Posted, Unanswered> {
    post_with_for_test(&server.client(Some(Duration::from_secs(20)))).await
}

async fn post_with_for_test(client: &PosClient) -> Result<Posted, Unanswered> {
    let posting = client.post_until_known(Bytes::from_static(b"{\"id\":1}"));
    tokio::time::timeout(WITHIN, posting).await.expect("stuck: the client neither has an answer nor gives up")
}

#[tokio::test]
async fn an_overloaded_service_gets_the_same_body_again_until_it_takes_it() {
    let script = |number, _: &str| Reaction::Status([503, 429, 500, 200][number]);
    let server = TestServer::start(script).await;

    let posted = post_for_test(&server).await.expect("answered");

    assert_eq!((posted.status, posted.attempts), (200, 4));
    assert_eq!(server.bodies(), vec!["{\"id\":1}"; 4]);
}

#[tokio::test]
async fn a_cut_connection_and_a_silent_service_get_the_same_body_again() {
    let script = |number, _: &str| [Reaction::Cut, Reaction::Silence, Reaction::Status(200)][number];
    let server = TestServer::start(script).await;

    let posted = post_for_test(&server).await.expect("answered");

    assert!(posted.is_accepted());
    assert_eq!(server.bodies(), vec!["{\"id\":1}"; 3]);
}

#[tokio::test]
async fn a_balancer_that_has_no_routes_yet_gets_the_same_body_again() {
    let script = |number, _: &str| [Reaction::NoRoute, Reaction::Status(200)][number];
    let server = TestServer::start(script).await;

    let posted = post_for_test(&server).await.expect("answered");

    assert_eq!((posted.status, posted.attempts), (200, 2));
}

#[tokio::test]
async fn a_refusal_is_never_retried() {
    for status in [422, 401, 403, 404, 413] {
        let server = TestServer::start(move |_, _: &str| Reaction::Status(status)).await;

        let posted = post_for_test(&server).await.expect("answered");

        assert_eq!((posted.status, posted.attempts), (status, 1));
    }
}

#[tokio::test]
async fn beyond_the_deadline_the_fate_of_a_sale_is_said_to_be_unknown() {
    let server = TestServer::start(|_, _: &str| Reaction::Status(503)).await;

    let unanswered = post_with_for_test(&server.client(Some(Duration::from_millis(40)))).await;

    let error = unanswered.expect_err("never taken");
    assert!(error.attempts > 0 && error.last.contains("503"), "{error}");
}

#[tokio::test]
async fn a_changed_password_is_used_from_the_next_attempt_on_also_for_a_sale_that_is_being_retried() {
    let client: Arc<OnceLock<PosClient>> = Arc::default();
    let changed = Credentials { password: "changed".into(), ..credentials_for_test() };
    let (till, fresh) = (client.clone(), changed.clone());
    let server = TestServer::start(move |number, _: &str| {
        if number == 1 {
            till.get().expect("it posts").set_credentials(&fresh).expect("they fit into a header");
        }
        Reaction::Status(if number < 2 { 503 } else { 200 })
    })
    .await;

    let posted = post_with_for_test(client.get_or_init(|| server.client(Some(Duration::from_secs(20))))).await;

    assert_eq!(posted.expect("answered").attempts, 3);
    let (before, after) = (basic(&credentials_for_test()).expect("valid"), basic(&changed).expect("valid"));
    assert_eq!(server.authorizations(), [&before, &before, &after].map(|value| value.to_str().expect("text")));
}

#[tokio::test]
async fn a_service_that_names_a_shorter_pause_does_not_wait_for_the_doubled_one() {
    const BUSY: usize = 16;
    let server = TestServer::start(|number, _: &str| Reaction::Status(if number < BUSY { 503 } else { 200 })).await;
    let mut client = server.client(Some(Duration::from_secs(20)));
    // Doubled until the last attempt, even half of each pause would be far beyond the deadline.
    (client.rules.first_pause, client.rules.longest_pause) = (Duration::from_millis(5), Duration::from_secs(3_600));

    let posted = post_with_for_test(&client).await;

    assert_eq!(posted.expect("answered").attempts, BUSY as u32 + 1);
}

#[test]
fn a_pause_keeps_to_retry_after_up_to_the_longest_one_and_is_jittered() {
    let rules = RetryRules { longest_pause: Duration::from_secs(5), ..RetryRules::default() };

    for _ in 0..100 {
        let asked = rules.pause(1, Some(Duration::from_secs(2)));
        assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&asked));
        assert!(rules.pause(1, Some(Duration::from_secs(3_600))) <= Duration::from_secs(5));
        assert!(rules.pause(40, None) <= Duration::from_secs(5));
        assert!(rules.pause(9, Some(Duration::ZERO)) >= rules.first_pause / 2, "no hot loop");
    }
}

#[test]
fn the_endpoint_keeps_a_path_prefix_and_is_not_added_twice() {
    let whole = "http://h:1/validation-service/api/v1/pos/validate_transaction";

    for base in ["http://h:1/validation-service", "http://h:1/validation-service/", whole] {
        assert_eq!(endpoint(base).expect("valid").as_str(), whole);
    }
    assert!(endpoint("https://h").is_ok() && endpoint("ftp://h").is_err() && endpoint("h:1").is_err());
}

#[test]
fn no_debug_text_shows_the_password() {
    let credentials = credentials_for_test();
    let client =
        PosClient::new("http://127.0.0.1:1", &Trust::default(), &credentials, RetryRules::default()).expect("a client");

    let text = format!("{client:?} {credentials:?}");

    assert!(!text.contains("secret") && !text.contains(&STANDARD.encode("pos-service_username:secret")), "{text}");
}
