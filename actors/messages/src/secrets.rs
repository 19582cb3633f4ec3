//! The secret tree as those who need it see it: path, key, value, version.
//! Never prints a value: `Debug` of an entry shows its keys only.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use actix::Message;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

/// All keys below one path, for example `validation-service/creds/pos-service`.
#[derive(Clone)]
pub struct SecretEntry {
    /// Grows with every change of this path, from 1.
    pub version: u64,
    /// When this version was read.
    pub read_at: DateTime<Utc>,
    keys: BTreeMap<String, SecretString>,
}

impl SecretEntry {
    /// An entry of these keys.
    pub fn new(version: u64, read_at: DateTime<Utc>, keys: BTreeMap<String, SecretString>) -> Self {
        Self { version, read_at, keys }
    }

    /// The secret value behind a key.
    pub fn get(&self, key: &str) -> Option<&SecretString> {
        self.keys.get(key)
    }

    /// The value as text; the caller must not log it.
    pub fn expose(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(|value| value.expose_secret())
    }

    /// The key names, which are no secret.
    pub fn key_names(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// Whether both hold the same values.
    pub fn same_values(&self, other: &Self) -> bool {
        self.keys.len() == other.keys.len()
            && self.keys.iter().all(|(key, value)| other.expose(key) == Some(value.expose_secret()))
    }
}

impl fmt::Debug for SecretEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretEntry").field("version", &self.version).field("keys", &self.keys.keys()).finish()
    }
}

/// One consistent reading of the whole tree.
#[derive(Debug, Clone, Default)]
pub struct SecretTree {
    /// Entries by path.
    pub entries: BTreeMap<String, SecretEntry>,
}

impl SecretTree {
    /// The value of `key` at `path`, if both exist; the caller must not log it.
    pub fn expose(&self, path: &str, key: &str) -> Option<&str> {
        self.entries.get(path).and_then(|entry| entry.expose(key))
    }
}

/// Fact: the tree was read for the first time, or something in it changed.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct SecretsChanged {
    /// The tree as it is now.
    pub tree: Arc<SecretTree>,
    /// Paths whose values differ from the last tree.
    pub changed: Vec<String>,
}

/// Order: read the secrets now instead of at the next refresh.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<SecretsRefreshed, RefreshError>")]
pub struct RefreshSecrets;

/// What a refresh found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretsRefreshed {
    /// Paths whose values differ from before, in use from now on.
    pub changed: Vec<String>,
    /// Paths that are gone or malformed, so that their last good values stay in use.
    pub kept: Vec<String>,
}

/// Why the secrets could not be read; the last good ones stay in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RefreshError(pub String);

/// Question: which secrets are in use?
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "SecretsOverview")]
pub struct ListSecrets;

/// Which secrets are in use, without a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretsOverview {
    /// `local` or `vault`.
    pub source: &'static str,
    /// When they were last confirmed.
    pub confirmed_at: DateTime<Utc>,
    /// When they are read again, if nothing asks for it before.
    pub next_refresh: DateTime<Utc>,
    /// Why the last reading failed, if it did.
    pub trouble: Option<String>,
    /// One per path.
    pub secrets: Vec<SecretInUse>,
}

/// One path of the overview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretInUse {
    /// Where it stands in the tree.
    pub path: String,
    /// Grows with every change seen by this process, from 1.
    pub version: u64,
    /// How long this version has been in use here.
    pub age_seconds: u64,
    /// The actors that use it.
    pub holders: Vec<String>,
}
