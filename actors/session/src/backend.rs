//! The brokers that there are, by the name that settings and metrics have for them.
//! Does not say which of them this build can use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which broker carries the sales.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The broker inside this process.
    #[default]
    Embedded,
    /// A Solace event broker.
    Solace,
}

/// Not the name of a backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no broker backend: choose `embedded` or `solace`")]
pub struct UnknownBackend(String);

impl Backend {
    /// Its name in settings and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Solace => "solace",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(name: &str) -> Result<Self, UnknownBackend> {
        [Self::Embedded, Self::Solace]
            .into_iter()
            .find(|backend| backend.as_str() == name)
            .ok_or_else(|| UnknownBackend(name.to_owned()))
    }
}
