//! One queue in memory: which messages wait, which the consumer has, and which must come again.
//! Does not hold payloads and does no I/O; what changed is remembered until the engine writes it.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use bytes::Bytes;
use prometheus::IntGauge;

use crate::binding::{Consumer, Line, Standby};
use crate::chunks::{CHUNK_MESSAGES, bits, position};
use crate::errors::PublishError;
use crate::metrics;
use crate::record::{Progress, Row};
use crate::settings::QueueSpec;
use crate::sides::Sides;

/// Acknowledged parts that may linger behind an unacknowledged one before they are swept out.
const LINGERING_PARTS: usize = 1024;

/// How often each message of a chunk was delivered and came back.
pub(crate) type Attempts = Box<[u16; CHUNK_MESSAGES]>;

/// What a queue owns of one chunk; a message of it is in at most one of the three words.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) chunk: u64,
    /// To be delivered.
    pub(crate) open: u64,
    /// With the consumer.
    pub(crate) inflight: u64,
    /// On the way to the dead-message queue.
    pub(crate) leaving: u64,
    pub(crate) attempts: Option<Attempts>,
    /// Changed since the engine last wrote it.
    pub(crate) dirty: bool,
}

/// One queue.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) spec: QueueSpec,
    /// No spec names it any more: it keeps what it has until that is consumed, and takes nothing new.
    pub(crate) retired: bool,
    /// Ascending by chunk.
    pub(crate) parts: VecDeque<Part>,
    /// Parts in which nothing is left, behind one in which something is.
    lingering: usize,
    /// No part before this chunk has an open message.
    pub(crate) scan: u64,
    pub(crate) depth: u64,
    pub(crate) bytes: u64,
    /// Admitted in the commit that is being written.
    pub(crate) pending_bytes: u64,
    pub(crate) unacked: u64,
    pub(crate) discarded: u64,
    /// Messages below this position may have been delivered by the process before this one.
    pub(crate) flagged_below: u64,
    /// Behind the newest message ever delivered.
    pub(crate) cursor: u64,
    /// Parts to write, without repetition.
    pub(crate) dirty: Vec<u64>,
    /// Messages to move to the dead-message queue, by chunk.
    pub(crate) leaving: BTreeMap<u64, u64>,
    pub(crate) consumer: Option<Consumer>,
    pub(crate) line: Line,
    pub(crate) sides: Sides,
    /// Bodies read back for a consumer that lags.
    pub(crate) ahead: Vec<(u64, Bytes)>,
    /// As last written.
    pub(crate) written: Option<Progress>,
    depth_gauge: IntGauge,
    unacked_gauge: IntGauge,
    bytes_gauge: IntGauge,
}

// === impl Part ===

impl Part {
    pub(crate) fn unacknowledged(&self) -> u64 {
        self.open | self.inflight | self.leaving
    }

    pub(crate) fn attempts_of(&self, index: u32) -> u16 {
        self.attempts.as_ref().map_or(0, |attempts| attempts[index as usize])
    }

    /// What is with the consumer will have been delivered in vain if this is ever read.
    fn attempts_after_a_crash(&self) -> Option<Attempts> {
        let mut part = Part { attempts: self.attempts.clone(), ..Part::default() };
        if self.inflight != 0 {
            part.count_attempts(self.inflight);
        }
        part.attempts
    }

    /// Those that have come back more often than `limit`.
    pub(crate) fn exhausted(&self, mask: u64, limit: Option<u32>) -> u64 {
        let Some(limit) = limit else { return 0 };
        bits(mask).filter(|bit| u32::from(self.attempts_of(*bit)) > limit).fold(0, |found, bit| found | 1 << bit)
    }

    /// Notes one more failed delivery of each.
    pub(crate) fn count_attempts(&mut self, mask: u64) {
        let attempts = self.attempts.get_or_insert_with(|| Box::new([0; CHUNK_MESSAGES]));
        for index in bits(mask) {
            attempts[index as usize] = attempts[index as usize].saturating_add(1);
        }
    }
}

