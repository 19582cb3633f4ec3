//! A consumer's flow: binding it to a queue, acknowledging what it got, being told whether it is the active one.
//! Does not remember any of it and does not decide who may bind.

use bytes::BytesMut;

use crate::ad_ctrl::{Fields, kind, put_flow_id, put_window};
use crate::fault::Malformed;
use crate::put::{REPORT, Written, short, short_text, some};

/// A client wants messages of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bind {
    /// The queue; a bind to something else has none.
    pub queue: Option<String>,
    /// A topic endpoint in place of a queue.
    pub topic_endpoint: Option<String>,
    /// The topic of a topic endpoint.
    pub topic: Option<String>,
    /// How many messages it takes beyond its transport acknowledgement; 0 is a pause.
    pub window: Option<u32>,
    /// Whether the endpoint outlives the client.
    pub durable: Option<bool>,
    /// Which messages it wants; absent means all.
    pub selector: Option<String>,
    /// On a bind after a reconnect: the highest id that it has got.
    pub last_received: Option<u64>,
    /// Whether it wants to know when it becomes the active consumer.
    pub wants_flow_changes: Option<bool>,
    /// What it does with messages; absent means that it consumes.
    pub flow_type: Option<FlowType>,
    /// Whether it wants none of its own messages.
    pub no_local: bool,
}

/// What a client that may consume is told. Only the flow's id is indispensable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bound {
    /// Names the flow on this connection.
    pub flow_id: u32,
    /// The queue.
    pub queue: Option<String>,
    /// The last id that the flow has acknowledged.
    pub last_acked: Option<u64>,
    /// The window as it was asked for.
    pub window: Option<u32>,
    /// Whether one consumer at a time gets messages.
    pub access: Option<Access>,
    /// Whether the queue outlives the client.
    pub durable: Option<bool>,
    /// What this client may do.
    pub granted: Option<Permission>,
    /// What everybody may do.
    pub others: Option<Permission>,
    /// How much the queue holds, in megabytes.
    pub quota_mb: Option<u32>,
    /// The largest message of the queue.
    pub max_message_size: Option<u32>,
    /// Whether messages of the queue expire.
    pub respects_ttl: Option<bool>,
    /// Whether this is the consumer that gets messages now; without it clients report no activity.
    pub active: Option<bool>,
    /// Whether [`FlowChange`] follows when that changes.
    pub flow_changes: Option<bool>,
    /// How many messages a flow may hold unacknowledged.
    pub max_unacked: Option<u32>,
    /// How often a message is delivered again.
    pub max_redelivery: Option<u8>,
    /// The queue's number.
    pub endpoint_id: Option<u32>,
}

/// What a consumer has got and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowAck {
    /// The consumer's flow.
    pub flow_id: u32,
    /// The transport acknowledgement: the highest id received.
    pub received: Option<u64>,
    /// How many messages may be under way beyond that from now on.
    pub window: Option<u32>,
    /// What the application says. It may cover ids that this flow never got: they mean nothing.
    pub settled: Vec<Settlement>,
}

/// The same outcome for all messages of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// The lowest id; 0 is from the start.
    pub first: u64,
    /// The highest id, not below the lowest.
    pub last: u64,
    /// What became of them.
    pub outcome: Outcome,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done; it leaves the queue.
    Accepted,
    /// Not now; it comes again.
    Failed,
    /// Never; it leaves the queue as poison.
    Rejected,
}

/// A flow became the active one of its queue, or ceased to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowChange {
    /// The consumer's flow.
    pub flow_id: u32,
    /// Whether it gets messages now.
    pub active: bool,
}

/// What a consumer does with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FlowType {
    /// Accepts them.
    Consumer = 1,
    /// Looks at them.
    Browser = 2,
    /// Accepts, fails or rejects them, each at once.
    Settling = 3,
}

/// How many consumers of a queue get messages at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Access {
    /// One; the others stand by.
    Exclusive = 1,
    /// All, in turns.
    NonExclusive = 2,
}

/// What a client may do with an endpoint; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Permission {
    /// Nothing.
    None = 0,
    /// Browse.
    ReadOnly = 1,
    /// Consume.
    Consume = 3,
    /// Change its topic.
    ModifyTopic = 7,
    /// Delete it.
    Delete = 0xf,
}

// === impl Bind ===

impl Bind {
    pub(crate) fn of(fields: &Fields<'_>) -> Self {
        Self {
            queue: fields.queue.map(str::to_owned),
            topic_endpoint: fields.topic_endpoint.map(str::to_owned),
            topic: fields.topic.map(str::to_owned),
            window: fields.window(),
            durable: fields.durable,
            selector: fields.selector.map(str::to_owned),
            last_received: fields.last_received,
            wants_flow_changes: fields.wants_flow_changes,
            flow_type: fields.flow_type,
            no_local: fields.no_local,
        }
    }

    pub(crate) fn put(&self, out: &mut BytesMut) -> Written {
        some(self.queue.as_deref(), |queue| short_text(out, REPORT | kind::QUEUE, queue))?;
        some(self.topic_endpoint.as_deref(), |name| short_text(out, REPORT | kind::TOPIC_ENDPOINT, name))?;
        some(self.topic.as_deref(), |topic| short_text(out, REPORT | kind::TOPIC, topic))?;
        some(self.window, |window| put_window(out, window))?;
        some(self.durable, |durable| put_durability(out, durable))?;
        some(self.selector.as_deref(), |selector| short_text(out, REPORT | kind::SELECTOR, selector))?;
        some(self.last_received, |id| short(out, kind::LAST_RECEIVED, &id.to_be_bytes()))?;
        some(self.flow_type, |flow_type| short(out, REPORT | kind::FLOW_TYPE, &[flow_type as u8]))?;
        some(self.wants_flow_changes, |wants| short(out, kind::WANTS_FLOW_CHANGES, &[wants.into()]))?;
        some(self.no_local.then_some(()), |()| short(out, REPORT | kind::NO_LOCAL, &[]))
    }
}

