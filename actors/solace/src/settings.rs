//! The `[solace]` section: where the broker is and how sessions treat it.
//! Holds no user name and no password; those come from the secret tree.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where the broker is, and the bounds of its sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SolaceSettings {
    /// Such as `tcps://first:55443,tcps://second:55443`, tried in this order; without it the secret tree says where.
    pub host: Option<String>,
    /// The message VPN; without it the secret tree says which.
    pub vpn: Option<String>,
    /// A directory of PEM files; what they sign is believed on `tcps`.
    pub trust_store: Option<PathBuf>,
    /// The first part of every client name; the rest makes each login's name its own.
    pub client_name: String,
    /// How many publishes may be on their way to the broker at once, 1 to 255.
    pub publish_window: u8,
    /// How many publishes may wait in all, on their way or for room; the next one is refused.
    pub max_waiting: usize,
    /// How many unacknowledged messages a flow may hold; the queue's `max-delivered-unacked-msgs-per-flow` must not be less.
    pub max_unacked: usize,
    /// How long a login may take at each host of the list.
    #[serde(with = "humantime_serde")]
    pub connect_within: Duration,
    /// The pause after the first failed login; it doubles with every further one.
    #[serde(with = "humantime_serde")]
    pub backoff_min: Duration,
    /// The longest pause.
    #[serde(with = "humantime_serde")]
    pub backoff_max: Duration,
    /// After three of these without a byte from the broker the connection is given up.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// How long a session that was replaced may wait for the acknowledgements that it is owed.
    #[serde(with = "humantime_serde")]
    pub retire_within: Duration,
}

impl Default for SolaceSettings {
    fn default() -> Self {
        Self {
            host: None,
            vpn: None,
            trust_store: None,
            client_name: "tillstream".to_owned(),
            publish_window: 255,
            max_waiting: 4096,
            max_unacked: 10_000,
            connect_within: Duration::from_secs(5),
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(5),
            keep_alive: Duration::from_secs(1),
            retire_within: Duration::from_secs(30),
        }
    }
}
