//! The health document of a real process, and the conditions of `docs/HEALTH.md` that are cheap to make for real.
//! All of them, made on the board, are tested beside the routes.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{TestApp, eventually};

const SOON: Duration = Duration::from_secs(60);

fn paths_of(node: &Value, paths: &mut BTreeSet<String>) {
    paths.insert(node["path"].as_str().unwrap().to_owned());
    node["children"].as_array().unwrap().iter().for_each(|child| paths_of(child, paths));
}

#[tokio::test]
async fn the_document_has_every_actor_leg_and_disk_and_nobodys_name() {
    let app = TestApp::start().await;

    let health = app.get("/api/v1/health", "").await;

    assert_eq!((health.status, health.header("content-type")), (200, "application/health+json"));
    let document = health.json();
    assert_eq!(document["status"], "ok", "{}", health.text);
    let mut tree = BTreeSet::new();
    paths_of(&app.get("/api/v1/actors", "admin").await.json(), &mut tree);
    let listed = document["details"]["actors:state"].as_array().unwrap().iter();
    let listed: BTreeSet<String> = listed.map(|one| one["componentId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, tree);
    for key in ["publish:state", "consume_sales:state", "consume_ledger:state", "secrets:age", "clock:time"] {
        assert_eq!(document["details"][key][0]["status"], "pass", "{key}: {}", health.text);
    }
    assert!(document["details"]["disk:free"][0]["observedValue"].as_u64().unwrap() > 0);
    for user in ["pos-service", "aggregation-service", "reporting-service"] {
        let (name, password) = app.users().named(user);
        assert!(!health.text.contains(&name) && !health.text.contains(&password), "{}", health.text);
    }
    assert!(!health.text.contains(app.setup().home().to_str().unwrap()), "a path of this machine: {}", health.text);
}

#[tokio::test]
async fn a_disk_without_space_is_seen_in_health_and_metrics_and_does_not_end_the_process() {
    let app = TestApp::start().await;

    app.break_environment(&json!({"kind": "disk_full", "seconds": 30})).await;

    eventually("readiness to say that the disk is full", SOON, async || match app.get("/health/ready", "").await {
        ready if ready.status == 503 => Ok(()),
        ready => Err(ready.text),
    })
    .await;
    let document = app.get("/api/v1/health", "").await.json();
    assert_eq!(document["details"]["disk:free"][0]["status"], "warn", "{document}");
    assert_eq!(document["details"]["disk:free"][0]["observedValue"], 0);
    assert_eq!(app.metric("disk_free_bytes", "").await.to_bits(), 0.0_f64.to_bits());
    assert_eq!(app.get("/health/live", "").await.status, 200);
    assert_eq!(app.get("/health/startup", "").await.status, 200);
}
