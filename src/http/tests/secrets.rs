//! The two routes about secrets, against doors that answer as told, and what a process answers that waits for them.

use super::*;
use tillstream_messages::{
    CertificateError, CertificateReloaded, ListSecrets, RefreshError, RefreshSecrets, ReloadCertificate, SecretInUse,
    SecretsOverview, SecretsRefreshed,
};

const LIST: &str = "/api/v1/secrets";
const REFRESH: &str = "/api/v1/secrets/refresh";

fn overview_for_test() -> SecretsOverview {
    let at = |text: &str| text.parse().unwrap();
    SecretsOverview {
        source: "vault",
        confirmed_at: at("2026-01-31T12:00:00Z"),
        next_refresh: at("2026-01-31T12:00:30Z"),
        trouble: Some("the server is sealed".to_owned()),
        secrets: vec![SecretInUse {
            path: "validation-service/creds/pos-service".to_owned(),
            version: 3,
            age_seconds: 12,
            holders: vec!["root.users".to_owned()],
        }],
    }
}

fn doors_for_test(found: Result<SecretsRefreshed, RefreshError>) -> Doors {
    let list = Port::from_fn(|_: ListSecrets| overview_for_test());
    let refresh = Port::from_fn(move |_: RefreshSecrets| found.clone());
    Doors { secrets: Some(list.into()), refresh_secrets: Some(refresh.into()), ..Doors::default() }
}

fn nothing_new() -> Doors {
    doors_for_test(Ok(SecretsRefreshed { changed: Vec::new(), kept: Vec::new() }))
}

#[actix_web::test]
async fn an_admin_sees_which_secrets_are_in_use_and_who_holds_them() {
    let (status, _, body) = answer(api_for_test(nothing_new()), as_user(TestRequest::get().uri(LIST), "admin")).await;
    assert_eq!(status, StatusCode::OK);
    let secret = json!({
        "path": "validation-service/creds/pos-service", "version": 3, "age_seconds": 12, "holders": ["root.users"],
    });
    let expected = json!({
        "source": "vault",
        "confirmed_at": "2026-01-31T12:00:00Z",
        "next_refresh": "2026-01-31T12:00:30Z",
        "trouble": "the server is sealed",
        "secrets": [secret],
    });
    assert_eq!(body, expected);
}

#[actix_web::test]
async fn a_refresh_says_what_has_changed_and_what_was_kept() {
    let (changed, kept) = (vec!["a/b".to_owned()], vec!["c/d".to_owned()]);
    let doors = doors_for_test(Ok(SecretsRefreshed { changed, kept }));
    let (status, _, body) = answer(api_for_test(doors), as_user(TestRequest::post().uri(REFRESH), "admin")).await;
    let expected = json!({"changed": ["a/b"], "kept": ["c/d"], "certificate": null});
    assert_eq!((status, body), (StatusCode::OK, expected));
}

#[actix_web::test]
async fn a_refresh_looks_for_another_certificate_too_and_says_what_came_of_it() {
    let reloaded = CertificateReloaded { changed: true, serial: "0a".to_owned(), expires_at: chrono::Utc::now() };
    for (found, expected) in [
        (Ok(reloaded), json!([true, "0a", null])),
        (Err(CertificateError("no such file".to_owned())), json!([false, null, "no such file"])),
    ] {
        let reload = Port::from_fn(move |_: ReloadCertificate| found.clone());
        let doors = Doors { reload_certificate: Some(reload.into()), ..nothing_new() };
        let (_, _, body) = answer(api_for_test(doors), as_user(TestRequest::post().uri(REFRESH), "admin")).await;
        let certificate = &body["certificate"];
        assert_eq!(json!([certificate["changed"], certificate["serial"], certificate["trouble"]]), expected);
    }
}

#[actix_web::test]
async fn a_source_that_cannot_be_read_is_a_503_with_the_reason() {
    let doors = doors_for_test(Err(RefreshError("the server is sealed".to_owned())));
    let request = as_user(TestRequest::post().uri(REFRESH), "admin");
    let (status, headers, body) = answer(api_for_test(doors), request).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(headers.contains_key(header::RETRY_AFTER));
    assert!(body["detail"].as_str().unwrap().ends_with("the server is sealed"), "{body}");
}

#[actix_web::test]
async fn only_an_admin_may_ask_about_secrets() {
    for user in ["till", "agg", "reader"] {
        for request in [TestRequest::get().uri(LIST), TestRequest::post().uri(REFRESH)] {
            let (status, _, _) = answer(api_for_test(nothing_new()), as_user(request, user)).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{user}");
        }
    }
    for request in [TestRequest::get().uri(LIST), TestRequest::post().uri(REFRESH)] {
        assert_eq!(answer(api_for_test(nothing_new()), request).await.0, StatusCode::UNAUTHORIZED);
    }
}

#[actix_web::test]
async fn another_method_names_the_one_that_there_is() {
    for (request, allowed) in [(TestRequest::post().uri(LIST), "GET, HEAD"), (TestRequest::get().uri(REFRESH), "POST")]
    {
        let (status, headers, _) = answer(api_for_test(nothing_new()), request).await;
        assert_eq!(
            (status, headers.get(header::ALLOW).unwrap().to_str().unwrap()),
            (StatusCode::METHOD_NOT_ALLOWED, allowed)
        );
    }
}
