//! Somebody at vault's address who is no vault: who sends the service elsewhere, or talks without end.
//! Made by hand from a socket; a real server does neither.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tillstream_vault::{VaultError, VaultSettings, VaultWiring};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{PATIENCE, locally, on_order};

/// More than any socket between here and there holds back, and less than a memory.
const FAR_TOO_MUCH: usize = 64 << 20;

/// Serves one request per connection.
async fn stranger<F: Future<Output = ()> + 'static>(serve: impl Fn(String, TcpStream) -> F + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 16_384];
            let length = stream.read(&mut request).await.unwrap_or_default();
            serve(String::from_utf8_lossy(&request[..length]).into_owned(), stream).await;
        }
    });
    address
}

/// The error of a service that begins there.
async fn meets(address: SocketAddr) -> VaultError {
    let folder = TempDir::new().unwrap();
    for name in ["role_id", "secret_id"] {
        std::fs::write(folder.path().join(name), "somebody\n").unwrap();
    }
    let settings = VaultSettings {
        address: format!("http://{address}"),
        role_id_file: folder.path().join("role_id"),
        secret_id_file: folder.path().join("secret_id"),
        kv_version: Some(1),
        timeout: PATIENCE,
        ..VaultSettings::default()
    };
    let wanted = ["message-broker/config".to_owned()];
    let wiring = VaultWiring::new(settings, on_order(), &wanted, Default::default()).unwrap();
    wiring.first_tree().await.map(drop).expect_err("no secrets from a stranger")
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

/// A login as the API has it.
fn token() -> String {
    let auth = json!({
        "client_token": "s.canary", "accessor": "", "policies": [], "token_policies": [], "metadata": null,
        "lease_duration": 3_600, "renewable": true, "entity_id": "", "token_type": "service", "orphan": true,
    });
    json!({"request_id": "", "lease_id": "", "lease_duration": 0, "renewable": false, "auth": auth}).to_string()
}

#[tokio::test]
async fn neither_token_nor_secret_id_follow_a_server_that_sends_its_callers_elsewhere() {
    locally(async {
        let came = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&came);
        let elsewhere = stranger(move |_, _| {
            counted.fetch_add(1, SeqCst);
            async {}
        })
        .await;
        let location = format!("location: http://{elsewhere}/v1/elsewhere\r\n");
        for lets_in in [true, false] {
            let sends_away = answer("307 Temporary Redirect", &location, "");
            let address = stranger(move |request, mut stream| {
                let is_login = request.contains("/auth/approle/login");
                let text = if is_login && lets_in { answer("200 OK", "", &token()) } else { sends_away.clone() };
                async move { stream.write_all(text.as_bytes()).await.unwrap() }
            })
            .await;

            let error = meets(address).await;

            assert!(matches!(error, VaultError::Elsewhere { status: 307, .. }), "{error}");
            assert!(!error.to_string().contains(&elsewhere.to_string()), "{error}");
        }
        assert_eq!(came.load(SeqCst), 0, "somebody followed");
    })
    .await;
}

#[tokio::test]
async fn an_answer_without_end_is_left_after_a_few_megabytes() {
    locally(async {
        let said = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&said);
        let address = stranger(move |_, mut stream| {
            let said = Arc::clone(&counted);
            async move {
                stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await.unwrap();
                let talk = vec![b' '; 1 << 16];
                while said.load(SeqCst) < FAR_TOO_MUCH && stream.write_all(&talk).await.is_ok() {
                    said.fetch_add(talk.len(), SeqCst);
                }
            }
        })
        .await;

        let error = tokio::time::timeout(PATIENCE, meets(address)).await.expect("stuck: a listener without end");

        assert!(matches!(error, VaultError::TooLarge { .. }), "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(said.load(SeqCst) < FAR_TOO_MUCH, "all of it was listened to");
    })
    .await;
}
