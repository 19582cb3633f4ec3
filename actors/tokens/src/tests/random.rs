//! Whatever is sent as a token or published as a key set: no panic, and nobody is let in.
//! Finds no forgery; the attacks are tested by name.

use proptest::prelude::*;

use super::issuer::{TestKey, book_of, claims, encode, settings};
use crate::book::TokenBook;
use crate::key_set::KeySet;

const PLAIN: &str = r#"{"alg":"ES256","kid":"a"}"#;

thread_local! {
    static KEY: TestKey = TestKey::es256("a");
    static BOOK: TokenBook = KEY.with(|key| book_of(&[&key.jwk], &settings()).0);
}

fn lets_in(token: &str) -> bool {
    BOOK.with(|book| book.verify(token).is_ok())
}

/// Something like JSON with the names that matter.
fn json() -> impl Strategy<Value = String> {
    let names =
        ["alg", "kid", "typ", "crit", "iss", "aud", "sub", "exp", "nbf", "iat", "scope", "keys", "kty", "n", "x"];
    let name = prop::sample::select(names.to_vec());
    let value = prop_oneof![
        Just("\"ES256\"".to_owned()),
        Just("\"a\"".to_owned()),
        Just("1e400".to_owned()),
        Just("-9223372036854775809".to_owned()),
        Just("null".to_owned()),
        Just("[[],{}]".to_owned()),
        any::<f64>().prop_map(|number| number.to_string()),
        "\\PC{0,8}",
    ];
    prop::collection::vec((name, value), 0..6).prop_map(|members| {
        let members: Vec<_> = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #[test]
    fn any_text_is_refused_without_a_panic(text in ".{0,200}") {
        prop_assert!(!lets_in(&text));
    }

    #[test]
    fn any_three_parts_are_refused_without_a_panic(header in json(), claims in json(), signature in any::<Vec<u8>>()) {
        let token = format!("{}.{}.{}", encode(header), encode(claims), encode(signature));
        prop_assert!(!lets_in(&token));
    }

    #[test]
    fn any_rightly_signed_claims_are_judged_without_a_panic(header in json(), payload in json()) {
        let header = header.replacen('{', "{\"alg\":\"ES256\",", 1).replace(",}", "}");
        let (odd, plain) = KEY.with(|key| (key.sign(&header, &payload), key.sign(PLAIN, &payload)));
        prop_assert!(!lets_in(&odd) && !lets_in(&plain));
    }

    #[test]
    fn a_good_token_with_any_one_character_changed_is_refused(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
        let token = KEY.with(|key| key.token(&claims()));
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        prop_assert_eq!(lets_in(&changed), changed == token);
    }

    #[test]
    fn any_key_set_is_read_without_a_panic(keys in prop::collection::vec(json(), 0..4), text in ".{0,60}") {
        let document = format!("{{\"keys\":[{}]}}", keys.join(","));
        let _ = KeySet::parse(document.as_bytes(), &settings().algorithms, "here");
        let _ = KeySet::parse(text.as_bytes(), &settings().algorithms, "here");
    }
}
