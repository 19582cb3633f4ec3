//! The `[broker]` section: which backend, and the embedded one's bounds.
//! Does not hold queue names; those are the contract with the outside.

use serde::{Deserialize, Serialize};
use tillstream_broker::BrokerSettings;
use tillstream_session::Backend;

/// The broker and its bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddedBrokerSettings {
    /// Which broker.
    pub backend: Backend,
    /// How many unacknowledged messages a flow may hold.
    pub max_unacked: usize,
    /// How many publishes may wait for their acknowledgement before the next one is refused.
    pub publish_window: usize,
    /// Quota of each queue that must not lose a message.
    pub queue_quota_bytes: u64,
    /// Quota of each store's queue; over it the newest are discarded.
    pub store_queue_quota_bytes: u64,
    /// Disk space kept back so that acknowledgements and deletes work on a full disk.
    pub reserve_bytes: u64,
    /// Larger messages are refused. Above the bound of a request body, because publishing writes every amount in full.
    pub max_message_bytes: usize,
}

impl EmbeddedBrokerSettings {
    /// What the broker itself wants to know.
    pub fn broker(&self) -> BrokerSettings {
        BrokerSettings {
            max_message_bytes: self.max_message_bytes,
            reserve_bytes: self.reserve_bytes,
            ..BrokerSettings::default()
        }
    }
}

impl Default for EmbeddedBrokerSettings {
    fn default() -> Self {
        Self {
            backend: Backend::Embedded,
            max_unacked: 1_000_000,
            publish_window: 4096,
            queue_quota_bytes: 10_000 << 20,
            store_queue_quota_bytes: 16 << 20,
            reserve_bytes: 64 << 20,
            max_message_bytes: 4 << 20,
        }
    }
}
