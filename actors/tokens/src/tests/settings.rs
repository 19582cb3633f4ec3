//! Sections that would believe too much are refused at start.
//! What is written out in config/base.toml is compared with the defaults elsewhere.

use std::time::Duration;

use serde_json::json;

use super::issuer::settings;
use crate::settings::TokenSettings;

fn refused(change: impl FnOnce(&mut TokenSettings)) -> String {
    let mut settings = settings();
    change(&mut settings);
    settings.check().expect_err("it is refused").to_string()
}

#[test]
fn off_is_in_order_and_so_is_a_complete_section() {
    assert_eq!(TokenSettings::default().check(), Ok(()));
    assert_eq!(settings().check(), Ok(()));
}

#[test]
fn half_a_section_is_refused() {
    assert!(refused(|tokens| tokens.issuer = None).contains("`tokens.issuer`"));
    assert!(refused(|tokens| tokens.audience = None).contains("`tokens.audience`"));
    assert!(refused(|tokens| tokens.audience = Some(String::new())).contains("`tokens.audience`"));
    assert!(refused(|tokens| tokens.scopes.clear()).contains("`tokens.scopes`"));
    assert!(refused(|tokens| tokens.scope_claims.clear()).contains("`tokens.scope_claims`"));
    assert!(refused(|tokens| tokens.algorithms.clear()).contains("`tokens.algorithms`"));
    let both = refused(|tokens| {
        tokens.jwks_url = Some("https://issuer.example/keys".to_owned());
        tokens.jwks_file = Some("keys.json".into());
    });
    assert!(both.contains("exclude each other"));
}

#[test]
fn bounds_that_contradict_each_other_are_refused() {
    assert!(refused(|tokens| tokens.refetch = Duration::ZERO).contains("`tokens.refetch`"));
    assert!(refused(|tokens| tokens.refresh = Duration::from_secs(1)).contains("`tokens.refresh`"));
    assert!(refused(|tokens| tokens.max_age = Duration::from_secs(1)).contains("`tokens.max_age`"));
    assert!(refused(|tokens| tokens.leeway = Duration::from_secs(601)).contains("`tokens.leeway`"));
    assert!(refused(|tokens| tokens.max_token = 0).contains("`tokens.max_token`"));
}

#[test]
fn keys_do_not_come_unencrypted_from_another_machine_unless_somebody_says_so() {
    let from = |url: &str| refused(|tokens| tokens.jwks_url = Some(url.to_owned()));
    assert!(from("http://issuer.example/keys").contains("is not encrypted"));
    assert!(refused(|tokens| tokens.issuer = Some("http://127.0.0.1.example".to_owned())).contains("is not encrypted"));
    for url in ["ftp://issuer.example", "issuer.example", "file:///etc/passwd", ""] {
        assert!(from(url).contains("no http or https address"), "{url}");
    }
    let with_password = from("https://user:CANARY@issuer.example");
    assert!(with_password.contains("must not hold a user") && !with_password.contains("CANARY"));
    for url in ["http://127.0.0.1:8200/keys", "http://[::1]:1/", "http://localhost:8200", "https://issuer.example/keys"]
    {
        let settings = TokenSettings { jwks_url: Some(url.to_owned()), ..settings() };
        assert_eq!(settings.check(), Ok(()), "{url}");
    }
    let url = Some("http://issuer.example/keys".to_owned());
    assert_eq!(TokenSettings { jwks_url: url, plain_http: true, ..settings() }.check(), Ok(()));
}

#[test]
fn no_setting_can_allow_a_token_without_a_public_key() {
    for name in ["none", "HS256", "HS384", "HS512", "RSA1_5", "rs256"] {
        assert!(serde_json::from_value::<TokenSettings>(json!({"algorithms": [name]})).is_err(), "{name}");
    }
}

#[test]
fn a_role_that_does_not_exist_is_named_with_those_that_do() {
    let error = serde_json::from_value::<TokenSettings>(json!({"scopes": {"a": "root"}})).unwrap_err().to_string();
    assert!(error.contains("`root` is no role") && error.contains("reporting"), "{error}");
}
