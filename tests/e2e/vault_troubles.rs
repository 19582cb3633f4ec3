//! What happens to the server of secrets, and to the way there, while tills sell: expiry, revocation, sealing, death, policies,
//! missing and malformed values. No till is told anything but 200, and what is changed afterwards arrives.
//! `TILLSTREAM_TEST_VAULT_SECONDS` makes the short-lived tokens and the sealing last longer.

use std::time::Duration;

use serde_json::json;

use crate::support::{LONG_LIVED, SHORT_LIVED, Sale, Setup, TestVault, VaultScene, count_from, eventually, pause};

/// Long enough for some readings to fail.
const A_WHILE: Duration = Duration::from_secs(4);

fn seconds(usual: u64) -> Duration {
    Duration::from_secs(count_from("TILLSTREAM_TEST_VAULT_SECONDS", usual))
}

#[tokio::test]
async fn tokens_that_live_two_seconds_and_six_at_most_are_renewed_and_replaced_unnoticed() {
    let mut scene = VaultScene::begin(SHORT_LIVED).await;

    pause(seconds(14)).await;

    let lived = scene.app.metric("vault_token_ttl_seconds", "").await;
    assert!(lived <= 6.0, "{lived}");
    scene.a_change_arrives().await;
    scene.end().await;
}

#[tokio::test]
async fn a_token_that_is_revoked_is_replaced_unnoticed() {
    let mut scene = VaultScene::begin(LONG_LIVED).await;

    for _ in 0..3 {
        scene.vault.revoke_tokens().await;
        scene.a_change_arrives().await;
    }

    scene.end().await;
}

#[tokio::test]
async fn a_server_that_is_sealed_for_a_while_is_done_without_and_believed_again_afterwards() {
    let mut scene = VaultScene::begin(SHORT_LIVED).await;

    scene.vault.server().seal().await;
    scene.until_trouble(|trouble| trouble.is_some_and(|text| text.contains("sealed"))).await;
    pause(seconds(4).min(Duration::from_secs(30))).await;
    let health = scene.app.get("/api/v1/health", "").await;
    assert_eq!(health.status, 200, "the last good secrets hold: {}", health.text);
    assert!(health.json()["checks"]["secrets"].as_str().unwrap().starts_with("up, but"), "{}", health.text);
    let refresh = scene.app.send(scene.app.request("POST", "/api/v1/secrets/refresh", "admin")).await;
    assert_eq!(refresh.status, 503, "{}", refresh.text);
    assert!(refresh.text.contains("sealed") && !refresh.header("retry-after").is_empty(), "{refresh:?}");
    scene.vault.server().unseal().await;

    scene.a_change_arrives().await;
    scene.until_trouble(|trouble| trouble.is_none()).await;
    scene.end().await;
}

#[tokio::test]
async fn secrets_that_are_too_old_let_nobody_in_until_the_server_says_again_who_is_a_user() {
    const SOON: Duration = Duration::from_secs(60);
    let vault = TestVault::start(LONG_LIVED).await;
    let app = Setup::new().setting("secrets.max_age", "4s").on_vault(&vault).start().await;
    let sale = Sale::new("STORE_1", 258);
    app.accept(&sale).await;

    vault.server().kill();
    let refused = eventually("a till to be turned away", SOON, async || match app.try_post(&sale).await {
        Ok(answer) if answer.status == 200 => Err("a 200".to_owned()),
        answer => Ok(answer),
    })
    .await;
    let refused = refused.expect("an answer");
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(!refused.header("retry-after").is_empty(), "{refused:?}");
    assert_eq!(app.get("/api/v1/ledger", "admin").await.status, 503);
    eventually("readiness to say so", SOON, async || {
        let ready = app.get("/health/ready", "").await;
        if ready.status == 503 && ready.text.contains("secrets") { Ok(()) } else { Err(ready.text) }
    })
    .await;

    vault.server().restart().await;
    eventually("the till to be let in again", SOON, async || match app.try_post(&sale).await {
        Ok(answer) if answer.status == 200 => Ok(()),
        answer => Err(format!("{answer:?}")),
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_killed_and_started_again_is_found_again() {
    let mut scene = VaultScene::begin(SHORT_LIVED).await;

    scene.vault.server().kill();
    scene.until_trouble(|trouble| trouble.is_some()).await;
    pause(A_WHILE).await;
    scene.vault.server().restart().await;

    scene.a_change_arrives().await;
    scene.end().await;
}

#[tokio::test]
async fn a_server_that_takes_connections_and_says_nothing_holds_nothing_up() {
    let mut scene = VaultScene::begin(LONG_LIVED).await;

    scene.vault.server().freeze();
    scene.until_trouble(|trouble| trouble.is_some()).await;
    scene.vault.server().thaw();

    scene.a_change_arrives().await;
    scene.end().await;
}

#[tokio::test]
async fn a_policy_that_is_withdrawn_costs_nothing_and_one_that_is_given_back_is_used() {
    let mut scene = VaultScene::begin(LONG_LIVED).await;

    scene.vault.forbid().await;
    scene.until_trouble(|trouble| trouble.is_some()).await;
    pause(A_WHILE).await;
    scene.vault.allow().await;

    scene.a_change_arrives().await;
    scene.end().await;
}

#[tokio::test]
async fn a_needed_secret_that_is_deleted_or_malformed_keeps_its_last_good_value_and_others_still_change() {
    let mut scene = VaultScene::begin(LONG_LIVED).await;
    let admin = "validation-service/creds/admin";

    scene.vault.delete(admin).await;
    scene.until_trouble(|trouble| trouble.is_some_and(|text| text.contains(admin))).await;
    scene.a_change_arrives().await;
    for spoilt in [
        json!({"username": "admin", "password": "", "role": "admin"}),
        json!({"password": 4_711_815_162_342_u64}),
        json!({"a": []}),
    ] {
        scene.vault.write_as(admin, spoilt).await;
        let refresh = scene.app.send(scene.app.request("POST", "/api/v1/secrets/refresh", "admin")).await;
        assert_eq!(refresh.status, 200, "the last good password of the admin holds: {}", refresh.text);
        assert_eq!(refresh.json()["kept"], json!([admin]), "{}", refresh.text);
        assert!(!refresh.text.contains("4711815162342"), "{}", refresh.text);
    }
    scene.a_change_arrives().await;
    scene.vault.write(admin).await;
    scene.until_trouble(|trouble| trouble.is_none()).await;

    let counted = scene.app.metric("vault_refreshes_total", "outcome=\"malformed\"").await;
    assert!(counted >= 1.0, "{counted}");
    scene.end().await;
}

#[tokio::test]
async fn the_actor_that_reads_can_be_killed_in_any_way_while_a_change_is_on_its_way() {
    let mut scene = VaultScene::begin(SHORT_LIVED).await;

    for kind in ["panic", "panic_after", "stop", "hang"] {
        let order = json!({"kind": kind, "seconds": 1});
        let answer = scene.app.break_actor("root.secrets", &order).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        scene.a_change_arrives().await;
    }

    scene.end().await;
}

#[tokio::test]
async fn a_clock_that_is_five_minutes_ahead_ends_no_token_and_no_secret() {
    let mut scene = VaultScene::begin(SHORT_LIVED).await;

    let hold = json!({"kind": "clock", "seconds": 300, "hold_seconds": 8});
    scene.app.break_environment(&hold).await;
    scene.a_change_arrives().await;
    pause(A_WHILE).await;
    scene.a_change_arrives().await;

    scene.end().await;
}
