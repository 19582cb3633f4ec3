//! What a client said about its message beside the application's bytes, as the broker keeps it.
//! A note of its trace where it has one, for readers who know nothing else of this. Then a version and what there is: a tag,
//! a length where the value has no fixed one, and the value.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tillstream_broker::TraceNote;
use tillstream_smf::{Content, DeliveryMode, MessageFlags, NameAt, NameKind};

/// The only form so far.
const VERSION: u8 = 1;

mod tag {
    pub(super) const HEAD: u8 = 1;
    pub(super) const PRIORITY: u8 = 2;
    pub(super) const DELIVERY_MODE: u8 = 3;
    pub(super) const NAME_AT: u8 = 4;
    pub(super) const TIME_TO_LIVE: u8 = 5;
    pub(super) const USER_DATA: u8 = 6;
    pub(super) const CONTENT_SUMMARY: u8 = 7;
    pub(super) const EXTENDED: u8 = 8;
    pub(super) const METADATA: u8 = 9;
}

/// All that is kept beside the broker's own topic and payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Properties {
    /// Topic and payload of it are not written and come back empty.
    pub(crate) content: Content,
    /// What stood behind the attachment. None: the broker's payload is all that the client sent.
    pub(crate) metadata: Option<Bytes>,
}

/// The bytes for the broker.
pub(crate) fn write(trace: Option<&TraceNote<'_>>, properties: &Properties) -> Bytes {
    let Properties { content, metadata } = properties;
    let known = trace.map_or(0, TraceNote::size) + metadata.as_ref().map_or(0, Bytes::len);
    let mut out = BytesMut::with_capacity(64 + known);
    trace.into_iter().for_each(|trace| trace.put(&mut out));
    out.put_slice(&[VERSION, tag::HEAD, flags_byte(content.flags), content.class_of_service]);
    if let Some(priority) = content.priority {
        out.put_slice(&[tag::PRIORITY, priority]);
    }
    if let Some(mode) = content.delivery_mode {
        out.put_slice(&[tag::DELIVERY_MODE, mode as u8]);
    }
    if let Some(NameAt { kind, offset, length }) = content.name_at {
        out.put_slice(&[tag::NAME_AT, u8::from(kind == NameKind::Queue), offset, length]);
    }
    if let Some(time_to_live) = content.time_to_live_ms {
        out.put_u8(tag::TIME_TO_LIVE);
        out.put_u64(time_to_live);
    }
    put_bytes(&mut out, tag::USER_DATA, content.user_data.as_ref());
    put_bytes(&mut out, tag::CONTENT_SUMMARY, content.content_summary.as_ref());
    put_bytes(&mut out, tag::EXTENDED, content.extended.as_ref());
    put_bytes(&mut out, tag::METADATA, metadata.as_ref());
    out.freeze()
}

fn put_bytes(out: &mut BytesMut, tag: u8, value: Option<&Bytes>) {
    let Some(value) = value else { return };
    out.put_u8(tag);
    // A frame states its own length in as many bits.
    out.put_u32(value.len() as u32);
    out.put_slice(value);
}

/// What was written behind the note; nothing if it is of another form.
pub(crate) fn read(bytes: &Bytes) -> Option<Properties> {
    let mut rest = bytes.clone();
    if rest.try_get_u8().ok()? != VERSION {
        return None;
    }
    let mut properties = Properties { content: Content::default(), metadata: None };
    while rest.has_remaining() {
        let tag = rest.get_u8();
        read_one(tag, &mut rest, &mut properties)?;
    }
    Some(properties)
}

fn read_one(tag: u8, rest: &mut Bytes, properties: &mut Properties) -> Option<()> {
    let content = &mut properties.content;
    match tag {
        tag::HEAD => {
            content.flags = flags_of(rest.try_get_u8().ok()?);
            content.class_of_service = rest.try_get_u8().ok()?;
        }
        tag::PRIORITY => content.priority = Some(rest.try_get_u8().ok()?),
        tag::DELIVERY_MODE => content.delivery_mode = Some(mode_of(rest.try_get_u8().ok()?)?),
        tag::NAME_AT => content.name_at = Some(name_at(rest)?),
        tag::TIME_TO_LIVE => content.time_to_live_ms = Some(rest.try_get_u64().ok()?),
        tag::USER_DATA => content.user_data = Some(get_bytes(rest)?),
        tag::CONTENT_SUMMARY => content.content_summary = Some(get_bytes(rest)?),
        tag::EXTENDED => content.extended = Some(get_bytes(rest)?),
        tag::METADATA => properties.metadata = Some(get_bytes(rest)?),
        _ => return None,
    }
    Some(())
}

fn get_bytes(rest: &mut Bytes) -> Option<Bytes> {
    let length = rest.try_get_u32().ok()? as usize;
    (rest.len() >= length).then(|| rest.split_to(length))
}

fn name_at(rest: &mut Bytes) -> Option<NameAt> {
    let kind = if rest.try_get_u8().ok()? == 0 { NameKind::Topic } else { NameKind::Queue };
    Some(NameAt { kind, offset: rest.try_get_u8().ok()?, length: rest.try_get_u8().ok()? })
}

fn mode_of(byte: u8) -> Option<DeliveryMode> {
    let all = [DeliveryMode::NonPersistent, DeliveryMode::Persistent, DeliveryMode::Direct];
    all.into_iter().find(|mode| *mode as u8 == byte)
}

fn flags_byte(flags: MessageFlags) -> u8 {
    let MessageFlags { discard_indication, eliding_eligible, deliver_to_one, dmq_eligible } = flags;
    let bits = [discard_indication, eliding_eligible, deliver_to_one, dmq_eligible];
    bits.into_iter().fold(0, |byte, bit| byte << 1 | u8::from(bit))
}

fn flags_of(byte: u8) -> MessageFlags {
    let bit = |place: u8| byte >> place & 1 == 1;
    MessageFlags { discard_indication: bit(3), eliding_eligible: bit(2), deliver_to_one: bit(1), dmq_eligible: bit(0) }
}
