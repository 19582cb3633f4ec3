//! The broker's passwords in the server of secrets: both the broker and the service read them there, each for itself.
//! On the Solace backend: `tillstream broker` is one process, the service another, and the official client library between them.

use std::time::Duration;

use crate::support::{LONG_LIVED, Sale, Setup, TestVault, VaultScene, pause};

/// Longer than both need to read the change.
const OVERLAP: Duration = Duration::from_secs(6);

const USERS: [&str; 3] = ["validation-service", "aggregation-service", "reporting-service"];

#[tokio::test]
async fn every_broker_password_changes_under_load_and_the_sessions_change_over_before_the_old_one_ends() {
    let setup = Setup::new().behind_a_proxy().setting("secrets.overlap", &format!("{}s", OVERLAP.as_secs()));
    let scene = VaultScene::begin_with(TestVault::start(LONG_LIVED).await, setup).await;

    let before = scene.app.proxy().accepted();
    for user in USERS {
        let path = format!("message-broker/creds/{user}");
        let version = scene.version_of(&path).await;
        scene.vault.rotate(&path).await;
        scene.refresh().await;
        assert!(scene.version_of(&path).await > version);
    }
    pause(OVERLAP * 2).await;
    assert!(scene.app.proxy().accepted() >= before + 6, "three publishers and three flows have a new session");

    // Whoever still has only the old password stays outside now.
    let (_vault, mut app) = scene.calm().await;
    app.proxy().cut();
    let sale = Sale::new("STORE_1", 258);
    app.accept(&sale).await;
    app.becomes_ready().await;
    assert_eq!(app.final_window_of(&sale).await.total_amount, 258);
}
