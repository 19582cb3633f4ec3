//! Publishing one guaranteed message and the ways in which that can fail.
//! Does not know topics' meaning; the session hands bytes to the broker and waits for its word.

use actix::Message;
use bytes::Bytes;
use uuid::Uuid;

use crate::TraceContext;

/// Order: publish one persistent message. The reply comes once the broker has it on disk (synced).
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), PublishError>")]
pub struct PublishMessage {
    /// At most 250 bytes, built by the domain's topics.
    pub topic: String,
    /// Application message id: the transaction's or the event's.
    pub message_id: Uuid,
    /// The JSON document.
    pub payload: Bytes,
    /// Traffic of one key (the store) stays in order.
    pub partition_key: u32,
    /// The trace of the request that caused it.
    pub trace: Option<TraceContext>,
}

/// Why a publish was not acknowledged. After any of these the message may or may not be on the broker:
/// the sender tries again with the same id and consumers drop the repetition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// No connection, or the session actor restarted with the message in hand.
    #[error("the broker session is down: {0}")]
    Down(String),
    /// Too many publishes wait for their acknowledgement.
    #[error("the publish window is full")]
    Overloaded,
    /// A queue that the message must reach refused it: full, disabled or over quota.
    #[error("queue `{queue}` refused the message: {reason}")]
    Refused {
        /// The refusing queue.
        queue: String,
        /// The broker's reason.
        reason: String,
    },
    /// No queue subscribes to the topic.
    #[error("no queue takes topic `{0}`")]
    NoSubscriber(String),
    /// The broker could not write or sync.
    #[error("the broker cannot store messages: {0}")]
    Storage(String),
    /// Never accepted, however often it is tried.
    #[error("the message is larger than the broker takes")]
    TooLarge,
}

// === impl PublishError ===

impl PublishError {
    /// Which of them it is, in a word that metrics and spans may use.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Down(_) => "down",
            Self::Overloaded => "overloaded",
            Self::Refused { .. } => "refused",
            Self::NoSubscriber(_) => "no subscriber",
            Self::Storage(_) => "storage",
            Self::TooLarge => "too large",
        }
    }
}

// === impl PublishMessage ===

impl PublishMessage {
    /// A message of no trace.
    #[must_use]
    pub fn new(topic: String, message_id: Uuid, payload: impl Into<Bytes>, partition_key: u32) -> Self {
        Self { topic, message_id, payload: payload.into(), partition_key, trace: None }
    }
}
