//! Who passes the gate and who does not, by each kind of proof, and what the gate remembers of those who do not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::http::header;
use actix_web::test::TestRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use tillstream_logins::MAX_CREDENTIALS;
use tillstream_messages::{SecretEntry, SecretTree};

use super::*;
use crate::http::errors::Challenge;

const CREDENTIALS_PATH: &str = "validation-service/creds";
const OVERLAP: Duration = Duration::from_secs(60);

type Entry<'a> = (&'a str, &'a str, &'a str, &'a str);

/// Path, name, password and role of each.
fn tree_for_test(users: &[Entry<'_>]) -> SecretTree {
    let entry = |(path, name, password, role): &Entry<'_>| {
        let keys = [("username", *name), ("password", *password), ("role", *role)];
        let keys = keys.map(|(key, value)| (key.to_owned(), SecretString::from(value)));
        (format!("{CREDENTIALS_PATH}/{path}"), SecretEntry::new(1, chrono::Utc::now(), BTreeMap::from(keys)))
    };
    SecretTree { entries: users.iter().map(entry).collect() }
}

const USERS: [Entry<'_>; 3] =
    [("pos-service", "till", "secret", "pos"), ("admin", "admin", "other", "admin"), ("nobody", "nobody", "", "admin")];

fn gate_for_test() -> Gate {
    gate_of(&USERS)
}

fn gate_of(users: &[Entry<'_>]) -> Gate {
    Gate::new(&HttpSettings::default(), Users::from_tree(&tree_for_test(users)))
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

fn request(authorization: &str, peer: &str) -> HttpRequest {
    let request = TestRequest::default().peer_addr(SocketAddr::new(peer.parse().unwrap(), 1));
    request.insert_header((header::AUTHORIZATION, authorization)).to_http_request()
}

fn sends(gate: &Gate, authorization: &str) -> Result<UserRole, ApiError> {
    sends_from(gate, authorization, "192.0.2.1")
}

fn sends_from(gate: &Gate, authorization: &str, peer: &str) -> Result<UserRole, ApiError> {
    gate.authorize(&request(authorization, peer), Action::SendSale).map(|principal| principal.role)
}

fn unauthorized(detail: &'static str) -> Result<UserRole, ApiError> {
    Err(ApiError::Unauthorized(detail, Challenge::Basic))
}

fn guess(gate: &Gate, user: &str, count: usize, peer: &str) {
    for number in 0..count {
        let answer = sends_from(gate, &basic(&format!("{user}:guess {number}")), peer);
        assert_eq!(answer, unauthorized("Invalid credentials"), "{user}, guess {number}");
    }
}

fn is_limited(answer: &Result<UserRole, ApiError>) -> bool {
    matches!(answer, Err(ApiError::TooManyFailures(_)))
}

#[test]
fn the_right_password_lets_a_till_send_a_sale_and_nothing_else() {
    let (gate, till) = (gate_for_test(), request(&basic("till:secret"), "192.0.2.1"));
    let principal = Principal { name: "till".into(), role: UserRole::Pos, by: Proof::Basic };
    assert_eq!(gate.authorize(&till, Action::SendSale), Ok(principal));
    for action in Action::ALL.into_iter().filter(|action| *action != Action::SendSale) {
        assert_eq!(gate.authorize(&till, action), Err(ApiError::Forbidden));
    }
}

#[test]
fn an_unknown_user_and_a_wrong_password_look_the_same() {
    let gate = gate_for_test();
    for credentials in ["stranger:secret", "till:secreT", "till:secret\0", "till:", ":secret", ":", "nobody:"] {
        assert_eq!(sends(&gate, &basic(credentials)), unauthorized("Invalid credentials"), "{credentials}");
    }
}

#[test]
fn what_is_not_understood_is_not_authenticated_and_the_other_of_two_headers_is_not_believed() {
    let gate = gate_for_test();
    for value in ["", "Basic", "Bearer abc", "Digest abc", "Basi \u{e9}"] {
        assert_eq!(sends(&gate, value), unauthorized("Not authenticated"), "{value}");
    }
    let twice = TestRequest::default()
        .append_header((header::AUTHORIZATION, basic("till:secret")))
        .append_header((header::AUTHORIZATION, basic("admin:other")));
    let answer = gate.authorize(&twice.to_http_request(), Action::SendSale);
    assert_eq!(answer.map(|it| it.role), unauthorized("Invalid authentication credentials"));
}

#[test]
fn what_cannot_be_decoded_is_refused_without_a_panic() {
    let gate = gate_for_test();
    for value in ["Basic !!!", &basic("no colon")] {
        assert_eq!(sends(&gate, value), unauthorized("Invalid authentication credentials"));
    }
    let long = basic(&format!("till:{}", "x".repeat(4000)));
    assert_eq!(sends(&gate, &long), unauthorized("Invalid credentials"));
}

#[test]
fn the_longest_password_that_is_taken_over_also_logs_in() {
    let password = "x".repeat(MAX_CREDENTIALS - "till:".len());
    let gate = gate_of(&[("pos-service", "till", &password, "pos")]);
    assert_eq!(sends(&gate, &basic(&format!("till:{password}"))), Ok(UserRole::Pos));
}

#[tokio::test(start_paused = true)]
async fn a_changed_password_is_in_use_at_once_and_its_predecessor_for_the_overlap() {
    let gate = gate_for_test();
    gate.users.replace(&tree_for_test(&[("pos-service", "till", "fresh", "pos")]), OVERLAP);
    assert_eq!(sends(&gate, &basic("till:fresh")), Ok(UserRole::Pos));
    tokio::time::advance(OVERLAP - Duration::from_millis(1)).await;
    assert_eq!(sends(&gate, &basic("till:secret")), Ok(UserRole::Pos));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(sends(&gate, &basic("till:secret")), unauthorized("Invalid credentials"));
}

#[test]
fn a_user_that_is_gone_or_has_another_role_is_refused_at_once() {
    let gate = gate_for_test();
    gate.users.replace(&tree_for_test(&[("pos-service", "till", "fresh", "reporting")]), OVERLAP);
    for credentials in ["till:secret", "admin:other"] {
        assert_eq!(sends(&gate, &basic(credentials)), unauthorized("Invalid credentials"), "{credentials}");
    }
    assert_eq!(sends(&gate, &basic("till:fresh")), Err(ApiError::Forbidden));
}

#[tokio::test(start_paused = true)]
async fn who_guesses_is_refused_for_the_pause_even_when_right_and_nobody_else_is() {
    let gate = gate_for_test();
    guess(&gate, "till", 10, "192.0.2.1");
    assert_eq!(sends(&gate, &basic("till:secret")), Err(ApiError::TooManyFailures(31)));
    assert_eq!(sends(&gate, &basic("till:guess")), Err(ApiError::TooManyFailures(31)));
    assert_eq!(sends_from(&gate, &basic("till:secret"), "192.0.2.2"), Ok(UserRole::Pos));
    assert_eq!(sends(&gate, &basic("admin:other")), Ok(UserRole::Admin));
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(sends(&gate, &basic("till:secret")), Ok(UserRole::Pos));
}

#[test]
fn users_that_do_not_exist_are_limited_like_those_that_do() {
    let gate = gate_for_test();
    guess(&gate, "stranger", 10, "192.0.2.1");
    assert!(is_limited(&sends(&gate, &basic("stranger:guess"))));
}

#[test]
fn a_till_with_an_old_password_is_told_so_for_ever_and_locks_nobody_out() {
    let gate = gate_for_test();
    for _ in 0..1000 {
        assert_eq!(sends(&gate, &basic("till:old")), unauthorized("Invalid credentials"));
    }
    assert_eq!(sends(&gate, &basic("till:secret")), Ok(UserRole::Pos));
}

#[test]
fn an_address_that_invents_users_learns_nothing_more_and_locks_nobody_out() {
    let gate = gate_for_test();
    (0..100).for_each(|number| guess(&gate, &format!("stranger {number}"), 1, "192.0.2.1"));
    let (unknown, wrong) = (sends(&gate, &basic("another:guess")), sends(&gate, &basic("till:guess")));
    assert!(is_limited(&unknown), "{unknown:?}");
    assert_eq!(unknown, wrong);
    assert_eq!(sends(&gate, &basic("till:secret")), Ok(UserRole::Pos));
}

#[test]
fn the_answer_to_an_invented_user_does_not_tell_whether_the_one_before_it_exists() {
    for user in ["till", "stranger"] {
        let gate = gate_for_test();
        (0..99).for_each(|number| guess(&gate, &format!("invented {number}"), 1, "192.0.2.1"));
        guess(&gate, user, 1, "192.0.2.1");
        let next = sends(&gate, &basic("one more:guess"));
        assert!(is_limited(&next), "after {user}: {next:?}");
        assert!(is_limited(&sends(&gate, &basic("till:guess"))));
        assert_eq!(sends(&gate, &basic("till:secret")), Ok(UserRole::Pos));
    }
}

#[test]
fn a_refusal_names_nobody_who_is_not_a_user_and_says_whose_pause_it_has_begun() {
    let gate = gate_for_test();
    let judge =
        |credentials: &str| format!("{:?}", gate.judge(&request(&basic(credentials), "192.0.2.1"), Action::SendSale));
    for credentials in ["a-password-of-another-door:x", "secret:till"] {
        let refused = judge(credentials);
        assert!(refused.contains("unknown#") && !refused.contains(&credentials[..6]), "{refused}");
    }
    for number in 0..9 {
        let refused = judge(&format!("till:guess {number}"));
        assert!(refused.contains(r#"Some("till")"#) && refused.contains("begun: None"), "{refused}");
    }
    let tenth = judge("till:guess 9");
    assert!(tenth.contains("WrongPassword") && tenth.contains(r#"begun: Some("user")"#), "{tenth}");
}

#[test]
fn behind_a_trusted_proxy_it_is_the_client_that_is_limited() {
    let trusted = HttpSettings { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..HttpSettings::default() };
    let gate = Gate::new(&trusted, Users::from_tree(&tree_for_test(&USERS)));
    let send = |client: &str, credentials: &str| {
        let request = TestRequest::default().peer_addr("10.0.0.1:1".parse().unwrap());
        let request = request.insert_header(("x-forwarded-for", client));
        let request = request.insert_header((header::AUTHORIZATION, basic(credentials))).to_http_request();
        gate.authorize(&request, Action::SendSale).map(|principal| principal.role)
    };
    (0..10).for_each(|number| drop(send("198.51.100.7", &format!("till:guess {number}"))));
    assert!(is_limited(&send("198.51.100.7", "till:secret")));
    assert_eq!(send("198.51.100.8", "till:secret"), Ok(UserRole::Pos));
}

#[test]
fn a_certificate_is_who_its_first_known_name_says_until_it_expires() {
    let roles = BTreeMap::from([("till-7.shop".to_owned(), UserRole::Pos), ("boss".to_owned(), UserRole::Admin)]);
    let gate = gate_for_test().with_certificates(roles, WallClock::default());
    let named = |names: &[&str], days| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        PeerCertificate { names, expires_at: chrono::Utc::now() + chrono::TimeDelta::days(days) }
    };
    let known = gate.by_certificate(Some(&named(&["other", "till-7.shop", "boss"], 1))).unwrap();
    let expected = Principal { name: "till-7.shop".into(), role: UserRole::Pos, by: Proof::Certificate };
    assert_eq!(known, expected);
    for stranger in [named(&["other"], 1), named(&[], 1), named(&["boss"], -1)] {
        assert!(gate.by_certificate(Some(&stranger)).is_err());
    }
    assert!(gate.by_certificate(None).is_err());
}

#[test]
fn nobody_is_let_in_while_the_gate_is_closed() {
    let gate = gate_for_test().fail_closed_when(|| true);
    assert_eq!(sends(&gate, &basic("till:secret")), Err(ApiError::SecretsTooOld));
    assert_eq!(sends(&gate, &basic("till:wrong")), Err(ApiError::SecretsTooOld));
}
