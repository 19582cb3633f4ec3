//! Which keys of a published set are used, and which are left alone.
//! What is left alone must not spoil the rest.

use serde_json::{Value, json};

use super::issuer::{TestKey, book_of, claims, encode, jwks, key_set, settings};
use crate::error::FetchError;
use crate::key_set::KeySet;

/// The same key with some members changed.
fn with(jwk: &Value, changes: Value) -> Value {
    let mut changed = jwk.clone();
    for (name, value) in changes.as_object().unwrap() {
        changed[name] = value.clone();
    }
    changed.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    changed
}

#[test]
fn a_key_says_by_its_type_what_it_does_where_it_does_not_say_so_itself() {
    for key in [TestKey::es256("a"), TestKey::ed25519("a"), TestKey::rsa("a")] {
        let silent = with(&key.jwk, json!({"alg": null, "use": null}));
        assert!(book_of(&[&silent], &settings()).0.verify(&key.token(&claims())).is_ok(), "{}", key.algorithm);
        let explicit = with(&silent, json!({"key_ops": ["verify"]}));
        assert!(book_of(&[&explicit], &settings()).0.verify(&key.token(&claims())).is_ok(), "{}", key.algorithm);
    }
}

#[test]
fn keys_that_are_not_for_signatures_of_allowed_algorithms_are_left_alone() {
    let (ec, rsa, ed) = (TestKey::es256("a").jwk, TestKey::rsa("b").jwk, TestKey::ed25519("c").jwk);
    let unfit = [
        with(&ec, json!({"use": "enc"})),
        with(&ec, json!({"use": null, "key_ops": ["sign", "encrypt"]})),
        with(&ec, json!({"alg": "HS256"})),
        with(&ec, json!({"alg": "ES384"})),
        with(&ec, json!({"alg": "none"})),
        with(&ec, json!({"crv": "P-521"})),
        with(&ec, json!({"crv": "P-384", "alg": null})),
        with(&ec, json!({"x": "AAAA"})),
        with(&ec, json!({"y": "not base64!"})),
        with(&ec, json!({"kty": "RSA"})),
        with(&ed, json!({"x": "AAAA"})),
        with(&ed, json!({"crv": "Ed448"})),
        with(&ed, json!({"kty": "oct"})),
        with(&rsa, json!({"alg": "RS512"})),
        with(&rsa, json!({"alg": "RSA-OAEP"})),
        with(&rsa, json!({"e": ""})),
        TestKey::short_rsa("d"),
        TestKey::es384("e").jwk,
        json!({"kty": "oct", "k": encode([7; 32]), "kid": "f", "alg": "HS256"}),
        json!({"kty": "oct", "k": encode([7; 32]), "kid": "g"}),
        json!({"kid": "h"}),
        json!("text"),
        json!(null),
    ];
    for key in &unfit {
        let set = key_set(&[&ec, key], &settings());
        assert_eq!((set.len(), set.unused()), (1, 1), "{key}");
    }
}

#[test]
fn an_issuer_that_writes_the_sign_byte_of_its_numbers_is_understood() {
    let key = TestKey::rsa("a");
    let modulus =
        base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, key.jwk["n"].as_str().unwrap());
    let padded = with(&key.jwk, json!({"n": encode([vec![0], modulus.unwrap()].concat())}));
    assert!(book_of(&[&padded], &settings()).0.verify(&key.token(&claims())).is_ok());
}

#[test]
fn what_is_no_key_set_is_an_error_that_says_where() {
    let parse = |text: &[u8]| KeySet::parse(text, &settings().algorithms, "here").map(|_| ());
    for text in ["", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[", "<html>"] {
        assert!(matches!(parse(text.as_bytes()), Err(FetchError::Unreadable { expected: "JWKS", .. })), "{text}");
    }
    let key = TestKey::es256("a").jwk;
    assert!(parse(&jwks(&vec![&key; 256])).is_ok());
    assert!(parse(&jwks(&vec![&key; 257])).is_err());
}
