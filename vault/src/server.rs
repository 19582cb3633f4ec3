//! The server's life before any configuration: not initialised, sealed, active; and the ways from one to the next.
//! Keys are on disk before they are used.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::error::SetUpError;
use crate::keys::Keys;

/// An election takes five seconds by default.
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);
/// A server that was started in the same breath listens after a second or two.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How the server is, by the status code of its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It has no storage yet.
    Uninitialised,
    /// It has, and nobody has opened it.
    Sealed,
    /// Another node of its cluster serves.
    Standby,
    /// It serves.
    Active,
}

/// How many unseal keys there are to be, and how many open the server.
#[derive(Debug, Clone, Copy)]
pub struct Shares {
    /// All of them.
    pub shares: u8,
    /// Enough of them.
    pub threshold: u8,
}

/// Asks how the server is.
pub async fn condition(client: &Client) -> Result<Condition, SetUpError> {
    let answer = client.get("sys/health").await?;
    match answer.status {
        200 => Ok(Condition::Active),
        429 | 472 | 473 => Ok(Condition::Standby),
        501 => Ok(Condition::Uninitialised),
        503 => Ok(Condition::Sealed),
        _ => Err(answer.refused()),
    }
}

/// The same of a server that may have been started a moment ago.
pub async fn condition_soon(client: &Client) -> Result<Condition, SetUpError> {
    let until = Instant::now() + ANSWERS_WITHIN;
    loop {
        match condition(client).await {
            Err(SetUpError::Unreachable { .. }) if Instant::now() < until => sleep(LOOK_AGAIN).await,
            found => return found,
        }
    }
}

/// Initialises it and keeps the unseal keys; the answer is the root token, which nobody keeps.
pub async fn initialise(client: &Client, shares: Shares, keys: &Keys) -> Result<SecretString, SetUpError> {
    if !keys.read()?.is_empty() {
        return Err(SetUpError::KeysOfAnother(keys.directory().to_owned()));
    }
    keys.prove_writable()?;
    let order = json!({ "secret_shares": shares.shares, "secret_threshold": shares.threshold });
    let answer = client.put("sys/init", order).await?;
    if let Some(status) = answer.refusal() {
        return Err(SetUpError::InitialisationRefused { status });
    }
    let answer = answer.ok()?;
    let made: Vec<SecretString> = answer.texts("/keys_base64")?.into_iter().map(SecretString::from).collect();
    keys.store(&made)?;
    answer.secret("/root_token")
}

/// Opens it with the keys.
pub async fn unseal(client: &Client, keys: &Keys) -> Result<(), SetUpError> {
    let known = keys.read()?;
    if known.is_empty() {
        return Err(SetUpError::KeysUnknown { keys: keys.directory().to_owned() });
    }
    // Somebody may have given some keys and gone away.
    client.put("sys/unseal", json!({ "reset": true })).await?;
    for key in &known {
        let answer = client.put("sys/unseal", json!({ "key": key.expose_secret() })).await?;
        if answer.at("/sealed").is_some_and(|sealed| sealed == false) {
            return Ok(());
        }
    }
    let needed = client.get("sys/seal-status").await?.ok()?.number("/t")?;
    Err(SetUpError::KeysInsufficient { keys: keys.directory().to_owned(), needed })
}

/// Waits until it serves.
pub async fn becomes_active(client: &Client) -> Result<(), SetUpError> {
    let deadline = Instant::now() + ACTIVE_WITHIN;
    loop {
        let now = condition(client).await?;
        if now == Condition::Active {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(SetUpError::NotActive(now.name()));
        }
        sleep(LOOK_AGAIN).await;
    }
}

// === impl Condition ===

impl Condition {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uninitialised => "not initialised",
            Self::Sealed => "sealed",
            Self::Standby => "standby: another node serves, name that one with --address",
            Self::Active => "active",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::client::ServerAddress;

    /// What OpenBao does that was killed while it made its storage; a real one cannot be killed in just that moment every time.
    #[tokio::test]
    async fn a_server_that_refuses_to_be_initialised_is_no_riddle_and_no_key_is_written() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let refuses = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let read = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            read
        });
        let home = tempfile::tempdir().unwrap();
        let keys = Keys::new(home.path());
        let client = Client::new(&ServerAddress { url, ca_cert: None }).unwrap();

        let refusal = initialise(&client, Shares { shares: 5, threshold: 3 }, &keys).await.unwrap_err();

        assert!(matches!(refusal, SetUpError::InitialisationRefused { status: 400 }), "{refusal}");
        assert!(refuses.join().unwrap() > 0 && keys.read().unwrap().is_empty());
    }
}
