//! A message as clients send it and as the broker keeps it, in both directions.
//! The broker's payload is the application's own bytes wherever they can be told apart, so that a consumer in this process
//! reads them; all else goes into the properties, and both together are what the client sent, byte for byte.

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use tillstream_broker::{Delivery, OutboundMessage, TraceNote};
use tillstream_smf::{Content, DeliveryMode, NameAt, NameKind};
use tracing::warn;
use uuid::Uuid;

use crate::metadata::{self, Block};
use crate::properties::{self, Properties};

/// What client libraries write when the application chooses nothing.
const USUAL_PRIORITY: u8 = 4;
/// Parts of a payload.
const ATTACHMENT: u8 = 2;
const METADATA: u8 = 4;

/// What the broker is to keep of a client's message.
pub(crate) fn to_outbound(mut content: Content) -> OutboundMessage {
    let topic = content.topic.to_string();
    let whole = std::mem::take(&mut content.payload);
    let (payload, metadata) = match attachment_bytes(content.content_summary.as_deref(), whole.len()) {
        Some(length) => (whole.slice(..length), Some(whole.slice(length..))),
        None => (whole, None),
    };
    let properties = Properties { content, metadata };
    let block = properties.metadata.as_deref().map(Block::read).unwrap_or_default();
    let message_id = block.message_id().unwrap_or(Uuid::nil());
    let properties = properties::write(block.trace().as_ref(), &properties);
    OutboundMessage { topic, message_id, properties, payload }
}

/// What a client is to get of a message that the broker kept.
pub(crate) fn of_delivery(delivery: &Delivery) -> Content {
    let (trace, said) = TraceNote::split(&delivery.properties);
    if said.is_empty() {
        return of_ours(delivery, trace.as_ref());
    }
    let Some(Properties { content, metadata }) = properties::read(&delivery.properties.slice_ref(said)) else {
        warn!(topic = %delivery.topic, "properties of a message cannot be read, delivered without them");
        return of_ours(delivery, trace.as_ref());
    };
    let payload = match metadata {
        Some(metadata) => joined(&delivery.payload, &metadata),
        None => delivery.payload.clone(),
    };
    Content { topic: ByteString::from(&*delivery.topic), payload, ..content }
}

/// A message that this process has published itself, as a client library would have.
fn of_ours(delivery: &Delivery, trace: Option<&TraceNote<'_>>) -> Content {
    let content = Content {
        topic: ByteString::from(&*delivery.topic),
        name_at: u8::try_from(delivery.topic.len()).ok().map(|length| NameAt {
            kind: NameKind::Topic,
            offset: 0,
            length,
        }),
        priority: Some(USUAL_PRIORITY),
        delivery_mode: Some(DeliveryMode::Persistent),
        payload: delivery.payload.clone(),
        ..Content::default()
    };
    let metadata = metadata::block(delivery.message_id, trace).filter(|_| !delivery.payload.is_empty());
    let Some(metadata) = metadata else { return content };
    let summary = summary(&[(ATTACHMENT, delivery.payload.len()), (METADATA, metadata.len())]);
    Content { content_summary: Some(summary), payload: joined(&delivery.payload, &metadata), ..content }
}

/// How long the attachment is, if the payload is an attachment and then metadata, and nothing else.
fn attachment_bytes(summary: Option<&[u8]>, payload: usize) -> Option<usize> {
    let mut rest = summary?;
    let attachment = next_part(&mut rest, ATTACHMENT)?;
    let metadata = next_part(&mut rest, METADATA)?;
    (rest.is_empty() && attachment + metadata == payload).then_some(attachment)
}

/// The length of the next part, if it is of that kind: four bits of kind, four of the entry's size, then the length.
fn next_part(rest: &mut &[u8], kind: u8) -> Option<usize> {
    let (first, behind) = rest.split_first()?;
    let width = usize::from(first & 0x0f).checked_sub(1)?;
    let (length, behind) = behind.split_at_checked(width)?;
    if first >> 4 != kind || !(1..=4).contains(&width) {
        return None;
    }
    *rest = behind;
    Some(length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
}

/// The summary of a payload with these parts, each length in as few bytes as it needs.
fn summary(parts: &[(u8, usize)]) -> Bytes {
    let mut out = BytesMut::with_capacity(5 * parts.len());
    for (kind, length) in parts {
        // Messages are limited to far less than what four bytes count.
        let length = (*length as u32).to_be_bytes();
        let unneeded = length.iter().take_while(|byte| **byte == 0).count().min(3);
        out.extend_from_slice(&[kind << 4 | (5 - unneeded) as u8]);
        out.extend_from_slice(&length[unneeded..]);
    }
    out.freeze()
}

fn joined(first: &[u8], second: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(first.len() + second.len());
    out.extend_from_slice(first);
    out.extend_from_slice(second);
    out.freeze()
}

#[cfg(test)]
mod tests;
