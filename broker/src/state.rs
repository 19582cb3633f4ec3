//! All queues and chunks of a broker behind one lock, and what consumers do to them.
//! Does no I/O and never waits, so the lock is only ever held for a moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

use crate::chunks::{Chunk, Chunks, bits, locate, position};
use crate::message::Delivery;
use crate::queue::{Part, Queue};
use crate::shared::remember;
use crate::stored::StoredMessage;

/// Everything that is in memory.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// A queue's index is its id on disk.
    pub(crate) queues: Vec<Queue>,
    pub(crate) names: HashMap<String, u16>,
    pub(crate) chunks: Chunks,
    pub(crate) next_chunk: u64,
    /// Queues whose consumer waits for bodies that are on disk only.
    pub(crate) lagging: Vec<u16>,
    pub(crate) closed: bool,
    /// How many bindings there have been, which numbers them.
    pub(crate) bindings: u64,
}

/// What a consumer that asks for messages gets.
pub(crate) enum Taken {
    Messages(Vec<Delivery>),
    /// Nothing is deliverable; its waker is kept.
    Nothing,
    /// The next body has to be read by the engine first; its waker is kept.
    OnDisk,
}

// === impl State ===

impl State {
    /// Moves the oldest deliverable messages to the consumer.
    pub(crate) fn take(&mut self, index: u16, max: usize, now_ms: u64, waker: &Waker) -> Taken {
        let mut out = Vec::new();
        let on_disk = self.fill(index, max, now_ms, &mut out);
        let queue = &mut self.queues[index as usize];
        if !out.is_empty() {
            queue.show();
            return Taken::Messages(out);
        }
        if let Some(consumer) = &mut queue.consumer {
            remember(&mut consumer.waker, waker);
        }
        if !on_disk {
            return Taken::Nothing;
        }
        if !self.lagging.contains(&index) {
            self.lagging.push(index);
        }
        Taken::OnDisk
    }

    /// Returns true when it stopped at a body that is not in memory.
    fn fill(&mut self, index: u16, max: usize, now_ms: u64, out: &mut Vec<Delivery>) -> bool {
        self.expire(index, now_ms);
        let queue = &mut self.queues[index as usize];
        let mut room = queue.window().min(max);
        let flagged_below = queue.flagged_below;
        while room > 0 {
            let Some(part) = queue.first_open() else { return false };
            let id = part.chunk;
            let Some(chunk) = self.chunks.live.get(&id) else { return false };
            let mask = lowest(part.open, room);
            let attempts = bits(mask).map(|bit| (bit, known_attempts(part, bit, flagged_below)));
            let attempts: Vec<_> = attempts.collect();
            let ahead = queue.ahead.iter().find(|(chunk, _)| *chunk == id).map(|(_, body)| body);
            let Some(body) = self.chunks.bodies.get(id).or(ahead) else { return true };
            out.extend(attempts.iter().map(|(bit, attempts)| delivery(id, *bit, chunk, body, *attempts)));
            room -= attempts.len();
            queue.deliver(id, mask);
        }
        false
    }

    /// Drops what waits for longer than the queue's messages live. Messages with the consumer are its own business.
    pub(crate) fn expire(&mut self, index: u16, now_ms: u64) {
        let Some(ttl) = self.queues[index as usize].spec.ttl else { return };
        let oldest_kept = now_ms.saturating_sub(ttl.as_millis() as u64);
        while let Some(part) = self.queues[index as usize].first_open() {
            let (id, mask) = (part.chunk, part.open);
            if self.chunks.live.get(&id).is_none_or(|chunk| chunk.at_ms >= oldest_kept) {
                return;
            }
            part.open = 0;
            self.queues[index as usize].discarded += u64::from(mask.count_ones());
            self.settle(index, id, mask);
        }
    }

    pub(crate) fn acknowledge(&mut self, index: u16, ids: &[u64]) {
        for (chunk, mask) in runs(ids) {
            let taken = self.queues[index as usize].acknowledge(chunk, mask);
            if taken != 0 {
                self.settle(index, chunk, taken);
            }
        }
        self.queues[index as usize].show();
    }

