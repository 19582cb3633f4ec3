//! Packs messages into chunks that fill a page of the storage without spilling into the next.
//! Does not decide who takes a message; it comes with its route.

use bytes::{Bytes, BytesMut};
use uuid::Uuid;

use crate::chunks::{CHUNK_MESSAGES, Chunk, Entry};
use crate::state::ID_BYTES;
use crate::topic::Route;

/// Body bytes of a chunk, so that it fits a page of 64 KiB with its key: a page is a power of two long, and one byte
/// more would cost another 64 KiB. A single message may be longer.
const BODY_BYTES: usize = 64 * 1024 - 64;

/// A chunk on its way to the disk.
#[derive(Debug)]
pub(crate) struct NewChunk {
    pub(crate) id: u64,
    pub(crate) chunk: Chunk,
    pub(crate) body: Bytes,
}

/// Packs messages, in order, into chunks.
#[derive(Debug)]
pub(crate) struct Packer {
    next_id: u64,
    at_ms: u64,
    done: Vec<NewChunk>,
    entries: Vec<Entry>,
    routes: Vec<Route>,
    body: BytesMut,
    /// Bytes still to come, so that a small commit does not keep a large block.
    expected: usize,
}

/// Stored bytes of a message.
pub(crate) fn stored_len(topic: &str, payload: &[u8]) -> usize {
    ID_BYTES + topic.len() + payload.len()
}

// === impl Packer ===

impl Packer {
    pub(crate) fn new(next_id: u64, at_ms: u64, expected: usize) -> Self {
        let (done, entries, routes) = (Vec::new(), Vec::new(), Vec::new());
        Self { next_id, at_ms, done, entries, routes, body: BytesMut::new(), expected }
    }

    pub(crate) fn add(&mut self, message_id: Uuid, topic: &str, payload: &[u8], route: Route) {
        let len = stored_len(topic, payload);
        let full = self.entries.len() == CHUNK_MESSAGES || self.body.len() + len > BODY_BYTES;
        if full && !self.entries.is_empty() {
            self.cut();
        }
        if self.body.is_empty() {
            self.body = BytesMut::with_capacity(self.expected.min(BODY_BYTES).max(len));
        }
        self.expected = self.expected.saturating_sub(len);
        self.body.extend_from_slice(message_id.as_bytes());
        self.body.extend_from_slice(topic.as_bytes());
        self.body.extend_from_slice(payload);
        let known = self.routes.iter().position(|one| *one == route);
        let index = known.unwrap_or_else(|| {
            self.routes.push(route);
            self.routes.len() - 1
        });
        let end = self.body.len() as u32;
        self.entries.push(Entry { end, topic_len: topic.len() as u8, route: index as u8 });
    }

    /// The chunks, and the id of the one after them.
    pub(crate) fn finish(mut self) -> (Vec<NewChunk>, u64) {
        if !self.entries.is_empty() {
            self.cut();
        }
        (self.done, self.next_id)
    }

    fn cut(&mut self) {
        let entries = std::mem::take(&mut self.entries).into_boxed_slice();
        let routes = std::mem::take(&mut self.routes).into_boxed_slice();
        let owed = entries.iter().map(|entry| routes[entry.route as usize].len() as u32).sum();
        let chunk = Chunk { at_ms: self.at_ms, entries, routes, owed };
        self.done.push(NewChunk { id: self.next_id, chunk, body: self.body.split().freeze() });
        self.next_id += 1;
    }
}
