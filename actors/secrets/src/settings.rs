//! The `[secrets]` section: where the tree comes from and how old it may get.
//! Holds no secret; those stand only in the file that it names.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where the tree comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A TOML file on this machine.
    #[default]
    Local,
    /// A Vault server.
    Vault,
}

/// How secrets are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretsSettings {
    /// Where the tree comes from.
    pub source: Source,
    /// The local file; `secrets.toml` in the data directory when absent.
    pub file: Option<PathBuf>,
    /// A change is in use within this time even where the file system reports no changes.
    #[serde(with = "humantime_serde")]
    pub refresh: Duration,
    /// The last good tree is in use for this long while nothing can be read; then the secrets leg goes down and nobody is let
    /// in any more.
    #[serde(with = "humantime_serde")]
    pub max_age: Duration,
    /// For this long after a change an HTTP user's and a broker user's old password holds beside the new one; not less than
    /// `refresh`, so that everybody has read the new one by then.
    #[serde(with = "humantime_serde")]
    pub overlap: Duration,
}

impl Default for SecretsSettings {
    fn default() -> Self {
        Self {
            source: Source::Local,
            file: None,
            refresh: Duration::from_secs(30),
            max_age: Duration::from_secs(3_600),
            overlap: Duration::from_secs(60),
        }
    }
}
