//! Messages: what a publisher sends, what a consumer gets, and the part of it that a broker keeps between the two.
//! Does not look into payload, content summary or properties: they are passed on as they came.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;

use crate::correlation::CorrelationTag;
use crate::fault::{List, Malformed, Parameter};
use crate::frame::{Frame, protocol};
use crate::header::{self, Header, kind, light, put_light};
use crate::put::{self, REPORT, Written, short, some};

/// In front of a queue's name where a message goes to the queue itself.
const QUEUE_PREFIX: &str = "#P2P/QUE/";
/// In the first byte: the message is guaranteed.
pub(crate) const GUARANTEED: u8 = 0x10;
/// Messages have this time to live, counted in hops; nobody looks at it.
const HOPS: u8 = 0xff;

/// What a broker keeps of a message and gives to every consumer. Read from a frame, it shares the frame's memory.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// The whole topic; see [`Content::destination`].
    pub topic: ByteString,
    /// Where in the topic the name stands that the application used.
    pub name_at: Option<NameAt>,
    /// Bits of the first byte.
    pub flags: MessageFlags,
    /// 0 to 2; the four bits hold up to 15.
    pub class_of_service: u8,
    /// 0 to 255, usually 4.
    pub priority: Option<u8>,
    /// Absent on direct messages.
    pub delivery_mode: Option<DeliveryMode>,
    /// At most 36 bytes by the vendor's rules.
    pub user_data: Option<Bytes>,
    /// Which part of the payload is what; absent means that all of it is the application's.
    pub content_summary: Option<Bytes>,
    /// Milliseconds after which a queue may drop it.
    pub time_to_live_ms: Option<u64>,
    /// Extended parameters, well formed and otherwise not looked at.
    pub extended: Option<Bytes>,
    /// The application's bytes and, behind them, its properties.
    pub payload: Bytes,
}

/// Bits of a message's first byte, beside the version and the guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageFlags {
    /// Messages before this one were dropped.
    pub discard_indication: bool,
    /// May be left out in favour of a newer one.
    pub eliding_eligible: bool,
    /// For one of several subscribers.
    pub deliver_to_one: bool,
    /// Goes to the dead message queue rather than away.
    pub dmq_eligible: bool,
}

/// What the publisher's side of a broker does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum DeliveryMode {
    /// Kept in queues, may be lost by a restart.
    NonPersistent = 0,
    /// Acknowledged when it is safe.
    Persistent = 1,
    /// To whoever is there.
    Direct = 2,
}

/// A name inside a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameAt {
    /// Whose name.
    pub kind: NameKind,
    /// Where it starts, in bytes.
    pub offset: u8,
    /// Its bytes.
    pub length: u8,
}

/// What a name inside a topic stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A topic.
    Topic,
    /// A queue.
    Queue,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination<'a> {
    /// To everybody who subscribes.
    Topic(&'a str),
    /// To one queue, whatever it subscribes to.
    Queue(&'a str),
}

/// A message from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What to keep.
    pub content: Content,
    /// Absent on a message without guarantee.
    pub guaranteed: Option<PublishIds>,
}

/// Where a guaranteed message stands on its publisher's flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishIds {
    /// The flow that was opened for it.
    pub flow_id: u32,
    /// As the broker gave it.
    pub publisher_id: Option<u32>,
    /// One more than the last on this flow.
    pub message_id: u64,
    /// The one before; above what has been received: there is a gap, and the client sends again.
    pub previous_id: u64,
    /// Whether it was sent before.
    pub redelivered: bool,
    /// Whether the publisher waits for this one: an acknowledgement should not wait for others.
    pub ack_immediately: bool,
}

/// A message to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// What was kept.
    pub content: Content,
    /// Absent on a message without guarantee.
    pub guaranteed: Option<DeliveryIds>,
}

/// Where a message stands on a consumer's flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryIds {
    /// The flow.
    pub flow_id: u32,
    /// Above all earlier ones on this flow; clients drop what is not, and may acknowledge it unseen.
    pub message_id: u64,
    /// The last one sent on this flow, 0 at first; clients drop a message behind a gap.
    pub previous_id: u64,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
}

// === impl Content ===

