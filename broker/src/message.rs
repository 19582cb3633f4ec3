//! A message on its way in and on its way out.
//! Does not look into the payload, nor into what its publisher says about it.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

/// A message to publish.
#[derive(Debug, Clone)]
pub struct OutboundMessage {
    /// Levels separated by `/`, at most 250 bytes, without wildcards.
    pub topic: String,
    /// The publisher's name for it; the broker carries it and never compares it.
    pub message_id: Uuid,
    /// What the publisher says about the payload; kept and given back unread, and empty when there is nothing to say.
    /// A publisher that knows the message's trace begins it with a [`TraceNote`](crate::TraceNote).
    pub properties: Bytes,
    /// Whatever the consumer understands.
    pub payload: Bytes,
}

/// A message that a flow hands to its consumer, who owes an acknowledgement or a rejection.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Names the message towards this flow; grows in the order of the queue.
    pub id: u64,
    /// Where it was published.
    pub topic: Arc<str>,
    /// The publisher's name for it.
    pub message_id: Uuid,
    /// What the publisher said about the payload. A view like the payload.
    pub properties: Bytes,
    /// A view into a block shared with its neighbours: copy what you keep for long.
    pub payload: Bytes,
    /// True when it may have been delivered before; false when it certainly was not.
    pub redelivered: bool,
    /// Which delivery this is, as far as the broker knows: 1 at first.
    pub delivery_count: u32,
}

// === impl OutboundMessage ===

impl OutboundMessage {
    /// Bytes that the publisher decides about: properties and payload.
    pub(crate) fn len(&self) -> usize {
        self.properties.len() + self.payload.len()
    }
}
