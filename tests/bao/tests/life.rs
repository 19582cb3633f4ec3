//! What other tests rely on: a server that is ready when it says so, and that lives and dies as it is told.
//! Proves nothing about OpenBao itself.

use std::time::Duration;

use serde_json::json;
use tillstream_bao::{Bao, BaoOptions};
use tokio::time::timeout;

#[tokio::test]
async fn a_server_in_memory_is_ready_at_once_and_can_be_sealed_and_unsealed() {
    let bao = Bao::dev().await;
    assert_eq!(bao.post("sys/mounts/kv", json!({"type": "kv"})).await.0, 204);
    assert_eq!(bao.put("kv/a/b", json!({"key": "value"})).await.0, 204);

    bao.seal().await;
    assert_eq!((bao.health().await, bao.get("kv/a/b").await.0), (503, 503));
    bao.unseal().await;

    assert_eq!(bao.get("kv/a/b").await.1["data"]["key"], "value");
    assert_eq!(bao.list("kv/a").await.1["data"]["keys"], json!(["b"]));
}

#[tokio::test]
async fn a_server_on_disk_is_born_uninitialised_and_keeps_what_it_had_when_it_is_killed() {
    let bao = Bao::raft().await;
    assert_eq!(bao.health().await, 501);
    bao.initialise().await;
    bao.post("sys/mounts/kv", json!({"type": "kv"})).await;
    bao.put("kv/a", json!({"key": "value"})).await;

    bao.kill();
    bao.restart().await;

    assert_eq!(bao.get("kv/a").await.1["data"]["key"], "value");
}

#[tokio::test]
async fn a_server_with_a_certificate_of_its_own_answers_whoever_trusts_its_authority() {
    let bao = Bao::start(BaoOptions { tls: true, ..BaoOptions::default() }).await;
    bao.initialise().await;
    assert!(bao.address().starts_with("https://"));
    assert!(bao.ca_file().is_file());
}

#[tokio::test]
async fn a_frozen_server_answers_when_it_is_thawed() {
    let bao = Bao::dev().await;
    bao.freeze();
    assert!(timeout(Duration::from_millis(300), bao.health()).await.is_err());
    bao.thaw();
    assert_eq!(bao.health().await, 200);
}
