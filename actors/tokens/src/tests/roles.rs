//! From scopes to the one role of a user.
//! What the role may do is the domain's matrix.

use serde_json::{Value, json};
use tillstream_domain::UserRole;

use super::issuer::{TestKey, book_of, claims_with, settings};
use crate::book::TokenBook;
use crate::error::{Refusal, TokenAnswer, TokenError};

fn role(changes: Value) -> Result<UserRole, TokenError> {
    let key = TestKey::ed25519("a");
    let judged = book_of(&[&key.jwk], &settings()).0.verify(&key.token(&claims_with(changes)));
    judged.map(|user| user.role)
}

#[test]
fn a_scope_gives_its_role_as_a_word_of_a_text_or_in_a_list() {
    assert_eq!(role(json!({"scope": "tillstream:sell"})), Ok(UserRole::Pos));
    assert_eq!(role(json!({"scope": "openid tillstream:read  email"})), Ok(UserRole::Reporting));
    assert_eq!(role(json!({"scope": null, "scp": ["email", "tillstream:read"]})), Ok(UserRole::Reporting));
    assert_eq!(role(json!({"scope": "email", "scp": "tillstream:run"})), Ok(UserRole::Admin));
}

#[test]
fn a_token_without_a_known_scope_is_forbidden_and_not_unauthorized() {
    for scope in [json!(""), json!(null), json!("openid"), json!("tillstream:sel"), json!("TILLSTREAM:SELL"), json!([])]
    {
        let error = role(json!({"scope": scope})).unwrap_err();
        assert_eq!(error, TokenError::NoRole { subject: "till-7".to_owned() });
        assert_eq!((error.answer(), error.subject()), (TokenAnswer::Forbidden, Some("till-7")));
    }
}

#[test]
fn an_admin_is_an_admin_whatever_else_the_token_gives() {
    assert_eq!(role(json!({"scope": "tillstream:sell tillstream:run tillstream:read"})), Ok(UserRole::Admin));
}

#[test]
fn several_roles_without_an_admin_are_forbidden_because_a_user_has_one() {
    let error = role(json!({"scope": "tillstream:sell tillstream:read"})).unwrap_err();
    assert_eq!(error, TokenError::SeveralRoles { subject: "till-7".to_owned() });
    assert_eq!(error.answer(), TokenAnswer::Forbidden);
}

#[test]
fn scopes_of_a_wrong_type_are_malformed() {
    for scope in [json!(7), json!({"tillstream:run": true}), json!(["tillstream:run", 7])] {
        assert_eq!(role(json!({"scope": scope})), Err(Refusal::Malformed.into()));
    }
}

#[test]
fn the_claim_of_scopes_is_the_one_that_is_set() {
    let key = TestKey::ed25519("a");
    let mut settings = settings();
    settings.scope_claims = vec!["permissions".to_owned()];
    let (book, _) = book_of(&[&key.jwk], &settings);
    let token = key.token(&claims_with(json!({"scope": "tillstream:run", "permissions": ["tillstream:sell"]})));
    assert_eq!(book.verify(&token).map(|user| user.role), Ok(UserRole::Pos));
}

#[test]
fn without_an_issuer_every_token_is_unauthorized() {
    let key = TestKey::ed25519("a");
    let error = TokenBook::off().verify(&key.token(&claims_with(json!({})))).unwrap_err();
    assert_eq!((error.answer(), error), (TokenAnswer::Unauthorized, TokenError::Off));
}
