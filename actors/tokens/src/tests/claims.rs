//! What a token says of itself: from whom, for whom, and when.
//! The clock stands still; the leeway is a minute.

use std::time::Duration;

use serde_json::{Value, json};

use super::issuer::{AUDIENCE, ISSUER, NOW, TestKey, book_of, claims_with, settings};
use crate::book::TokenUser;
use crate::error::{Refusal, TokenError};

const LEEWAY: i64 = 60;

fn verdict(changes: Value) -> Result<TokenUser, TokenError> {
    let key = TestKey::ed25519("a");
    book_of(&[&key.jwk], &settings()).0.verify(&key.token(&claims_with(changes)))
}

fn refused(changes: Value) -> Refusal {
    match verdict(changes.clone()) {
        Err(TokenError::Refused(refusal)) => refusal,
        other => panic!("{changes} came to {other:?}"),
    }
}

#[test]
fn a_token_of_another_issuer_is_refused() {
    for other in
        [json!("https://other.example"), json!(format!("{ISSUER}/")), json!("HTTPS://ISSUER.EXAMPLE"), json!("")]
    {
        assert_eq!(refused(json!({"iss": other})), Refusal::Issuer);
    }
    assert_eq!(refused(json!({"iss": null})), Refusal::MissingClaim("iss"));
    assert_eq!(refused(json!({"iss": [ISSUER]})), Refusal::Malformed);
}

#[test]
fn a_token_for_somebody_else_is_refused() {
    for other in [json!("other"), json!([]), json!(["other", "third"]), json!("tillstream "), json!("Tillstream")] {
        assert_eq!(refused(json!({"aud": other})), Refusal::Audience);
    }
    assert_eq!(refused(json!({"aud": null})), Refusal::MissingClaim("aud"));
    assert_eq!(refused(json!({"aud": [AUDIENCE, 7]})), Refusal::Malformed);
    assert_eq!(refused(json!({"aud": {AUDIENCE: true}})), Refusal::Malformed);
    assert!(verdict(json!({"aud": ["other", AUDIENCE]})).is_ok());
}

#[test]
fn a_token_is_over_at_its_end_and_the_leeway() {
    assert!(verdict(json!({"exp": NOW - LEEWAY + 1})).is_ok());
    assert_eq!(refused(json!({"exp": NOW - LEEWAY})), Refusal::Expired);
    assert_eq!(refused(json!({"exp": -1})), Refusal::Expired);
    assert_eq!(refused(json!({"exp": -1e300})), Refusal::Expired);
    assert!(verdict(json!({"exp": 1e300})).is_ok());
    assert!(verdict(json!({"exp": NOW as f64 + 0.5})).is_ok());
}

#[test]
fn a_token_without_an_end_is_refused() {
    assert_eq!(refused(json!({"exp": null})), Refusal::MissingClaim("exp"));
    for end in [json!("never"), json!((NOW + 300).to_string()), json!(true), json!([NOW + 300])] {
        assert_eq!(refused(json!({"exp": end})), Refusal::Malformed);
    }
}

#[test]
fn a_token_that_is_not_valid_yet_is_refused_beyond_the_leeway() {
    assert!(verdict(json!({"nbf": NOW + LEEWAY})).is_ok());
    assert!(verdict(json!({"nbf": null})).is_ok());
    assert_eq!(refused(json!({"nbf": NOW + LEEWAY + 1})), Refusal::NotYetValid);
    assert_eq!(refused(json!({"nbf": u64::MAX})), Refusal::NotYetValid);
    assert_eq!(refused(json!({"nbf": "soon"})), Refusal::Malformed);
}

#[test]
fn a_token_of_the_future_is_refused_beyond_the_leeway() {
    assert!(verdict(json!({"iat": NOW + LEEWAY})).is_ok());
    assert!(verdict(json!({"iat": null})).is_ok());
    assert_eq!(refused(json!({"iat": NOW + LEEWAY + 1})), Refusal::IssuedInFuture);
    assert_eq!(refused(json!({"iat": {}})), Refusal::Malformed);
}

#[test]
fn the_leeway_can_be_none_at_all() {
    let key = TestKey::ed25519("a");
    let mut settings = settings();
    settings.leeway = Duration::ZERO;
    let (book, _) = book_of(&[&key.jwk], &settings);
    let judged = |changes| book.verify(&key.token(&claims_with(changes)));
    assert!(judged(json!({"exp": NOW + 1, "nbf": NOW, "iat": NOW})).is_ok());
    assert_eq!(judged(json!({"exp": NOW})), Err(Refusal::Expired.into()));
    assert_eq!(judged(json!({"nbf": NOW + 1})), Err(Refusal::NotYetValid.into()));
}

#[test]
fn a_subject_that_does_not_fit_into_a_log_line_is_refused() {
    assert_eq!(refused(json!({"sub": null})), Refusal::MissingClaim("sub"));
    for subject in [json!(""), json!(7), json!("till\nlevel=info"), json!("till\u{1b}[31m"), json!("x".repeat(257))] {
        assert_eq!(refused(json!({"sub": subject})), Refusal::Malformed);
    }
    assert!(verdict(json!({"sub": "x".repeat(256)})).is_ok());
}