// === impl Queue ===

impl Queue {
    pub(crate) fn new(spec: QueueSpec, retired: bool) -> Self {
        let depth_gauge = metrics::QUEUE_DEPTH.with_label_values(&[&spec.name]);
        let unacked_gauge = metrics::UNACKNOWLEDGED.with_label_values(&[&spec.name]);
        let bytes_gauge = metrics::QUEUE_BYTES.with_label_values(&[&spec.name]);
        metrics::QUEUE_MAX_BYTES.with_label_values(&[&spec.name]).set(gauged(spec.quota_bytes));
        Self {
            spec,
            retired,
            parts: VecDeque::new(),
            lingering: 0,
            scan: 0,
            depth: 0,
            bytes: 0,
            pending_bytes: 0,
            unacked: 0,
            discarded: 0,
            flagged_below: 0,
            cursor: 0,
            dirty: Vec::new(),
            leaving: BTreeMap::new(),
            consumer: None,
            line: Line::new(),
            sides: Sides::default(),
            ahead: Vec::new(),
            written: None,
            depth_gauge,
            unacked_gauge,
            bytes_gauge,
        }
    }

    pub(crate) fn has_room_for(&self, len: u64) -> bool {
        self.bytes.saturating_add(self.pending_bytes).saturating_add(len) <= self.spec.quota_bytes
    }

    /// Whether it takes a message of this length from a publisher.
    pub(crate) fn takes(&self, len: u64) -> bool {
        !self.sides.incoming_shut && self.has_room_for(len)
    }

    /// Why it does not.
    pub(crate) fn refusal(&self) -> PublishError {
        let queue = self.spec.name.clone();
        if self.sides.incoming_shut {
            return PublishError::Shut(queue);
        }
        PublishError::Refused { queue, reason: "its quota is used up".to_owned() }
    }

    /// Takes newly stored messages at the end.
    pub(crate) fn push(&mut self, chunk: u64, mask: u64, bytes: u64) {
        self.depth += u64::from(mask.count_ones());
        self.bytes += bytes;
        self.parts.push_back(Part { chunk, open: mask, ..Part::default() });
    }

    /// The oldest part that has something to deliver.
    pub(crate) fn first_open(&mut self) -> Option<&mut Part> {
        let start = self.parts.partition_point(|part| part.chunk < self.scan);
        let found = (start..self.parts.len()).find(|index| self.parts[*index].open != 0);
        self.scan = match found {
            Some(index) => self.parts[index].chunk,
            None => self.parts.back().map_or(self.scan, |part| part.chunk + 1),
        };
        found.map(|index| &mut self.parts[index])
    }

    /// How many more messages the consumer may have.
    pub(crate) fn window(&self) -> usize {
        let most = self.consumer.as_ref().map_or(0, |consumer| consumer.max_unacked);
        most.saturating_sub(self.unacked as usize)
    }

    /// Hands messages of an open part to the consumer.
    pub(crate) fn deliver(&mut self, chunk: u64, mask: u64) {
        let Some(part) = self.part(chunk) else { return };
        part.open &= !mask;
        part.inflight |= mask;
        self.unacked += u64::from(mask.count_ones());
        self.cursor = self.cursor.max(position(chunk, 63 - mask.leading_zeros()) + 1);
        if self.spec.max_redelivery.is_some() {
            // A consumer that takes the process down with it must not get the same message for ever.
            self.touch(chunk);
        }
    }

    /// Takes messages from the consumer that have been dealt with; returns those that it really had.
    pub(crate) fn acknowledge(&mut self, chunk: u64, mask: u64) -> u64 {
        let Some(part) = self.part(chunk) else { return 0 };
        let taken = part.inflight & mask;
        part.inflight &= !taken;
        self.unacked -= u64::from(taken.count_ones());
        taken
    }

