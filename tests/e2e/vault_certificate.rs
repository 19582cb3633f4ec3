//! The service's own certificate from the server of secrets: asked for at the start, waited for, and renewed under load.
//! Certificates in files are in `tls`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::support::{LONG_LIVED, Sale, Setup, TestApp, TestVault, Trust, VaultScene, eventually, pause};
use crate::tls::exchange;

/// Asked for again after two thirds of it; a busy machine has the rest to answer.
const TTL: &str = "9s";
const SOON: Duration = Duration::from_secs(60);

/// Somebody who connects anew for every request.
struct Newcomers {
    is_over: Arc<AtomicBool>,
    task: JoinHandle<usize>,
}

// === impl Newcomers ===

impl Newcomers {
    /// Each believes only what the authority vouches for at that moment.
    fn come(app: &TestApp, trust: &Trust) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let (url, until) = (format!("{}/health/live", app.url()), Arc::clone(&is_over));
        let builder = app.setup().clone().believing(trust.clone()).client().pool_max_idle_per_host(0);
        let http = builder.timeout(SOON).build().unwrap();
        let coming = async move {
            let mut came = 0;
            while !until.load(SeqCst) {
                let answer = http.get(&url).send().await.expect("a newcomer's handshake and its answer");
                assert_eq!(answer.status(), 200);
                came += 1;
                pause(Duration::from_millis(20)).await;
            }
            came
        };
        Self { is_over, task: tokio::spawn(coming) }
    }

    /// How many came; each was let in.
    async fn go(self) -> usize {
        self.is_over.store(true, SeqCst);
        self.task.await.expect("newcomers who were all let in")
    }
}

#[tokio::test]
async fn a_certificate_that_the_server_of_secrets_issues_is_renewed_under_load_without_anybody_noticing() {
    let vault = TestVault::start(LONG_LIVED).await;
    let trust = Trust::of(vault.becomes_authority().await);
    vault.allow_issuing().await;
    let scene = VaultScene::begin_with(vault, Setup::new().over_tls_from_vault(TTL).believing(trust.clone())).await;
    let newcomers = Newcomers::come(&scene.app, &trust);
    let mut standing = scene.app.handshake(&trust, &[]).await.expect("a handshake at the start");
    let mut shown = vec![scene.app.shows(&trust).await];
    exchange(&mut standing).await.expect("an answer");

    for _ in 0..3 {
        let next = eventually("another certificate to be shown", SOON, async || {
            let now = scene.app.shows(&trust).await;
            if shown.contains(&now) { Err("the same is shown".to_owned()) } else { Ok(now) }
        })
        .await;
        shown.push(next);
        exchange(&mut standing).await.expect("the connection from the start");
    }

    let came = newcomers.go().await;
    assert!(came > 200, "{came} handshakes prove little");
    assert!(scene.app.metric("tls_reloads_total", "exchanged").await >= 3.0);
    assert_eq!(scene.app.metric("tls_reloads_total", "refused").await, 0.0);
    scene.end().await;
}

#[tokio::test]
async fn a_service_that_may_not_have_a_certificate_waits_says_for_what_and_starts_when_it_may() {
    let vault = TestVault::start(LONG_LIVED).await;
    let trust = Trust::of(vault.becomes_authority().await);
    let mut app = Setup::new().on_vault(&vault).over_tls_from_vault("1h").launch().await;

    let health = eventually("readiness to say what is waited for", SOON, async || {
        let ready = app.get("/health/ready", "").await;
        let message = ready.json()["message"].as_str().unwrap().to_owned();
        let says = message.starts_with("waiting for a certificate: ") && message.contains("pki/issue/tillstream");
        if ready.status == 503 && says { Ok(ready.json()) } else { Err(ready.text) }
    })
    .await;
    assert_eq!(health["checks"]["secrets"], "up");
    assert_eq!(app.get("/health/live", "").await.status, 200);
    app.knows_its_users();
    let sale = Sale::new("STORE_1", 258);
    let refused = app.try_post(&sale).await.expect("an answer");
    assert_eq!((refused.status, refused.header("retry-after").is_empty()), (503, false), "{}", refused.text);
    let printed = app.prints(|printed| printed.contains("waiting for a certificate: ")).await;
    assert!(!printed.contains("waiting for secrets"), "{printed}");

    vault.allow_issuing().await;
    app.speaks_tls(&trust);
    app.becomes_ready().await;

    app.accept(&sale).await;
    assert_eq!(app.final_window_of(&sale).await.total_amount, 258);
    assert_eq!(app.get("/api/v1/health", "").await.json()["checks"]["certificate"], "up");
}
