//! A service that is there before its secrets: it waits, says so, takes nothing, and then starts on the same port.
//! Why the order of starting matters to nobody is in `old_secret_defects`.

use std::time::Duration;

use crate::command_line::run;
use crate::support::{LONG_LIVED, Sale, Setup, TestApp, TestVault, eventually};

const SOON: Duration = Duration::from_secs(60);

/// A service whose server of secrets is dead.
async fn waiting_service() -> (TestVault, TestApp) {
    let vault = TestVault::start(LONG_LIVED).await;
    vault.server().kill();
    let mut app = Setup::new().on_vault(&vault).launch().await;
    app.knows_its_users();
    (vault, app)
}

#[tokio::test]
async fn a_service_that_waits_for_its_secrets_lives_is_not_ready_and_says_why() {
    let (vault, mut app) = waiting_service().await;

    let live = app.get("/health/live", "").await;
    assert_eq!(live.status, 200, "{}", live.text);
    for path in ["/health/ready", "/health/startup", "/api/v1/health", "/validation-service/api/v1/health"] {
        let answer = app.get(path, "").await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text);
        let reason = answer.json()["checks"]["secrets"].as_str().unwrap().to_owned();
        assert!(reason.contains("vault") && reason.contains("cannot be reached"), "{path}: {reason}");
    }
    for (method, path) in [("POST", "/api/v1/pos/validate_transaction"), ("GET", "/api/v1/ledger"), ("GET", "/nowhere")]
    {
        let answer = app.send(app.request(method, path, "admin")).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text);
        assert!(!answer.header("retry-after").is_empty(), "{path}: {:?}", answer.headers);
    }
    let sale = Sale::new("STORE_1", 258);
    assert_eq!(app.try_post(&sale).await.unwrap().status, 503);

    let refused = "http_requests_total{endpoint=\"/api/v1/pos/validate_transaction\",method=\"POST\",status=\"503\"} 2";
    let metrics = app.get("/metrics", "").await.text;
    assert!(metrics.contains(refused), "{metrics}");

    let before = app.url();
    vault.server().restart().await;
    app.becomes_ready().await;
    app.accept(&sale).await;
    assert_eq!((app.url(), app.final_window_of(&sale).await.total_amount), (before, 258));
    assert_eq!(app.get("/health/startup", "").await.status, 200);
}

#[tokio::test]
async fn a_service_that_waits_for_a_sealed_server_starts_when_it_is_unsealed() {
    let vault = TestVault::start(LONG_LIVED).await;
    vault.server().seal().await;
    let mut app = Setup::new().on_vault(&vault).launch().await;

    eventually("health to say that the server is sealed", SOON, async || {
        let answer = app.get("/health/ready", "").await;
        if answer.status == 503 && answer.text.contains("sealed") { Ok(()) } else { Err(answer.text) }
    })
    .await;
    vault.server().unseal().await;

    app.becomes_ready().await;
    app.accept(&Sale::new("STORE_1", 1)).await;
}

#[tokio::test]
async fn a_service_that_waits_for_its_policy_starts_when_it_is_given() {
    let vault = TestVault::start(LONG_LIVED).await;
    vault.forbid().await;
    let mut app = Setup::new().on_vault(&vault).launch().await;

    eventually("health to say what is forbidden", SOON, async || {
        let answer = app.get("/health/ready", "").await;
        if answer.status == 503 && answer.text.contains("polic") { Ok(()) } else { Err(answer.text) }
    })
    .await;
    vault.allow().await;

    app.becomes_ready().await;
}

#[tokio::test]
async fn sigterm_ends_the_waiting_cleanly() {
    let (_vault, mut app) = waiting_service().await;
    assert_eq!(app.get("/health/live", "").await.status, 200);

    let status = app.stop().await;

    assert_eq!(status.code(), Some(0), "{}", app.printed());
}

#[tokio::test]
async fn a_run_of_given_length_that_never_gets_its_secrets_fails_when_the_time_is_over_and_says_so() {
    let vault = TestVault::start(LONG_LIVED).await;
    vault.server().kill();
    let setup = Setup::new().on_vault(&vault);
    let data = setup.data_dir().to_str().unwrap().to_owned();

    let (code, text) = run(&setup, &["run", "--duration", "2s", "--listen", "127.0.0.1:0", "--data-dir", &data]).await;

    assert_eq!(code, 1, "{text}");
    assert!(text.contains("waiting for secrets") && text.contains("nothing ran"), "{text}");
}
