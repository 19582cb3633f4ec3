//! All queues and chunks of a broker behind one lock, and what consumers do to them.
//! Does no I/O and never waits, so the lock is only ever held for a moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use uuid::Uuid;

use crate::chunks::{Chunk, Chunks, bits, locate, position};
use crate::errors::BindError;
use crate::message::Delivery;
use crate::queue::{Consumer, Part, Queue};

/// Bytes of a message id in front of each stored message.
pub(crate) const ID_BYTES: usize = 16;

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

/// One binding of one queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) queue: u16,
    pub(crate) binding: u64,
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
    /// Binds the queue's only consumer and says where; the waker is of a consumer that it supersedes.
    pub(crate) fn bind(
        &mut self,
        name: &str,
        max_unacked: usize,
        owner: Option<u64>,
    ) -> Result<(Bound, Option<Waker>), BindError> {
        if self.closed {
            return Err(BindError::Closed);
        }
        let unknown = || BindError::NoSuchQueue(name.to_owned());
        let index = *self.names.get(name).ok_or_else(unknown)?;
        let queue = &mut self.queues[index as usize];
        if queue.retired && queue.depth == 0 {
            return Err(unknown());
        }
        if queue.consumer.as_ref().is_some_and(|consumer| owner.is_none() || consumer.owner != owner) {
            return Err(BindError::Taken(name.to_owned()));
        }
        let superseded = queue.take_waker();
        if queue.consumer.is_some() {
            self.unbind(index);
        }
        self.bindings += 1;
        let consumer = Consumer { binding: self.bindings, owner, max_unacked, waker: None };
        self.queues[index as usize].consumer = Some(consumer);
        Ok((Bound { queue: index, binding: self.bindings }, superseded))
    }

    /// Whether this binding is still the queue's.
    pub(crate) fn holds(&self, bound: Bound) -> bool {
        let consumer = &self.queues[bound.queue as usize].consumer;
        consumer.as_ref().is_some_and(|consumer| consumer.binding == bound.binding)
    }

    /// The consumer is gone: what it had comes again, in the old order.
    pub(crate) fn unbind(&mut self, index: u16) {
        let queue = &mut self.queues[index as usize];
        queue.consumer = None;
        queue.ahead.clear();
        let held: Vec<_> =
            queue.parts.iter().filter(|part| part.inflight != 0).map(|part| (part.chunk, part.inflight)).collect();
        for (chunk, mask) in held {
            self.return_messages(index, chunk, mask);
        }
        self.queues[index as usize].show();
    }

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
            consumer.waker = Some(waker.clone());
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

    /// Gives messages back to the queue; those that have come back too often leave it.
    fn return_messages(&mut self, index: u16, chunk: u64, mask: u64) {
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
        queue.leaving.push((chunk, mask));
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
        !self.chunks.dead.is_empty() || self.queues.iter().any(|queue| !queue.dirty.is_empty())
    }

    /// Nothing is delivered any more; every consumer has to be told.
    pub(crate) fn close(&mut self) -> Vec<Waker> {
        self.closed = true;
        self.queues.iter_mut().filter_map(Queue::take_waker).collect()
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
    let (message_id, topic, payload) = dissect(chunk, body, index);
    Delivery {
        id: position(id, index),
        topic: Arc::from(topic),
        message_id,
        payload,
        redelivered: attempts > 0,
        delivery_count: attempts + 1,
    }
}

/// Takes one message out of a chunk's body. The topic was checked when it was published, so damage shows as `?`.
pub(crate) fn dissect<'a>(chunk: &Chunk, body: &'a Bytes, index: u32) -> (Uuid, &'a str, Bytes) {
    let (start, end) = chunk.span(index);
    let topic_start = start + ID_BYTES;
    let topic_end = topic_start + chunk.entries[index as usize].topic_len as usize;
    let message_id = Uuid::from_slice(&body[start..topic_start]).unwrap_or_default();
    let topic = std::str::from_utf8(&body[topic_start..topic_end]).unwrap_or("?");
    (message_id, topic, body.slice(topic_end..end))
}