    /// Takes messages back from the consumer, to be delivered again; returns those that have come back too often.
    pub(crate) fn give_back(&mut self, chunk: u64, mask: u64) -> u64 {
        let limit = self.spec.max_redelivery;
        let Some(part) = self.part(chunk) else { return 0 };
        let taken = part.inflight & mask;
        if taken == 0 {
            return 0;
        }
        part.inflight &= !taken;
        part.count_attempts(taken);
        let exhausted = part.exhausted(taken, limit);
        part.open |= taken & !exhausted;
        self.unacked -= u64::from(taken.count_ones());
        self.scan = self.scan.min(chunk);
        self.touch(chunk);
        exhausted
    }

    /// Remembers that a part must be written.
    pub(crate) fn touch(&mut self, chunk: u64) {
        let Some(part) = self.part(chunk) else { return };
        if !std::mem::replace(&mut part.dirty, true) {
            self.dirty.push(chunk);
        }
    }

    /// Messages have left the queue for good.
    pub(crate) fn settled(&mut self, chunk: u64, mask: u64, bytes: u64) {
        self.depth -= u64::from(mask.count_ones());
        self.bytes -= bytes;
        self.touch(chunk);
        if self.part(chunk).is_some_and(|part| part.unacknowledged() == 0) {
            self.lingering += 1;
            self.sweep();
        }
    }

    /// Forgets parts that are done. One in front needs no row, since `front` says so; one behind an unacknowledged
    /// message goes once its row is written.
    fn sweep(&mut self) {
        while self.parts.front().is_some_and(|part| part.unacknowledged() == 0) {
            self.parts.pop_front();
            self.lingering -= 1;
        }
        if self.lingering > LINGERING_PARTS.max(self.parts.len() / 2) {
            self.parts.retain(|part| part.dirty || part.unacknowledged() != 0);
            self.lingering = self.parts.iter().filter(|part| part.unacknowledged() == 0).count();
        }
    }

    /// Messages that leave with the next commit, oldest first, of at most so many chunks.
    pub(crate) fn take_leaving(&mut self, most: usize) -> BTreeMap<u64, u64> {
        let rest = self.leaving.keys().nth(most).copied().map(|first| self.leaving.split_off(&first));
        std::mem::replace(&mut self.leaving, rest.unwrap_or_default())
    }

    /// The parts that have changed, as rows.
    pub(crate) fn take_rows(&mut self) -> Vec<(u64, Row)> {
        let dirty = std::mem::take(&mut self.dirty);
        let limited = self.spec.max_redelivery.is_some();
        let mut rows = Vec::with_capacity(dirty.len());
        for chunk in dirty {
            let Some(part) = self.part(chunk) else { continue };
            part.dirty = false;
            let attempts = if limited { part.attempts_after_a_crash() } else { None };
            rows.push((chunk, Row { unacknowledged: part.unacknowledged(), attempts }));
        }
        rows
    }

    /// What must be known of the queue as a whole after a restart.
    pub(crate) fn progress(&self, next_chunk: u64) -> Progress {
        let front = self.parts.front().map_or(next_chunk, |part| part.chunk);
        Progress { front, cursor: self.cursor, discarded: self.discarded }
    }

    pub(crate) fn part(&mut self, chunk: u64) -> Option<&mut Part> {
        let index = self.parts.binary_search_by_key(&chunk, |part| part.chunk).ok()?;
        Some(&mut self.parts[index])
    }

    /// The consumer's waker, if it waits and there may be something for it.
    pub(crate) fn take_waker(&mut self) -> Option<Waker> {
        self.consumer.as_mut().and_then(|consumer| consumer.waker.take())
    }

    /// Those of its consumer and of everybody who waits to become that.
    pub(crate) fn take_all_wakers(&mut self) -> Vec<Waker> {
        let waiting = self.line.values_mut().filter_map(Standby::take_waker).collect::<Vec<_>>();
        waiting.into_iter().chain(self.take_waker()).collect()
    }

    pub(crate) fn show(&self) {
        self.depth_gauge.set(self.depth as i64);
        self.unacked_gauge.set(self.unacked as i64);
        self.bytes_gauge.set(gauged(self.bytes));
    }
}

/// A quota without limit is more than a gauge can show.
fn gauged(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