    pub(crate) fn reject(&mut self, index: u16, ids: &[u64]) {
        for (chunk, mask) in runs(ids) {
            self.return_messages(index, chunk, mask);
        }
        self.queues[index as usize].show();
    }

    /// Takes messages from the consumer that nobody will ever want.
    pub(crate) fn discard(&mut self, index: u16, ids: &[u64]) {
        for (chunk, mask) in runs(ids) {
            let taken = self.queues[index as usize].acknowledge(chunk, mask);
            if taken != 0 {
                self.banish(index, chunk, taken);
            }
        }
        self.queues[index as usize].show();
    }

    /// Gives messages back to the queue; those that have come back too often leave it.
    pub(crate) fn return_messages(&mut self, index: u16, chunk: u64, mask: u64) {
        let exhausted = self.queues[index as usize].give_back(chunk, mask);
        if exhausted != 0 {
            self.banish(index, chunk, exhausted);
        }
    }

    /// Messages that are in no state any more go to the dead-message queue, or are dropped when there is none.
    pub(crate) fn banish(&mut self, index: u16, chunk: u64, mask: u64) {
        let has_grave = self.grave_of(index).is_some();
        let queue = &mut self.queues[index as usize];
        if !has_grave {
            queue.discarded += u64::from(mask.count_ones());
            return self.settle(index, chunk, mask);
        }
        *queue.leaving.entry(chunk).or_default() |= mask;
        if let Some(part) = queue.part(chunk) {
            part.leaving |= mask;
        }
    }

    /// The queue's dead-message queue.
    pub(crate) fn grave_of(&self, index: u16) -> Option<u16> {
        let name = self.queues[index as usize].spec.dead_message_queue.as_ref()?;
        self.names.get(name).copied()
    }

    /// Counts messages that left a queue for good, and forgets the chunk when it was the last.
    pub(crate) fn settle(&mut self, index: u16, chunk: u64, mask: u64) {
        let freed = self.chunks.settle(chunk, mask);
        self.queues[index as usize].settled(chunk, mask, freed);
    }

    /// True when something must be written before long.
    pub(crate) fn is_dirty(&self) -> bool {
        self.has_leftovers() || self.queues.iter().any(|queue| !queue.dirty.is_empty())
    }

    /// True when there was more to delete or to move than one commit takes.
    pub(crate) fn has_leftovers(&self) -> bool {
        !self.chunks.dead.is_empty() || self.queues.iter().any(|queue| !queue.leaving.is_empty())
    }

    /// Nothing is delivered any more; every consumer has to be told, and everybody who wanted to become one.
    pub(crate) fn close(&mut self) -> Vec<Waker> {
        self.closed = true;
        self.queues.iter_mut().flat_map(Queue::take_all_wakers).collect()
    }
}

/// Groups delivery ids by chunk, in the order given.
fn runs(ids: &[u64]) -> impl Iterator<Item = (u64, u64)> {
    ids.chunk_by(|one, other| locate(*one).0 == locate(*other).0)
        .map(|run| (locate(run[0]).0, run.iter().fold(0, |mask, id| mask | locate(*id).1)))
}

fn lowest(mask: u64, count: usize) -> u64 {
    bits(mask).take(count).fold(0, |kept, index| kept | 1 << index)
}

/// How often a message has been delivered before; at least once when the process before may have done so.
fn known_attempts(part: &Part, index: u32, flagged_below: u64) -> u32 {
    let flagged = position(part.chunk, index) < flagged_below;
    u32::from(part.attempts_of(index).max(u16::from(flagged)))
}

fn delivery(id: u64, index: u32, chunk: &Chunk, body: &Bytes, attempts: u32) -> Delivery {
    let StoredMessage { message_id, topic, properties, payload } = StoredMessage::in_body(chunk, body, index);
    Delivery {
        id: position(id, index),
        topic: Arc::from(topic),
        message_id,
        properties: body.slice_ref(properties),
        payload: body.slice_ref(payload),
        redelivered: attempts > 0,
        delivery_count: attempts + 1,
    }
}
