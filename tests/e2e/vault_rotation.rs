//! Passwords that change in the server of secrets while everybody who has one works: clients change over at once or within the
//! overlap, and nobody is told anything but what he was told before.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::{Badge, LONG_LIVED, SALES, Setup, TILL, TestApp, TestVault, VaultScene, eventually, pause};

/// Longer than it takes everybody to change over; the least that `secrets.refresh` allows would do.
const OVERLAP: &str = "8s";
const SOON: Duration = Duration::from_secs(60);

/// User, what it may do, and what it is told then: aggregation's window is none, which it hears once it is let in.
const USERS: [(&str, &str, &str, u16); 3] = [
    ("aggregation-service", "POST", "/api/v1/pos/amount-per-store", 422),
    ("reporting-service", "GET", "/api/v1/pos/turnover", 200),
    ("admin", "GET", "/api/v1/ledger", 200),
];

async fn status(app: &TestApp, badge: &Badge, method: &str, path: &str) -> u16 {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    app.send(app.as_shown(badge, method, path).json(&json!({}))).await.status
}

#[tokio::test]
async fn every_users_password_changes_under_load_and_the_old_one_holds_for_the_overlap_and_no_longer() {
    let setup = Setup::new().setting("secrets.overlap", OVERLAP);
    let mut scene = VaultScene::begin_with(TestVault::start(LONG_LIVED).await, setup).await;

    for (user, method, route, expected) in USERS {
        let path = format!("validation-service/creds/{user}");
        let old = Badge::of(user, scene.app.users());
        let new = old.with(&scene.vault.rotate(&path).await);
        // A reading that was due anyway may come before; in use is the change in any case.
        scene.refresh_as(&Badge::of("admin", scene.app.users())).await;
        scene.app.knows_its_users();
        for badge in [&new, &old, &new, &old] {
            assert_eq!(status(&scene.app, badge, method, route).await, expected, "{user}");
        }
    }
    let old = scene.badge.with(&scene.app.users().named("pos-service").1);
    let new = scene.badge.with(&scene.vault.rotate(TILL).await);
    scene.refresh().await;
    assert!(scene.app.is_known(&old).await && scene.app.is_known(&new).await);
    pause(Duration::from_secs(1)).await;
    scene.badge.take(&new);

    eventually("the old password to be forgotten", SOON, async || {
        if scene.app.is_known(&old).await { Err("it is still let in".to_owned()) } else { Ok(()) }
    })
    .await;
    assert!(scene.app.is_known(&new).await);
    scene.end().await;
}

#[tokio::test]
async fn a_change_that_nobody_announces_is_in_use_within_the_refresh_and_tills_change_over_when_they_like() {
    let mut scene = VaultScene::begin(LONG_LIVED).await;

    for _ in 0..3 {
        scene.a_change_arrives().await;
    }

    scene.end().await;
}

#[tokio::test]
async fn a_user_that_is_added_is_let_in_and_one_that_is_removed_is_let_in_no_more() {
    let scene = VaultScene::begin(LONG_LIVED).await;
    let path = "validation-service/creds/till-of-store-7";
    let user = json!({"username": "till-7", "password": "of-store-seven", "role": "pos"});
    let badge = Badge::new("till-7", "of-store-seven");

    scene.vault.write_as(path, user).await;
    scene.refresh().await;
    assert!(scene.app.is_known(&badge).await);
    let sale = scene.app.as_shown(&badge, Method::POST, SALES).json(&json!({}));
    assert_eq!(scene.app.send(sale).await.status, 422, "it is let in to be told what a sale is");
    scene.vault.delete(path).await;
    scene.refresh().await;

    assert!(!scene.app.is_known(&badge).await);
    scene.end().await;
}