impl Content {
    /// Where it goes. Only the topic decides; a name inside it is for applications.
    pub fn destination(&self) -> Destination<'_> {
        match self.topic.strip_prefix(QUEUE_PREFIX) {
            Some(queue) => Destination::Queue(queue),
            None => Destination::Topic(&self.topic),
        }
    }

    fn of(frame: &Frame, header: &Header<'_>) -> Result<Self, Malformed> {
        let topic = header.topic.ok_or(Malformed::Missing("topic"))?;
        let name_at = header.name_at;
        if let Some(name) = name_at.filter(|name| !name.lies_in(topic)) {
            return Err(name.meaningless());
        }
        let share = |part: Option<&[u8]>| part.map(|part| frame.share(part));
        Ok(Self {
            topic: ByteString::try_from(frame.share(topic.as_bytes())).map_err(|_| Malformed::Missing("topic"))?,
            name_at,
            flags: MessageFlags::of_byte(frame.flags()),
            class_of_service: frame.class_of_service(),
            priority: header.priority,
            delivery_mode: header.delivery_mode,
            user_data: share(header.user_data),
            content_summary: share(header.content_summary),
            time_to_live_ms: header.time_to_live,
            extended: share(header.extended),
            payload: frame.payload(),
        })
    }

    fn head(&self, protocol: u8, guaranteed: bool) -> [u8; 4] {
        let first = self.flags.byte() | if guaranteed { GUARANTEED } else { 0 };
        [first | 3, protocol, (self.class_of_service & 0x0f) << 4, HOPS]
    }

    /// What both sides write first.
    fn put_params(&self, out: &mut BytesMut) -> Written {
        header::put_text(out, REPORT | kind::TOPIC, &self.topic)?;
        some(self.content_summary.as_ref(), |summary| header::put(out, REPORT | kind::CONTENT_SUMMARY, summary))?;
        some(self.priority, |priority| short(out, kind::PRIORITY, &[priority]))?;
        some(self.user_data.as_ref(), |data| header::put(out, kind::USER_DATA, data))?;
        some(self.extended.as_ref(), |extended| header::put(out, kind::EXTENDED, extended))
    }

    fn put_time_to_live(&self, out: &mut BytesMut) -> Written {
        some(self.time_to_live_ms, |ttl| short(out, kind::TIME_TO_LIVE, &ttl.to_be_bytes()))
    }

    fn put_name_at(&self, out: &mut BytesMut) {
        let Some(NameAt { kind, offset, length }) = self.name_at else { return };
        let kind = match kind {
            NameKind::Topic => light::TOPIC_AT,
            NameKind::Queue => light::QUEUE_AT,
        };
        put_light(out, kind, [offset, length]);
    }

    fn put_payload(&self, out: &mut BytesMut) -> Written {
        out.put_slice(&self.payload);
        Ok(())
    }
}

/// Lengths where the application's own bytes stand.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |part: &Option<Bytes>| part.as_ref().map(Bytes::len);
        f.debug_struct("Content")
            .field("topic", &self.topic)
            .field("name_at", &self.name_at)
            .field("flags", &self.flags)
            .field("class_of_service", &self.class_of_service)
            .field("priority", &self.priority)
            .field("delivery_mode", &self.delivery_mode)
            .field("user_data_bytes", &bytes(&self.user_data))
            .field("content_summary_bytes", &bytes(&self.content_summary))
            .field("time_to_live_ms", &self.time_to_live_ms)
            .field("extended_bytes", &bytes(&self.extended))
            .field("payload_bytes", &self.payload.len())
            .finish()
    }
}

// === impl MessageFlags ===

impl MessageFlags {
    fn of_byte(byte: u8) -> Self {
        Self {
            discard_indication: byte & 0x80 != 0,
            eliding_eligible: byte & 0x40 != 0,
            deliver_to_one: byte & 0x20 != 0,
            dmq_eligible: byte & 0x08 != 0,
        }
    }

    fn byte(self) -> u8 {
        u8::from(self.discard_indication) << 7
            | u8::from(self.eliding_eligible) << 6
            | u8::from(self.deliver_to_one) << 5
            | u8::from(self.dmq_eligible) << 3
    }
}

// === impl DeliveryMode ===

impl DeliveryMode {
    pub(crate) fn of_byte(byte: u8) -> Option<Self> {
        [Self::NonPersistent, Self::Persistent, Self::Direct].into_iter().find(|mode| *mode as u8 == byte)
    }
}

// === impl NameAt ===

impl NameAt {
    fn lies_in(self, topic: &str) -> bool {
        let offset = usize::from(self.offset);
        topic.get(offset..offset + usize::from(self.length)).is_some()
    }