// === impl Bound ===

impl Bound {
    /// Nothing where the answer names no flow: a refusal.
    pub(crate) fn of(fields: &Fields<'_>) -> Option<Self> {
        Some(Self {
            flow_id: fields.flow_id?,
            queue: fields.queue.map(str::to_owned),
            last_acked: fields.last_acked,
            window: fields.window(),
            access: fields.access,
            durable: fields.durable,
            granted: fields.granted,
            others: fields.others,
            quota_mb: fields.quota_mb,
            max_message_size: fields.max_message_size,
            respects_ttl: fields.respects_ttl,
            active: fields.active,
            flow_changes: fields.wants_flow_changes,
            max_unacked: fields.max_unacked,
            max_redelivery: fields.max_redelivery,
            endpoint_id: fields.endpoint_id,
        })
    }

    pub(crate) fn put(&self, out: &mut BytesMut) -> Written {
        put_flow_id(out, self.flow_id)?;
        some(self.queue.as_deref(), |queue| short_text(out, kind::QUEUE, queue))?;
        some(self.last_acked, |id| short(out, kind::LAST_ACKED, &id.to_be_bytes()))?;
        some(self.window, |window| put_window(out, window))?;
        some(self.access, |access| short(out, kind::ACCESS, &[access as u8]))?;
        some(self.durable, |durable| put_durability(out, durable))?;
        self.put_properties(out)?;
        some(self.active, |active| short(out, kind::ACTIVE, &[active.into()]))?;
        some(self.flow_changes, |follow| short(out, kind::WANTS_FLOW_CHANGES, &[follow.into()]))?;
        some(self.max_unacked, |count| short(out, kind::MAX_UNACKED, &count.to_be_bytes()))?;
        some(self.max_redelivery, |count| short(out, kind::MAX_REDELIVERY, &[count]))?;
        some(self.endpoint_id, |id| short(out, kind::ENDPOINT_ID, &id.to_be_bytes()))
    }

    fn put_properties(&self, out: &mut BytesMut) -> Written {
        some(self.granted, |may| short(out, kind::GRANTED_PERMISSION, &(may as u32).to_be_bytes()))?;
        some(self.others, |may| short(out, kind::OTHERS_PERMISSION, &(may as u32).to_be_bytes()))?;
        some(self.quota_mb, |quota| short(out, kind::QUOTA, &quota.to_be_bytes()))?;
        some(self.max_message_size, |size| short(out, kind::MAX_MESSAGE_SIZE, &size.to_be_bytes()))?;
        some(self.respects_ttl, |respects| short(out, kind::RESPECTS_TTL, &[respects.into()]))
    }
}

fn put_durability(out: &mut BytesMut, durable: bool) -> Written {
    short(out, kind::DURABILITY, &[if durable { 1 } else { 2 }])
}

// === impl FlowAck ===

impl FlowAck {
    pub(crate) fn of(fields: Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            flow_id: fields.flow_id()?,
            received: fields.last_acked,
            window: fields.window(),
            settled: fields.settled,
        })
    }

    pub(crate) fn put(&self, out: &mut BytesMut) -> Written {
        put_flow_id(out, self.flow_id)?;
        some(self.received, |id| short(out, REPORT | kind::LAST_ACKED, &id.to_be_bytes()))?;
        some(self.window, |window| put_window(out, window))?;
        self.settled.iter().try_for_each(|settlement| settlement.put(out))
    }
}

// === impl Settlement ===

impl Settlement {
    fn put(&self, out: &mut BytesMut) -> Written {
        let mut value = [0; 17];
        value[..8].copy_from_slice(&self.first.to_be_bytes());
        value[8..16].copy_from_slice(&self.last.to_be_bytes());
        let length = match self.outcome {
            Outcome::Accepted => 16,
            Outcome::Failed => {
                value[16] = 1;
                17
            }
            Outcome::Rejected => {
                value[16] = 3;
                17
            }
        };
        short(out, REPORT | kind::SETTLED, &value[..length])
    }
}

// === impl FlowChange ===

impl FlowChange {
    pub(crate) fn of(fields: &Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            flow_id: fields.flow_id()?,
            active: fields.active.ok_or(Malformed::Missing("active flow indication"))?,
        })
    }

    pub(crate) fn put(&self, out: &mut BytesMut) -> Written {
        put_flow_id(out, self.flow_id)?;
        short(out, kind::ACTIVE, &[self.active.into()])
    }
}

// === impl FlowType ===

impl FlowType {
    pub(crate) fn of_byte(byte: u8) -> Option<Self> {
        [Self::Consumer, Self::Browser, Self::Settling].into_iter().find(|flow_type| *flow_type as u8 == byte)
    }
}

// === impl Access ===

impl Access {
    pub(crate) fn of_byte(byte: u8) -> Option<Self> {
        [Self::Exclusive, Self::NonExclusive].into_iter().find(|access| *access as u8 == byte)
    }
}

// === impl Permission ===

impl Permission {
    pub(crate) fn of_number(number: u32) -> Option<Self> {
        let all = [Self::None, Self::ReadOnly, Self::Consume, Self::ModifyTopic, Self::Delete];
        all.into_iter().find(|permission| *permission as u32 == number)
    }
}
