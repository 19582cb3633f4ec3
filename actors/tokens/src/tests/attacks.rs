//! Every way to forge a token that we know, and every token that is broken: each refused for its own reason.
//! Tokens here are signed rightly unless the signature is what is attacked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};
use tillstream_domain::UserRole;

use super::issuer::{TestKey, book_of, claims, claims_with, encode, settings};
use crate::algorithm::SignatureAlgorithm;
use crate::book::TokenUser;
use crate::error::{Refusal, TokenError};

fn refused(refusal: Refusal) -> Result<TokenUser, TokenError> {
    Err(TokenError::Refused(refusal))
}

fn verify(key: &TestKey, token: &str) -> Result<TokenUser, TokenError> {
    book_of(&[&key.jwk], &settings()).0.verify(token)
}

#[test]
fn a_good_token_of_every_kind_of_key_proves_its_user() {
    for key in [TestKey::es256("a"), TestKey::ed25519("b"), TestKey::rsa("c")] {
        let user = verify(&key, &key.token(&claims()));
        assert_eq!(user, Ok(TokenUser { subject: "till-7".to_owned(), role: UserRole::Pos }), "{}", key.algorithm);
    }
}

#[test]
fn algorithms_that_are_not_on_by_default_work_where_they_are_allowed() {
    let mut settings = settings();
    settings.algorithms = vec![SignatureAlgorithm::ES384, SignatureAlgorithm::PS256];
    let (curve, mut rsa) = (TestKey::es384("a"), TestKey::rsa("b"));
    rsa.jwk["alg"] = "PS256".into();
    let (book, _) = book_of(&[&curve.jwk, &rsa.jwk], &settings);
    assert!(book.verify(&curve.token(&claims())).is_ok());
    assert!(book.verify(&rsa.sign(r#"{"alg":"PS256","kid":"b"}"#, &claims().to_string())).is_ok());
}

#[test]
fn a_token_that_says_that_it_is_not_signed_is_refused() {
    let key = TestKey::es256("a");
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({"alg": algorithm, "kid": "a"}).to_string();
        let unsigned = format!("{}.{}.", encode(&header), encode(claims().to_string()));
        assert_eq!(verify(&key, &unsigned), refused(Refusal::Algorithm));
        assert_eq!(verify(&key, &key.sign(&header, &claims().to_string())), refused(Refusal::Algorithm));
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let key = TestKey::rsa("a");
    let modulus = key.jwk["n"].as_str().unwrap();
    let text = key.jwk.to_string();
    for secret in [modulus.as_bytes(), text.as_bytes(), b""] {
        let message = format!("{}.{}", encode(r#"{"alg":"HS256","kid":"a"}"#), encode(claims().to_string()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        assert_eq!(verify(&key, &format!("{message}.{}", encode(tag))), refused(Refusal::Algorithm));
    }
}

#[test]
fn a_key_verifies_nothing_but_its_own_algorithm() {
    let rsa = TestKey::rsa("a");
    for algorithm in ["ES256", "EdDSA"] {
        let header = json!({"alg": algorithm, "kid": "a"}).to_string();
        let token = rsa.sign(&header, &claims().to_string());
        let (book, _) = book_of(&[&rsa.jwk], &settings());
        assert_eq!(book.verify(&token), refused(Refusal::UnknownKey), "{algorithm}");
    }
    let mut settings = settings();
    settings.algorithms.push(SignatureAlgorithm::PS256);
    let (book, _) = book_of(&[&rsa.jwk], &settings);
    let pss = rsa.sign(r#"{"alg":"PS256","kid":"a"}"#, &claims().to_string());
    assert_eq!(book.verify(&pss), refused(Refusal::UnknownKey), "the key is for RS256 by its own word");
}

#[test]
fn a_token_signed_by_another_key_of_the_same_name_is_refused() {
    let (key, forger) = (TestKey::es256("a"), TestKey::es256("a"));
    assert_eq!(verify(&key, &forger.token(&claims())), refused(Refusal::Signature));
    let (key, forger) = (TestKey::ed25519("a"), TestKey::ed25519("a"));
    assert_eq!(verify(&key, &forger.token(&claims())), refused(Refusal::Signature));
}

#[test]
fn a_key_or_an_address_of_keys_inside_of_a_token_is_not_believed() {
    let (key, forger) = (TestKey::es256("a"), TestKey::es256("a"));
    let mut header =
        json!({"alg": "ES256", "kid": "a", "jku": "https://forger.example/keys", "x5u": "https://forger.example"});
    header["jwk"] = forger.jwk.clone();
    let token = forger.sign(&header.to_string(), &claims().to_string());
    assert_eq!(verify(&key, &token), refused(Refusal::Signature));
}

#[test]
fn claims_that_were_changed_after_signing_are_refused() {
    let key = TestKey::es256("a");
    let token = key.token(&claims());
    let parts: Vec<_> = token.split('.').collect();
    let richer = encode(claims_with(json!({"scope": "tillstream:run"})).to_string());
    assert_eq!(verify(&key, &format!("{}.{richer}.{}", parts[0], parts[2])), refused(Refusal::Signature));
    let header = encode(r#"{"alg":"ES256","kid":"a"}"#);
    assert_eq!(verify(&key, &format!("{header}.{}.{}", parts[1], parts[2])), refused(Refusal::Signature));
    assert_eq!(verify(&key, &format!("{}.{}.", parts[0], parts[1])), refused(Refusal::Signature));
    let zeros = encode([0; 64]);
    assert_eq!(verify(&key, &format!("{}.{}.{zeros}", parts[0], parts[1])), refused(Refusal::Signature));
}

#[test]
fn an_extension_that_must_be_understood_is_refused_whatever_it_is() {
    let key = TestKey::es256("a");
    for critical in [json!(["exp"]), json!(["b64"]), json!([]), json!(null)] {
        let header = json!({"alg": "ES256", "kid": "a", "crit": critical, "b64": false}).to_string();
        assert_eq!(verify(&key, &key.sign(&header, &claims().to_string())), refused(Refusal::Critical));
    }
}

#[test]
fn a_token_for_another_purpose_is_refused() {
    let key = TestKey::es256("a");
    let judged = |kind: Value| {
        let header = json!({"alg": "ES256", "kid": "a", "typ": kind}).to_string();
        verify(&key, &key.sign(&header, &claims().to_string()))
    };
    for kind in ["logout+jwt", "dpop+jwt", "secevent+jwt", ""] {
        assert_eq!(judged(kind.into()), refused(Refusal::Type));
    }
    assert_eq!(judged(json!(7)), refused(Refusal::Malformed));
    for kind in ["JWT", "jwt", "at+jwt", "application/at+JWT"] {
        assert!(judged(kind.into()).is_ok(), "{kind}");
    }
}

#[test]
fn a_member_that_stands_twice_is_refused_in_header_and_claims() {
    let key = TestKey::es256("a");
    let claims = claims().to_string();
    for twice in [r#"{"alg":"ES256","alg":"ES256","kid":"a"}"#, r#"{"alg":"ES256","kid":"a","x":1,"x":2}"#] {
        assert_eq!(verify(&key, &key.sign(twice, &claims)), refused(Refusal::Malformed));
    }
    for more in [r#""sub":"admin""#, r#""scope":"tillstream:run""#, r#""exp":9999999999"#, r#""aud":"other""#] {
        let twice = format!("{{{more},{}", &claims[1..]);
        let token = key.sign(r#"{"alg":"ES256","kid":"a"}"#, &twice);
        assert_eq!(verify(&key, &token), refused(Refusal::Malformed), "{more}");
    }
    let unheard_of = format!("{{\"x\":1,\"x\":2,{}", &claims[1..]);
    assert_eq!(verify(&key, &key.sign(r#"{"alg":"ES256","kid":"a"}"#, &unheard_of)), refused(Refusal::Malformed));
}

#[test]
fn a_huge_token_is_refused_before_anything_of_it_is_read() {
    let key = TestKey::es256("a");
    let huge = key.token(&claims_with(json!({"padding": "x".repeat(10_000)})));
    assert_eq!(verify(&key, &huge), refused(Refusal::TooLong));
    assert_eq!(verify(&key, &"x".repeat(10_000_000)), refused(Refusal::TooLong));
    assert_eq!(verify(&key, &".".repeat(8_192)), refused(Refusal::Malformed));
}

#[test]
fn what_is_no_token_is_malformed() {
    let key = TestKey::es256("a");
    let token = key.token(&claims());
    let parts: Vec<_> = token.split('.').collect();
    let (first, second, third) = (parts[0], parts[1], parts[2]);
    // A length that base64 fills up, which base64url in tokens does not.
    let filled = STANDARD.encode(format!("{:200}", claims().to_string()));
    assert!(filled.ends_with('='));
    let broken = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "a.b.c".to_owned(),
        "Basic dGlsbDpwdw==".to_owned(),
        format!("{first}.{second}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{third}"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{first}=.{second}.{third}"),
        format!("{first}.{second}.{third}="),
        format!("{first}.{second}.{third}%"),
        format!("{first}\u{e9}.{second}.{third}"),
        format!("!{first}.{second}.{third}"),
        format!("{}.{second}.{third}", encode("not json")),
        format!("{}.{second}.{third}", encode("[]")),
        format!("{}.{second}.{third}", encode("\"text\"")),
        format!("{}.{second}.{third}", encode(r#"{"kid":"a"}"#)),
        format!("{}.{second}.{third}", encode(r#"{"alg":"ES256","kid":7}"#)),
        format!("{}.{second}.{third}", encode(r#"{"alg":["ES256"],"kid":"a"}"#)),
        format!("{}.{second}.{third}", encode("[".repeat(1_000))),
        format!("{}.{second}.{third}", encode([0xff, 0xfe])),
        format!("{}.{second}.{third}", encode(json!({"alg": "ES256", "kid": "k".repeat(257)}).to_string())),
    ];
    for text in broken {
        assert_eq!(verify(&key, &text), refused(Refusal::Malformed), "{text}");
    }
    assert!(matches!(verify(&key, &format!("{first}.{filled}.{third}")), Err(TokenError::Refused(_))));
}

#[test]
fn signed_claims_that_are_no_object_are_malformed() {
    let key = TestKey::ed25519("a");
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(500), "]".repeat(500));
    for payload in ["", "null", "[]", "7", "\"text\"", "{", "{}x", deep.as_str()] {
        let token = key.sign(r#"{"alg":"EdDSA","kid":"a"}"#, payload);
        assert_eq!(verify(&key, &token), refused(Refusal::Malformed), "{payload}");
    }
}

#[test]
fn a_token_without_a_key_name_is_good_only_where_there_is_no_choice() {
    let (one, other, ed) = (TestKey::es256("a"), TestKey::es256("b"), TestKey::ed25519("c"));
    let token = one.sign(r#"{"alg":"ES256"}"#, &claims().to_string());
    assert!(book_of(&[&one.jwk, &ed.jwk], &settings()).0.verify(&token).is_ok());
    let (book, asked) = book_of(&[&one.jwk, &other.jwk], &settings());
    assert_eq!(book.verify(&token), refused(Refusal::AmbiguousKey));
    let (book, _) = book_of(&[&ed.jwk], &settings());
    assert_eq!(book.verify(&token), refused(Refusal::UnknownKey));
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[test]
fn two_keys_of_one_name_verify_nothing() {
    let (one, other) = (TestKey::es256("a"), TestKey::es256("a"));
    let (book, _) = book_of(&[&one.jwk, &other.jwk], &settings());
    for key in [&one, &other] {
        assert_eq!(book.verify(&key.token(&claims())), refused(Refusal::AmbiguousKey));
    }
}

#[test]
fn nothing_that_a_token_says_gets_into_an_error_or_debug() {
    const CANARY: &str = "CANARY7f3a";
    let key = TestKey::es256("a");
    let (book, _) = book_of(&[&key.jwk], &settings());
    let tokens = [
        key.token(&claims_with(json!({"iss": CANARY}))),
        key.token(&claims_with(json!({"aud": CANARY}))),
        key.token(&claims_with(json!({"exp": CANARY}))),
        key.sign(&json!({"alg": CANARY, "kid": "a"}).to_string(), "{}"),
        key.sign(&json!({"alg": "ES256", "typ": CANARY}).to_string(), "{}"),
        key.sign(r#"{"alg":"ES256","kid":"a"}"#, &format!("{{\"{CANARY}\"")),
        key.sign(&json!({"alg": "ES256", "kid": CANARY}).to_string(), &claims().to_string()),
        CANARY.to_owned(),
    ];
    for token in tokens {
        let error = book.verify(&token).unwrap_err();
        let shown = format!("{error} {error:?} {book:?}");
        assert!(!shown.contains(CANARY) && !shown.contains(&token), "{shown}");
    }
}
