//! The mount `kv` with the secret tree, in version 1 or 2 of the engine: read a path, write a path.
//! Knows no path by name, and never shows a value.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::client::{Answer, Client};
use crate::error::SetUpError;

/// A fresh mount of version 2 answers 400 until it has upgraded itself.
const READY_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Which version of the engine serves the mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kv {
    /// A path is a table; writing replaces it.
    One,
    /// A path is a history of tables; a write says which version it follows.
    Two,
}

/// What stands at a path. Has no `Debug`: these are secrets.
pub struct Entry {
    /// All keys.
    pub values: Map<String, Value>,
    /// Which version this is; 0 where nothing stands, or where versions are not kept.
    pub version: u64,
}

// === impl Kv ===

impl Kv {
    /// The mount as an administrator sees it, if there is one.
    pub async fn mounted(administrator: &Client) -> Result<Option<Self>, SetUpError> {
        let mounts = administrator.get("sys/mounts").await?.ok()?;
        let Some(mount) = mounts.at("/data/kv~1") else { return Ok(None) };
        Self::of(mount).map(Some)
    }

    /// The mount as anybody sees it who may read something in it.
    pub async fn visible(client: &Client) -> Result<Self, SetUpError> {
        let mount = client.get("sys/internal/ui/mounts/kv").await?.ok()?;
        Self::of(mount.at("/data").unwrap_or(&Value::Null))
    }

    fn of(mount: &Value) -> Result<Self, SetUpError> {
        if mount.pointer("/type") != Some(&Value::from("kv")) {
            return Err(SetUpError::ForeignMount);
        }
        let version = mount.pointer("/options/version").and_then(Value::as_str);
        Ok(if version == Some("2") { Self::Two } else { Self::One })
    }

    /// Makes the mount and waits until it takes secrets.
    pub async fn mount(self, administrator: &Client) -> Result<(), SetUpError> {
        let version = if self == Self::Two { "2" } else { "1" };
        let order = json!({ "type": "kv", "description": "secrets of tillstream", "options": { "version": version } });
        administrator.post("sys/mounts/kv", order).await?.ok()?;
        let deadline = Instant::now() + READY_WITHIN;
        while administrator.get(&self.data("any")).await?.status != 404 {
            if Instant::now() >= deadline {
                return Err(SetUpError::NotActive("the mount `kv` is not ready"));
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// What stands at a path, if something does.
    pub async fn read(self, client: &Client, path: &str) -> Result<Option<Entry>, SetUpError> {
        let answer = client.get(&self.data(path)).await?;
        // A deleted version is a 404 too, and the next one must follow it.
        if answer.status == 404 {
            let version = answer.at("/data/metadata/version").and_then(Value::as_u64);
            return Ok(version.map(|version| Entry { values: Map::new(), version }));
        }
        self.entry(answer.ok()?, path).map(Some)
    }

    fn entry(self, answer: Answer, path: &str) -> Result<Entry, SetUpError> {
        let (place, version) = match self {
            Self::One => ("/data", 0),
            Self::Two => ("/data/data", answer.number("/data/metadata/version")?),
        };
        let values = answer.at(place).and_then(Value::as_object).cloned();
        let is_text = |values: &Map<String, Value>| values.values().all(Value::is_string);
        let values = values.filter(is_text).ok_or_else(|| SetUpError::NotTexts(path.to_owned()))?;
        Ok(Entry { values, version })
    }

    /// Writes a path over the version that was read; the answer is the new version, 0 where versions are not kept.
    pub async fn write(self, client: &Client, path: &str, entry: Entry) -> Result<u64, SetUpError> {
        let (order, version) = match self {
            Self::One => (Value::Object(entry.values), 0),
            Self::Two => (json!({ "options": { "cas": entry.version }, "data": entry.values }), entry.version + 1),
        };
        let answer = client.post(&self.data(path), order).await?;
        if self == Self::Two && answer.status == 400 {
            return Err(SetUpError::Overtaken(path.to_owned()));
        }
        answer.ok().map(|_| version)
    }

    fn data(self, path: &str) -> String {
        match self {
            Self::One => format!("kv/{path}"),
            Self::Two => format!("kv/data/{path}"),
        }
    }
}
