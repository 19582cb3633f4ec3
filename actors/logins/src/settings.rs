//! How many wrong credentials are too many, and what follows.
//! Says nothing about memory: that is fixed, so that nobody can fill it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Section `logins` of a door's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoginLimits {
    /// After this many different wrong passwords of one user from one address the two are refused for a while; 0 never.
    pub failures: usize,
    /// After this many different wrong credentials or tokens of one address, whoever's, what is wrong from that address is
    /// refused without saying so for a while; what is right is not. 0 never.
    pub address_failures: usize,
    /// Failures count for this long.
    #[serde(with = "humantime_serde")]
    pub within: Duration,
    /// How long a while is.
    #[serde(with = "humantime_serde")]
    pub pause: Duration,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self { failures: 10, address_failures: 100, within: Duration::from_secs(60), pause: Duration::from_secs(30) }
    }
}
