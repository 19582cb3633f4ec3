//! What an operator decides: limits of the broker and the settings of each queue.
//! Does not read files; whoever opens the broker hands these in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits of one broker. Take the defaults for what you do not care about: `..BrokerSettings::default()`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BrokerSettings {
    /// The longest message that a publisher may send, payload and properties together.
    pub max_message_bytes: usize,
    /// Space that is kept back on the disk, so that acknowledgements and deletions go on when it is full. A file of
    /// this size is preallocated, and publishing is refused while less than this is free beside it. 0 turns both off.
    pub reserve_bytes: u64,
    /// Publishes that may wait for their commit; one more is refused as overload.
    pub max_waiting_messages: usize,
    /// Bytes of payloads and properties that may wait for their commit; one more is refused as overload.
    pub max_waiting_bytes: usize,
    /// Payloads of recent messages that are kept in memory, so that a consumer that keeps up never reads the disk.
    pub cache_bytes: usize,
}

impl Default for BrokerSettings {
    fn default() -> Self {
        Self {
            max_message_bytes: 2 * 1024 * 1024,
            reserve_bytes: 32 * 1024 * 1024,
            max_waiting_messages: 16_384,
            max_waiting_bytes: 64 * 1024 * 1024,
            cache_bytes: 32 * 1024 * 1024,
        }
    }
}

/// One durable, exclusive queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSpec {
    /// Unique within the broker.
    pub name: String,
    /// Topics that the queue attracts; `*` and `name*` stand for one level, a last `>` for one or more.
    pub subscriptions: Vec<String>,
    /// How often a message may come again before it leaves for the dead-message queue; `None` is without limit.
    pub max_redelivery: Option<u32>,
    /// Where such messages go, and those that the consumer discards; it is made when no spec names it. `None` drops and counts them.
    pub dead_message_queue: Option<String>,
    /// Messages that nobody has taken for this long are dropped and counted.
    pub ttl: Option<Duration>,
    /// Stored bytes (payload, properties, topic and id of what is not acknowledged) that the queue may hold.
    pub quota_bytes: u64,
    /// Whose problem a full queue is.
    pub when_full: WhenFull,
}

/// What happens to a message that a queue has no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhenFull {
    /// The publisher is refused, and no queue takes the message.
    RefusePublisher,
    /// This queue goes without it and counts it; the others take it and the publisher does not notice.
    DiscardNewest,
}

impl QueueSpec {
    /// The queue that takes another one's undeliverable messages when no spec describes it: it attracts nothing, never
    /// gives up, and when it is full the newest are discarded.
    pub(crate) fn dead_messages(name: &str, quota_bytes: u64) -> Self {
        Self {
            name: name.to_owned(),
            subscriptions: Vec::new(),
            max_redelivery: None,
            dead_message_queue: None,
            ttl: None,
            quota_bytes,
            when_full: WhenFull::DiscardNewest,
        }
    }
}