    fn meaningless(self) -> Malformed {
        let kind = match self.kind {
            NameKind::Topic => light::TOPIC_AT,
            NameKind::Queue => light::QUEUE_AT,
        };
        Malformed::Value(Parameter { list: List::Light, kind: u16::from(kind) })
    }
}

// === impl Published ===

impl Published {
    pub(crate) fn of(frame: &Frame, header: &Header<'_>) -> Result<Self, Malformed> {
        let guaranteed = frame.flags() & GUARANTEED != 0;
        Ok(Self {
            content: Content::of(frame, header)?,
            guaranteed: guaranteed.then(|| PublishIds::of(header)).transpose()?,
        })
    }

    pub(crate) fn put(&self, out: &mut BytesMut, correlation: Option<CorrelationTag>) -> Written {
        let content = &self.content;
        let head = content.head(REPORT | protocol::MESSAGE, self.guaranteed.is_some());
        let params = |out: &mut BytesMut| {
            header::put_correlation(out, correlation);
            content.put_params(out)?;
            some(content.delivery_mode, |mode| short(out, REPORT | kind::DELIVERY_MODE, &[mode as u8]))?;
            some(self.guaranteed, |ids| ids.put(out))?;
            content.put_time_to_live(out)?;
            content.put_name_at(out);
            Ok(())
        };
        put::frame(out, head, params, |out| content.put_payload(out))
    }
}

// === impl PublishIds ===

impl PublishIds {
    fn of(header: &Header<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            flow_id: header.flow_id.ok_or(Malformed::Missing("flow id"))?,
            publisher_id: header.publisher_id,
            message_id: header.message_id.ok_or(Malformed::Missing("message id"))?,
            previous_id: header.previous_id.ok_or(Malformed::Missing("previous message id"))?,
            redelivered: header.redelivered,
            ack_immediately: header.ack_immediately,
        })
    }

    fn put(&self, out: &mut BytesMut) -> Written {
        if self.ack_immediately {
            put_light(out, light::ACK_IMMEDIATELY, []);
        }
        short(out, kind::FLOW_ID, &self.flow_id.to_be_bytes())?;
        some(self.publisher_id, |id| short(out, kind::PUBLISHER_ID, &id.to_be_bytes()))?;
        short(out, REPORT | kind::PREVIOUS_ID, &self.previous_id.to_be_bytes())?;
        short(out, REPORT | kind::MESSAGE_ID, &self.message_id.to_be_bytes())?;
        some(self.redelivered.then_some(()), |()| short(out, REPORT | kind::REDELIVERED, &[]))
    }
}

// === impl Delivered ===

impl Delivered {
    pub(crate) fn of(frame: &Frame, header: &Header<'_>) -> Result<Self, Malformed> {
        let guaranteed = frame.flags() & GUARANTEED != 0;
        Ok(Self {
            content: Content::of(frame, header)?,
            guaranteed: guaranteed.then(|| DeliveryIds::of(header)).transpose()?,
        })
    }

    pub(crate) fn put(&self, out: &mut BytesMut) -> Written {
        let content = &self.content;
        let head = content.head(protocol::MESSAGE, self.guaranteed.is_some());
        let params = |out: &mut BytesMut| {
            content.put_params(out)?;
            content.put_time_to_live(out)?;
            content.put_name_at(out);
            some(content.delivery_mode, |mode| short(out, kind::DELIVERY_MODE, &[mode as u8]))?;
            some(self.guaranteed, |ids| ids.put(out))
        };
        put::frame(out, head, params, |out| content.put_payload(out))
    }
}

// === impl DeliveryIds ===

impl DeliveryIds {
    fn of(header: &Header<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            flow_id: header.flow_id.ok_or(Malformed::Missing("flow id"))?,
            message_id: header.message_id.ok_or(Malformed::Missing("message id"))?,
            previous_id: header.previous_id.ok_or(Malformed::Missing("previous message id"))?,
            redelivered: header.redelivered,
        })
    }

    fn put(&self, out: &mut BytesMut) -> Written {
        short(out, REPORT | kind::MESSAGE_ID, &self.message_id.to_be_bytes())?;
        short(out, REPORT | kind::PREVIOUS_ID, &self.previous_id.to_be_bytes())?;
        short(out, kind::FLOW_ID, &self.flow_id.to_be_bytes())?;
        some(self.redelivered.then_some(()), |()| short(out, kind::REDELIVERED, &[]))
    }
}
