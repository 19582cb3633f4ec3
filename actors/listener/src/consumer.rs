//! One consumer's flow: messages of a queue under fresh ids, as many as the client's window has room for.
//! Decides nothing about rights and knows no socket; dropping it gives everything unsettled back to the queue.
//!
//! Ids ascend on every flow, because a client that gets one below what it has seen drops the message and may even
//! acknowledge it. A settlement therefore means something only on the flow, and for a message, that it was sent on.

use std::collections::{BTreeMap, VecDeque};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::BytesMut;
use tillstream_broker::{BindError, Delivery, Flow};
use tillstream_smf::{Delivered, DeliveryIds, FlowAck, Outcome, Reply, Settlement};
use tracing::error;

use crate::content;
use crate::memory::ListenerMemory;

/// Bytes of messages that are taken from a queue at a time, as far as can be told beforehand.
const STRIDE: usize = 1 << 20;
/// Messages that are taken while nothing is known about their size.
const FIRST_STRIDE: usize = 16;
/// More than this are not taken at a time.
const LONGEST_STRIDE: usize = 256;

/// A place in a queue's line.
pub(crate) type Standby = Pin<Box<dyn Future<Output = Result<Flow, BindError>> + Send>>;

/// A consumer's flow.
pub(crate) struct ConsumerFlow {
    /// Names it on its connection.
    pub(crate) id: u32,
    /// The queue.
    pub(crate) queue: String,
    hold: Hold,
    /// Whether the client wants to know when it becomes the active one.
    wants_changes: bool,
    /// Messages that the client takes beyond those whose arrival it has confirmed.
    window: usize,
    /// Ids that were sent and whose arrival is not confirmed, ascending.
    under_way: VecDeque<u64>,
    /// Ids that were sent and are not settled, and what the queue calls these messages.
    unsettled: BTreeMap<u64, u64>,
    /// The last id that was sent.
    previous: u64,
    /// Taken from the queue and not yet sent.
    taken: VecDeque<Delivery>,
    /// How many to take at a time.
    stride: usize,
}

enum Hold {
    InLine(Standby),
    Active(Flow),
}

// === impl ConsumerFlow ===

impl ConsumerFlow {
    pub(crate) fn new(id: u32, queue: String, standby: Standby, window: u32, wants_changes: bool) -> Self {
        Self {
            id,
            queue,
            hold: Hold::InLine(standby),
            wants_changes,
            window: window as usize,
            under_way: VecDeque::new(),
            unsettled: BTreeMap::new(),
            previous: 0,
            taken: VecDeque::new(),
            stride: FIRST_STRIDE,
        }
    }

    /// Whether its turn has come: it is the queue's one consumer.
    pub(crate) fn turn(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BindError>> {
        let Hold::InLine(standby) = &mut self.hold else { return Poll::Ready(Ok(())) };
        standby.as_mut().poll(context).map_ok(|flow| self.hold = Hold::Active(flow))
    }

    /// Whether it stands in line.
    pub(crate) fn is_standby(&self) -> bool {
        matches!(self.hold, Hold::InLine(_))
    }

    /// Whether the client wants to know when it becomes the active one.
    pub(crate) fn wants_changes(&self) -> bool {
        self.wants_changes
    }

    /// Writes deliveries until the window or the buffer is full, or the queue has no more for now.
    pub(crate) fn deliver(
        &mut self,
        memory: &ListenerMemory,
        out: &mut BytesMut,
        limit: usize,
        context: &mut Context<'_>,
    ) -> Result<(), BindError> {
        loop {
            while out.len() < limit && self.under_way.len() < self.window {
                let Some(delivery) = self.taken.pop_front() else { break };
                self.send(delivery, memory, out);
            }
            let room = self.window.saturating_sub(self.under_way.len());
            if out.len() >= limit || room == 0 {
                return Ok(());
            }
            match self.take(room, context) {
                Poll::Ready(taken) => taken?,
                Poll::Pending => return Ok(()),
            }
        }
    }

    /// Takes the next messages from the queue.
    fn take(&mut self, room: usize, context: &mut Context<'_>) -> Poll<Result<(), BindError>> {
        let Hold::Active(flow) = &mut self.hold else { return Poll::Pending };
        pin!(flow.next_batch(room.min(self.stride))).poll(context).map_ok(|batch| {
            let largest = batch.iter().map(|delivery| delivery.payload.len() + delivery.properties.len()).max();
            self.stride = (STRIDE / largest.unwrap_or(0).max(1)).clamp(1, LONGEST_STRIDE);
            self.taken.extend(batch);
        })
    }

    fn send(&mut self, delivery: Delivery, memory: &ListenerMemory, out: &mut BytesMut) {
        let message_id = memory.fresh_id();
        let ids =
            DeliveryIds { flow_id: self.id, message_id, previous_id: self.previous, redelivered: delivery.redelivered };
        let delivered = Delivered { content: content::of_delivery(&delivery), guaranteed: Some(ids) };
        if let Err(failure) = Reply::Deliver(delivered).encode(out) {
            // What came by SMF goes by SMF, so this is a message that cannot be. It must neither stop the others nor be lost,
            // and a queue may have nowhere to put it aside: it stays with this flow, and goes back when that ends.
            return error!(queue = %self.queue, topic = %delivery.topic, error = %failure, "message does not fit a frame");
        }
        self.previous = message_id;
        self.under_way.push_back(message_id);
        self.unsettled.insert(message_id, delivery.id);
    }

    /// What the client says about messages that it has got.
    pub(crate) fn hear(&mut self, ack: &FlowAck) {
        ack.received.into_iter().for_each(|id| self.arrived(id));
        if let Some(window) = ack.window {
            self.window = window as usize;
        }
        ack.settled.iter().for_each(|settlement| self.settle(settlement));
    }

    /// Everything up to that id has arrived.
    fn arrived(&mut self, id: u64) {
        while self.under_way.front().is_some_and(|first| *first <= id) {
            self.under_way.pop_front();
        }
    }

    /// A range may cover ids that were never sent here. What is settled has arrived: else a client that settles and
    /// confirms nothing would have us remember every id.
    fn settle(&mut self, settlement: &Settlement) {
        let range = settlement.first..=settlement.last;
        let (ids, own): (Vec<u64>, Vec<u64>) = self.unsettled.extract_if(range, |_, _| true).unzip();
        ids.last().into_iter().for_each(|id| self.arrived(*id));
        self.settle_all(&own, settlement.outcome);
    }

    fn settle_all(&self, own: &[u64], outcome: Outcome) {
        let Hold::Active(flow) = &self.hold else { return };
        match outcome {
            _ if own.is_empty() => {}
            Outcome::Accepted => flow.acknowledge(own),
            Outcome::Failed => flow.reject(own),
            Outcome::Rejected => flow.discard(own),
        }
    }
}
