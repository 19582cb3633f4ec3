//! Chunks: up to 64 messages that were stored together, and the payloads of the recent ones.
//! Does not know which queue has acknowledged what; it only counts what is still owed.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;

use crate::topic::Route;

/// Messages per chunk, so that a queue keeps each of its states of a chunk in one word.
pub(crate) const CHUNK_MESSAGES: usize = 64;

/// Bits of a delivery id that name the message within its chunk.
const INDEX_BITS: u32 = 6;

/// A message's delivery id: ascending within each queue in the order in which its messages were stored.
pub(crate) fn position(chunk: u64, index: u32) -> u64 {
    (chunk << INDEX_BITS) | u64::from(index)
}

/// The chunk and the bit within it that a delivery id names.
pub(crate) fn locate(id: u64) -> (u64, u64) {
    (id >> INDEX_BITS, 1 << (id & (CHUNK_MESSAGES as u64 - 1)))
}

/// Goes through the set bits of a word, lowest first.
pub(crate) fn bits(mut mask: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let index = (mask != 0).then(|| mask.trailing_zeros())?;
        mask &= mask - 1;
        Some(index)
    })
}

/// Where one message lies in its chunk's body, and which of the chunk's routes it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The offset behind its last byte; it begins where the one before ends.
    pub(crate) end: u32,
    /// Its topic is in front of its payload.
    pub(crate) topic_len: u8,
    /// They are between topic and payload.
    pub(crate) has_properties: bool,
    /// Index into `Chunk::routes`.
    pub(crate) route: u8,
}

/// What the broker remembers of a chunk; its body is on disk.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// When it was stored, for messages that grow too old.
    pub(crate) at_ms: u64,
    pub(crate) entries: Box<[Entry]>,
    pub(crate) routes: Box<[Route]>,
    /// Acknowledgements still owed, over all queues; at 0 the chunk is deleted.
    pub(crate) owed: u32,
}

/// All live chunks, those to delete with the next commit, and recent bodies.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    pub(crate) live: BTreeMap<u64, Chunk>,
    pub(crate) dead: Vec<u64>,
    pub(crate) bodies: Bodies,
    /// Body bytes of all live chunks, to tell how much of the file is in use.
    pub(crate) live_bytes: u64,
}

/// Bodies of recent chunks, the oldest leaving first.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    by_chunk: HashMap<u64, Bytes>,
    order: VecDeque<u64>,
    bytes: usize,
    pub(crate) limit: usize,
}

// === impl Chunk ===

impl Chunk {
    /// The messages that a queue takes.
    pub(crate) fn routed(&self, queue: u16) -> u64 {
        let takes = |entry: &&Entry| self.routes[entry.route as usize].contains(&queue);
        let indexed = (0..).zip(self.entries.iter());
        indexed.filter(|(_, entry)| takes(entry)).fold(0, |mask, (index, _): (u32, _)| mask | 1 << index)
    }

    /// Stored bytes of one message.
    pub(crate) fn len(&self, index: u32) -> u64 {
        let (start, end) = self.span(index);
        (end - start) as u64
    }

    /// Stored bytes of some messages.
    pub(crate) fn len_of(&self, mask: u64) -> u64 {
        bits(mask).map(|index| self.len(index)).sum()
    }

    pub(crate) fn body_len(&self) -> u64 {
        self.entries.last().map_or(0, |entry| u64::from(entry.end))
    }

    pub(crate) fn span(&self, index: u32) -> (usize, usize) {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.entries[index - 1].end };
        (start as usize, self.entries[index].end as usize)
    }
}

// === impl Chunks ===

impl Chunks {
    pub(crate) fn insert(&mut self, id: u64, chunk: Chunk) {
        self.live_bytes += chunk.body_len();
        self.live.insert(id, chunk);
    }

    /// Counts acknowledgements of a chunk; returns the bytes that they free in the queue.
    pub(crate) fn settle(&mut self, id: u64, mask: u64) -> u64 {
        let Some(chunk) = self.live.get_mut(&id) else { return 0 };
        let freed = chunk.len_of(mask);
        debug_assert!(chunk.owed >= mask.count_ones(), "a message was acknowledged twice");
        chunk.owed -= mask.count_ones();
        if chunk.owed == 0 {
            self.live_bytes -= chunk.body_len();
            self.live.remove(&id);
            self.bodies.remove(id);
            self.dead.push(id);
        }
        freed
    }
}

// === impl Bodies ===

impl Bodies {
    pub(crate) fn get(&self, chunk: u64) -> Option<&Bytes> {
        self.by_chunk.get(&chunk)
    }

    pub(crate) fn insert(&mut self, chunk: u64, body: Bytes) {
        self.bytes += body.len();
        self.by_chunk.insert(chunk, body);
        self.order.push_back(chunk);
        while self.bytes > self.limit {
            let Some(oldest) = self.order.pop_front() else { break };
            self.remove(oldest);
        }
    }

    fn remove(&mut self, chunk: u64) {
        let Some(body) = self.by_chunk.remove(&chunk) else { return };
        self.bytes -= body.len();
        // Bodies leave in about the order in which they came, so the front is where the gone ones gather.
        while self.order.front().is_some_and(|oldest| !self.by_chunk.contains_key(oldest)) {
            self.order.pop_front();
        }
        // Behind a body that stays they gather in the middle.
        if self.order.len() > 2 * self.by_chunk.len() {
            self.order.retain(|chunk| self.by_chunk.contains_key(chunk));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_body_that_stays_does_not_gather_the_ids_of_those_that_left() {
        let mut bodies = Bodies { limit: usize::MAX, ..Bodies::default() };
        bodies.insert(0, Bytes::from_static(b"stays"));

        for chunk in 1..10_000 {
            bodies.insert(chunk, Bytes::from_static(b"leaves"));
            bodies.remove(chunk);
        }

        assert!(bodies.order.len() <= 2, "{} ids for one body", bodies.order.len());
        assert_eq!((bodies.get(0).is_some(), bodies.bytes), (true, 5));
    }

    #[test]
    fn the_oldest_bodies_leave_when_there_are_too_many_bytes() {
        let mut bodies = Bodies { limit: 25, ..Bodies::default() };

        (0..5).for_each(|chunk| bodies.insert(chunk, Bytes::from_static(b"ten bytes.")));

        assert_eq!((0..5).filter(|chunk| bodies.get(*chunk).is_some()).collect::<Vec<_>>(), [3, 4]);
    }
}
