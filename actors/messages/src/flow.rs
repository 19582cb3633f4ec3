//! A queue's flow: what a backend's flow actor tells its consumer, and what the consumer tells it back.
//! The flow holds at most its window of unacknowledged messages; a delivery is the consumer's until it is acknowledged or the flow is bound anew.

use std::sync::Arc;

use actix::Message;
use bytes::Bytes;

use crate::TraceContext;

/// Names one delivery of one binding of a flow: a redelivery after a new bind has another tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryTag {
    /// Which binding of the flow delivered it; grows with every bind.
    pub epoch: u32,
    /// Its number in that binding, from 1 in delivery order.
    pub number: u64,
}

/// One message of a queue.
#[derive(Debug, Clone)]
pub struct InboundMessage {
    /// What to acknowledge.
    pub tag: DeliveryTag,
    /// The topic that it was published to.
    pub topic: Arc<str>,
    /// The publisher's payload, byte for byte.
    pub payload: Bytes,
    /// Delivered before, to this or another consumer, and not acknowledged.
    pub redelivered: bool,
    /// The trace that its publisher put into it.
    pub trace: Option<TraceContext>,
}

/// Fact: the flow is bound (again). Everything delivered under an older epoch and not acknowledged comes again.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct FlowBound {
    /// The epoch of the deliveries to come.
    pub epoch: u32,
    /// How many unacknowledged messages the flow may hold.
    pub window: usize,
}

/// Fact: the flow is down; nothing more is delivered until the next [`FlowBound`].
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct FlowLost {
    /// What happened, for a person.
    pub reason: String,
}

/// Fact: these messages were delivered, oldest first. The reply means "taken, send more"; it acknowledges nothing.
/// An empty list is the flow's heartbeat: active, window free, nothing to deliver (sent about every 250 ms).
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct MessagesDelivered {
    /// The binding that delivered them.
    pub epoch: u32,
    /// In the queue's order.
    pub messages: Vec<InboundMessage>,
}

/// Order: acknowledge these deliveries. Tags of an older epoch are ignored: those messages come again.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AcknowledgeDeliveries {
    /// In any order.
    pub tags: Vec<DeliveryTag>,
}

/// Order: give everything back to the queue and bind anew, because the consumer has lost what it held.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct RebindFlow;
