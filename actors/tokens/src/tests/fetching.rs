//! Keys over a real socket, encrypted and not, and from a file.
//! What an issuer answers wrongly is an error that names it; nothing waits for ever.

use std::time::Duration;

use serde_json::json;

use super::issuer::{TestKey, jwks, settings};
use super::web::{Page, Web};
use crate::error::{FetchError, SourceError};
use crate::fetch::KeySource;
use crate::settings::TokenSettings;

/// How many keys these settings find.
async fn fetch(settings: &TokenSettings) -> Result<usize, FetchError> {
    let reading = KeySource::new(settings).unwrap().fetch();
    let ended = tokio::time::timeout(Duration::from_secs(60), reading).await;
    ended.expect("a reading of keys has a deadline of its own").map(|set| set.len())
}

fn at(web: &Web, path: &str) -> TokenSettings {
    TokenSettings { jwks_url: Some(web.url(path)), ca_cert: web.ca_cert.clone(), ..settings() }
}

fn two_keys() -> Vec<u8> {
    jwks(&[&TestKey::es256("a").jwk, &TestKey::ed25519("b").jwk])
}

fn status_of(error: &FetchError) -> Option<u16> {
    if let FetchError::Status { status, .. } = error { Some(*status) } else { None }
}

#[tokio::test]
async fn keys_are_read_over_http_on_this_machine() {
    let web = Web::plain().await;
    web.put("/keys", Page::ok(two_keys()));
    assert_eq!(fetch(&at(&web, "/keys")).await, Ok(2));
}

#[tokio::test]
async fn keys_are_read_over_https_from_whom_the_authority_has_signed_and_from_nobody_else() {
    let (web, other) = (Web::encrypted().await, Web::encrypted().await);
    web.put("/keys", Page::ok(two_keys()));
    assert_eq!(fetch(&at(&web, "/keys")).await, Ok(2));
    let stranger = TokenSettings { ca_cert: other.ca_cert.clone(), ..at(&web, "/keys") };
    let error = fetch(&stranger).await.unwrap_err();
    assert!(matches!(&error, FetchError::NoAnswer { reason, .. } if reason.contains("certificate")), "{error}");
}

#[tokio::test]
async fn an_authority_that_is_renewed_is_used_at_the_next_reading() {
    let (web, other) = (Web::encrypted().await, Web::encrypted().await);
    web.put("/keys", Page::ok(two_keys()));
    let (right, file) = (std::fs::read(web.ca_cert.as_ref().unwrap()).unwrap(), other.ca_cert.clone());
    let source = KeySource::new(&TokenSettings { ca_cert: file.clone(), ..at(&web, "/keys") }).unwrap();
    assert!(source.fetch().await.is_err());
    std::fs::write(file.unwrap(), right).unwrap();
    assert_eq!(source.fetch().await.map(|set| set.len()), Ok(2));
}

#[tokio::test]
async fn a_ca_cert_that_is_missing_or_none_is_named() {
    let web = Web::encrypted().await;
    for (name, content) in [("missing.pem", None), ("empty.pem", Some("")), ("text.pem", Some("no certificate"))] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(name);
        content.inspect(|text| std::fs::write(&file, text).unwrap());
        let error = fetch(&TokenSettings { ca_cert: Some(file), ..at(&web, "/keys") }).await.unwrap_err();
        assert!(matches!(error, FetchError::File { .. }) && error.to_string().contains(name), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (web, elsewhere) = (Web::plain().await, Web::plain().await);
    elsewhere.put("/keys", Page::ok(two_keys()));
    web.put("/keys", Page::status(302, &format!("location: {}\r\n", elsewhere.url("/keys"))));
    assert_eq!(status_of(&fetch(&at(&web, "/keys")).await.unwrap_err()), Some(302));
}

#[tokio::test]
async fn any_answer_but_200_is_an_error_whatever_its_body() {
    let web = Web::plain().await;
    for status in [201, 403, 404, 500, 503] {
        web.put("/keys", Page::status(status, ""));
        assert_eq!(status_of(&fetch(&at(&web, "/keys")).await.unwrap_err()), Some(status));
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let web = Web::plain().await;
    web.put("/keys", Page::ok(vec![b' '; 300_000]));
    assert!(matches!(fetch(&at(&web, "/keys")).await, Err(FetchError::TooLarge { .. })));
}

#[tokio::test]
async fn a_slow_answer_is_given_up() {
    let web = Web::plain().await;
    web.put("/keys", Page::ok(two_keys()).slow(Duration::from_secs(600)));
    let hasty = TokenSettings { timeout: Duration::from_millis(200), ..at(&web, "/keys") };
    let error = fetch(&hasty).await.unwrap_err();
    assert!(matches!(&error, FetchError::NoAnswer { reason, .. } if reason == "no answer in time"), "{error}");
}

#[tokio::test]
async fn an_issuer_that_is_not_there_is_named() {
    let web = Web::plain().await;
    let address = web.address;
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = web.url("/keys").replace(&address.to_string(), &gone.to_string());
    let error = fetch(&TokenSettings { jwks_url: Some(url), ..settings() }).await.unwrap_err();
    assert!(error.to_string().contains(&gone.to_string()), "{error}");
}

#[tokio::test]
async fn keys_are_found_where_the_issuer_says() {
    let web = Web::plain().await;
    let issuer = web.url("/realm");
    let document = json!({"issuer": issuer, "jwks_uri": web.url("/somewhere"), "token_endpoint": web.url("/t")});
    web.put("/realm/.well-known/openid-configuration", Page::ok(document.to_string()));
    web.put("/somewhere", Page::ok(two_keys()));
    assert_eq!(fetch(&TokenSettings { issuer: Some(issuer), ..settings() }).await, Ok(2));
}

#[tokio::test]
async fn a_document_of_another_issuer_or_with_keys_in_the_open_is_refused() {
    let web = Web::plain().await;
    let issuer = web.url("/realm");
    let settings = TokenSettings { issuer: Some(issuer.clone()), ..settings() };
    let describe = |issuer: &str, keys: &str| {
        let document = json!({"issuer": issuer, "jwks_uri": keys}).to_string();
        web.put("/realm/.well-known/openid-configuration", Page::ok(document));
    };
    describe("https://forger.example", &web.url("/keys"));
    assert!(matches!(fetch(&settings).await, Err(FetchError::OtherIssuer { .. })));
    describe(&issuer, "http://issuer.example/keys");
    assert!(matches!(fetch(&settings).await, Err(FetchError::Source(SourceError::NotEncrypted { .. }))));
    web.put("/realm/.well-known/openid-configuration", Page::ok("{}"));
    let error = fetch(&settings).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreadable { expected: "discovery document", .. }), "{error}");
}

#[tokio::test]
async fn keys_are_read_from_a_file_again_and_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.json");
    let source = KeySource::new(&TokenSettings { jwks_file: Some(file.clone()), ..settings() }).unwrap();
    assert!(matches!(source.fetch().await, Err(FetchError::File { .. })));
    std::fs::write(&file, two_keys()).unwrap();
    assert_eq!(source.fetch().await.map(|set| set.len()), Ok(2));
    std::fs::write(&file, vec![b' '; 300_000]).unwrap();
    assert!(matches!(source.fetch().await, Err(FetchError::TooLarge { .. })));
    std::fs::write(&file, "half a fi").unwrap();
    assert!(matches!(source.fetch().await, Err(FetchError::Unreadable { .. })));
}
