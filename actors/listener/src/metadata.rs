//! The block of properties that client libraries put behind a message's attachment, as far as the application's message
//! id and the trace are concerned. Everything else in it is carried unread.
//!
//! A block is one byte for the number of streams, one of flags, three of length, and a stream: a preamble, then a map in
//! which `h` leads to the map of headers, and in that `mi` to the message id, and `p` to the map of user properties. Every
//! element is a byte of type and width, its whole length in that many bytes, and a value.

use bytes::{BufMut, Bytes, BytesMut};
use tillstream_broker::TraceNote;
use uuid::Uuid;

use crate::traceparent;

/// In front of the stream: number, flags, length.
const BLOCK: usize = 5;
const STRING: u8 = 7;
const MAP: u8 = 10;
const STREAM: u8 = 11;
/// In front of the map, as client libraries write it: an element of two bytes.
const PREAMBLE: [u8; 4] = [0x18, 0x04, 0x80, 0x00];
const HEADERS: &str = "h";
const USER_PROPERTIES: &str = "p";
const MESSAGE_ID: &str = "mi";
/// A block of ours that says a message id and a trace without a state.
const USUAL_BYTES: usize = 192;

/// The maps of a block that are looked into, empty where there are none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Block<'a> {
    headers: &'a [u8],
    user: &'a [u8],
}

/// One element: its type and its value.
struct Element<'a> {
    kind: u8,
    value: &'a [u8],
}

// === impl Block ===

impl<'a> Block<'a> {
    /// Whatever the bytes are.
    pub(crate) fn read(bytes: &'a [u8]) -> Self {
        let map = map_of(bytes).unwrap_or_default();
        let inner = |name| entry(map, name, MAP).unwrap_or_default();
        Self { headers: inner(HEADERS), user: inner(USER_PROPERTIES) }
    }

    /// The application's message id, if it is a UUID.
    pub(crate) fn message_id(&self) -> Option<Uuid> {
        Uuid::try_parse(text(self.headers, MESSAGE_ID)?).ok()
    }

    /// The trace that the user properties name.
    pub(crate) fn trace(&self) -> Option<TraceNote<'a>> {
        let parent = text(self.user, traceparent::PARENT)?;
        traceparent::read(parent, text(self.user, traceparent::STATE).unwrap_or_default())
    }
}

fn map_of(block: &[u8]) -> Option<&[u8]> {
    let stream = only(block.get(BLOCK..)?, STREAM)?;
    let (_preamble, rest) = next(stream)?;
    only(rest, MAP)
}

/// The text of a map's entry.
fn text<'a>(map: &'a [u8], key: &str) -> Option<&'a str> {
    let (0, text) = entry(map, key, STRING)?.split_last()? else { return None };
    std::str::from_utf8(text).ok()
}

/// The value of a map's entry, if it is of that type.
fn entry<'a>(map: &'a [u8], key: &str, kind: u8) -> Option<&'a [u8]> {
    let mut rest = map;
    loop {
        let (name, behind) = next(rest)?;
        let (value, behind) = next(behind)?;
        if name.kind == STRING && name.value.split_last() == Some((&0, key.as_bytes())) {
            return (value.kind == kind).then_some(value.value);
        }
        rest = behind;
    }
}

/// The value of the first element, if it is of that type.
fn only(bytes: &[u8], kind: u8) -> Option<&[u8]> {
    next(bytes).filter(|(element, _)| element.kind == kind).map(|(element, _)| element.value)
}

/// The first element, and what is behind it. Never goes back: an element has at least the bytes of its own head.
fn next(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let first = *bytes.first()?;
    let head = 2 + usize::from(first & 0x03);
    let length = bytes.get(1..head)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    let value = bytes.get(head..length)?;
    Some((Element { kind: first >> 2, value }, &bytes[length..]))
}

/// A block that says the message id, unless it is nil, and the trace, if there is one; nothing where it would say nothing.
pub(crate) fn block(id: Uuid, trace: Option<&TraceNote<'_>>) -> Option<Bytes> {
    if id.is_nil() && trace.is_none() {
        return None;
    }
    let mut out = BytesMut::with_capacity(USUAL_BYTES);
    // One stream, no flags; the length follows when it is known.
    out.put_slice(&[1, 0, 0, 0, 0]);
    put(&mut out, STREAM, |stream| {
        stream.put_slice(&PREAMBLE);
        put(stream, MAP, |map| {
            put_headers(map, id);
            trace.into_iter().for_each(|trace| put_user_properties(map, trace));
        });
    });
    let length = (out.len() - BLOCK) as u32;
    out[2..BLOCK].copy_from_slice(&length.to_be_bytes()[1..]);
    Some(out.freeze())
}

fn put_headers(map: &mut BytesMut, id: Uuid) {
    if id.is_nil() {
        return;
    }
    put_text(map, HEADERS);
    put(map, MAP, |headers| {
        put_text(headers, MESSAGE_ID);
        put_text(headers, id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    });
}

fn put_user_properties(map: &mut BytesMut, trace: &TraceNote<'_>) {
    put_text(map, USER_PROPERTIES);
    put(map, MAP, |user| {
        put_text(user, traceparent::PARENT);
        put_text(user, &traceparent::write(trace));
        if !trace.state.is_empty() {
            put_text(user, traceparent::STATE);
            put_text(user, trace.state);
        }
    });
}

/// An element of elements, its length in four bytes as client libraries write it.
fn put(out: &mut BytesMut, kind: u8, fill: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_slice(&[kind << 2 | 3, 0, 0, 0, 0]);
    fill(out);
    // A few hundred bytes at most.
    let length = (out.len() - start) as u32;
    out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
}

/// A text with a NUL at its end, its length in as few bytes as it needs.
fn put_text(out: &mut BytesMut, text: &str) {
    match u8::try_from(text.len() + 3) {
        Ok(length) => out.put_slice(&[STRING << 2, length]),
        Err(_) => {
            out.put_u8(STRING << 2 | 1);
            // The longest text is a state.
            out.put_u16((text.len() + 4) as u16);
        }
    }
    out.put_slice(text.as_bytes());
    out.put_u8(0);
}

#[cfg(test)]
mod tests;
