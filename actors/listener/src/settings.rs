//! The `[smf]` section: how much clients may ask of the listener.
//! Does not hold users; those come from the secret tree.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tillstream_logins::LoginLimits;

/// Bounds of the listener. The limit of a message is the broker's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerSettings {
    /// Where to listen; nowhere when unset. Whoever makes the listener binds it and hands the socket over.
    pub listen: Option<SocketAddr>,
    /// Clients that may be connected at once.
    pub max_connections: usize,
    /// A connection that has not logged in by then is closed.
    #[serde(with = "humantime_serde")]
    pub login_within: Duration,
    /// The one message VPN; unset takes whatever a client names.
    pub message_vpn: Option<String>,
    /// Taken for clients that do not say how often they give a sign of life; after three times as long they are gone.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// Guaranteed messages that a publisher may have under way; at most 255, and at most what it asks for.
    pub publish_window: u8,
    /// Messages that a consumer's flow may hold unacknowledged.
    pub max_unacked: usize,
    /// Flows of one connection, publishers' and consumers' together.
    pub max_flows: usize,
    /// Direct subscriptions of one connection.
    pub max_subscriptions: usize,
    /// Bytes that wait for one client to read them. Beyond it nothing more is read from that client or taken from
    /// queues for it, and direct messages to it are dropped and counted.
    pub max_outgoing_bytes: usize,
    /// Publisher flows without a connection that are remembered, so that their clients can resume.
    pub remembered_publishers: usize,
    /// How many failed logins are too many.
    pub logins: LoginLimits,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            listen: None,
            max_connections: 1000,
            login_within: Duration::from_secs(5),
            message_vpn: None,
            keep_alive: Duration::from_secs(30),
            publish_window: 255,
            max_unacked: 10_000,
            max_flows: 100,
            max_subscriptions: 1000,
            max_outgoing_bytes: 4 << 20,
            remembered_publishers: 10_000,
            logins: LoginLimits::default(),
        }
    }
}
