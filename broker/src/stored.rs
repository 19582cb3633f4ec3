//! How a message lies in the body of its chunk: its id, its topic, its properties when it has any, its payload.
//! Does not know which queues take it; its chunk says that, and where it ends.

use bytes::Bytes;
use uuid::Uuid;

use crate::chunks::Chunk;
use crate::message::OutboundMessage;

/// Bytes of a message id in front of each stored message.
const ID_BYTES: usize = 16;

/// Bytes of the length in front of properties. Without properties there is none, as in files from before they existed.
const LENGTH_BYTES: usize = size_of::<u32>();

/// A message to be stored, or a view of one that is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredMessage<'a> {
    pub(crate) message_id: Uuid,
    pub(crate) topic: &'a str,
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
}

// === impl StoredMessage ===

impl<'a> StoredMessage<'a> {
    pub(crate) fn of(message: &'a OutboundMessage) -> Self {
        let OutboundMessage { topic, message_id, properties, payload } = message;
        Self { message_id: *message_id, topic, properties, payload }
    }

    /// A view of a chunk's message. The topic was checked when it was published, so damage shows as `?`.
    pub(crate) fn in_body(chunk: &Chunk, body: &'a Bytes, index: u32) -> Self {
        let entry = chunk.entries[index as usize];
        let (start, end) = chunk.span(index);
        let (id, rest) = body[start..end].split_at(ID_BYTES);
        let (topic, rest) = rest.split_at(entry.topic_len as usize);
        let (properties, payload) = if entry.has_properties { split_properties(rest) } else { (&[][..], rest) };
        let message_id = Uuid::from_slice(id).unwrap_or_default();
        Self { message_id, topic: std::str::from_utf8(topic).unwrap_or("?"), properties, payload }
    }

    pub(crate) fn has_properties(&self) -> bool {
        !self.properties.is_empty()
    }

    /// Stored bytes, which is what quotas count.
    pub(crate) fn len(&self) -> usize {
        let of_properties = if self.has_properties() { LENGTH_BYTES + self.properties.len() } else { 0 };
        ID_BYTES + self.topic.len() + of_properties + self.payload.len()
    }

    pub(crate) fn append_to(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(self.message_id.as_bytes());
        body.extend_from_slice(self.topic.as_bytes());
        if self.has_properties() {
            body.extend_from_slice(&(self.properties.len() as u32).to_le_bytes());
            body.extend_from_slice(self.properties);
        }
        body.extend_from_slice(self.payload);
    }
}

/// Properties and payload.
fn split_properties(stored: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = stored.split_first_chunk() else { return (&[], stored) };
    rest.split_at((u32::from_le_bytes(*length) as usize).min(rest.len()))
}
