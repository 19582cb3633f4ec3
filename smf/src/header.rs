//! The parameters of a frame's header, in their light, regular and long encodings.
//! Does not say which of them a kind of frame must have.

use bytes::{BufMut, BytesMut};

use crate::correlation::CorrelationTag;
use crate::extended;
use crate::fault::{EncodeError, Handling, List, Malformed, Parameter, Unknown};
use crate::message::{DeliveryMode, NameAt, NameKind};
use crate::params::{Raw, cut, cut_array, walk};
use crate::put::{Written, some, terminated};
use crate::response::Response;

/// Types of regular parameters.
pub(crate) mod kind {
    pub(crate) const PUBLISHER_ID: u8 = 0x01;
    pub(crate) const PUBLISHER_MESSAGE_ID: u8 = 0x02;
    pub(crate) const PRIORITY: u8 = 0x03;
    pub(crate) const USER_DATA: u8 = 0x04;
    pub(crate) const USERNAME: u8 = 0x06;
    pub(crate) const PASSWORD: u8 = 0x07;
    pub(crate) const RESPONSE: u8 = 0x08;
    pub(crate) const DELIVERY_MODE: u8 = 0x10;
    pub(crate) const MESSAGE_ID: u8 = 0x11;
    pub(crate) const PREVIOUS_ID: u8 = 0x12;
    pub(crate) const REDELIVERED: u8 = 0x13;
    pub(crate) const CONTENT_SUMMARY: u8 = 0x16;
    pub(crate) const FLOW_ID: u8 = 0x17;
    pub(crate) const TOPIC: u8 = 0x18;
    pub(crate) const FLOW_REDELIVERED: u8 = 0x19;
    pub(crate) const TIME_TO_LIVE: u8 = 0x1c;
    pub(crate) const TOPIC_SEQUENCE: u8 = 0x1e;
    pub(crate) const EXTENDED: u8 = 0x1f;
}

/// Types of light parameters.
pub(crate) mod light {
    pub(crate) const CORRELATION: u8 = 0;
    pub(crate) const TOPIC_AT: u8 = 1;
    pub(crate) const QUEUE_AT: u8 = 2;
    pub(crate) const ACK_IMMEDIATELY: u8 = 3;
}

/// In the first byte: the light encoding.
const LIGHT: u8 = 0x20;

/// What a header says, as far as anybody here wants to know.
#[derive(Default)]
pub(crate) struct Header<'a> {
    pub(crate) correlation: Option<CorrelationTag>,
    pub(crate) name_at: Option<NameAt>,
    pub(crate) ack_immediately: bool,
    pub(crate) publisher_id: Option<u32>,
    pub(crate) priority: Option<u8>,
    pub(crate) user_data: Option<&'a [u8]>,
    pub(crate) username: Option<&'a [u8]>,
    pub(crate) password: Option<&'a [u8]>,
    pub(crate) response: Option<Response>,
    pub(crate) delivery_mode: Option<DeliveryMode>,
    pub(crate) message_id: Option<u64>,
    pub(crate) previous_id: Option<u64>,
    pub(crate) redelivered: bool,
    pub(crate) content_summary: Option<&'a [u8]>,
    pub(crate) flow_id: Option<u32>,
    pub(crate) topic: Option<&'a str>,
    pub(crate) time_to_live: Option<u64>,
    pub(crate) extended: Option<&'a [u8]>,
    /// The strictest of what was not understood.
    pub(crate) unknown: Option<Unknown>,
}

// === impl Header ===

impl<'a> Header<'a> {
    /// Reads all parameters behind the fixed header.
    pub(crate) fn read(params: &'a [u8]) -> Result<Self, Malformed> {
        let mut header = Self::default();
        let unknown = walk(List::Header, params, next, |raw| header.take(raw))?;
        let inside = header.extended.map_or(Ok(None), extended::check)?;
        header.unknown = Unknown::stricter(unknown, inside);
        Ok(header)
    }

    fn take(&mut self, raw: &Raw<'a>) -> Result<bool, Malformed> {
        match raw.parameter.list {
            List::Light => self.take_light(raw),
            _ => self.take_regular(raw),
        }
    }

    fn take_light(&mut self, raw: &Raw<'a>) -> Result<bool, Malformed> {
        match raw.parameter.kind as u8 {
            light::CORRELATION => self.correlation = Some(CorrelationTag(raw.bytes()?)),
            light::TOPIC_AT => self.name_at = Some(name_at(NameKind::Topic, raw)?),
            light::QUEUE_AT => self.name_at = Some(name_at(NameKind::Queue, raw)?),
            light::ACK_IMMEDIATELY => self.ack_immediately = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take_regular(&mut self, raw: &Raw<'a>) -> Result<bool, Malformed> {
        match raw.parameter.kind as u8 {
            kind::PUBLISHER_ID => self.publisher_id = Some(raw.u32()?),
            kind::PRIORITY => self.priority = Some(raw.u8()?),
            kind::USER_DATA => self.user_data = Some(raw.value),
            kind::USERNAME => self.username = Some(raw.value),
            kind::PASSWORD => self.password = Some(raw.value),
            kind::RESPONSE => self.response = Some(response(raw)?),
            kind::DELIVERY_MODE => self.delivery_mode = Some(delivery_mode(raw)?),
            kind::MESSAGE_ID => self.message_id = Some(raw.u64()?),
            kind::PREVIOUS_ID => self.previous_id = Some(raw.u64()?),
            kind::REDELIVERED => self.redelivered = true,
            kind::CONTENT_SUMMARY => self.content_summary = Some(raw.value),
            kind::FLOW_ID => self.flow_id = Some(raw.u32()?),
            kind::TOPIC => self.topic = Some(raw.text()?),
            kind::TIME_TO_LIVE => self.time_to_live = Some(raw.u64()?),
            kind::EXTENDED => self.extended = Some(raw.value),
            // Known, and of no use to a broker.
            kind::PUBLISHER_MESSAGE_ID | kind::FLOW_REDELIVERED | kind::TOPIC_SEQUENCE => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<Raw<'a>>, Malformed> {
    let Some(first) = rest.first().copied() else { return Ok(None) };
    if first & LIGHT != 0 {
        return next_light(first, rest).map(Some);
    }
    // Padding: nothing follows.
    if first & 0x1f == 0 {
        return Ok(None);
    }
    next_regular(first, rest).map(Some)
}

fn next_light<'a>(first: u8, rest: &mut &'a [u8]) -> Result<Raw<'a>, Malformed> {
    let parameter = Parameter { list: List::Light, kind: u16::from(first >> 2 & 0x07) };
    cut(List::Light, rest, 1)?;
    let value = cut(List::Light, rest, usize::from(first & 0x03))?;
    Ok(Raw { parameter, handling: Handling::of_two_bits(first), value })
}

/// The length counts the whole parameter; zero announces a long one.
fn next_regular<'a>(first: u8, rest: &mut &'a [u8]) -> Result<Raw<'a>, Malformed> {
    let parameter = Parameter { list: List::Header, kind: u16::from(first & 0x1f) };
    let [_, length] = cut_array(List::Header, rest)?;
    let value = match length {
        0 => {
            let whole = u32::from_be_bytes(cut_array(List::Header, rest)?);
            (whole as usize).checked_sub(6)
        }
        short => usize::from(short).checked_sub(2),
    };
    let value = cut(List::Header, rest, value.ok_or(Malformed::CutShort(List::Header))?)?;
    Ok(Raw { parameter, handling: Handling::of_two_bits(first), value })
}

fn name_at(kind: NameKind, raw: &Raw<'_>) -> Result<NameAt, Malformed> {
    let [offset, length] = raw.bytes()?;
    Ok(NameAt { kind, offset, length })
}

fn response(raw: &Raw<'_>) -> Result<Response, Malformed> {
    let mut rest = raw.value;
    let code = u32::from_be_bytes(cut_array(List::Header, &mut rest)?);
    Ok(Response::new(code, String::from_utf8_lossy(rest).into_owned()))
}

fn delivery_mode(raw: &Raw<'_>) -> Result<DeliveryMode, Malformed> {
    DeliveryMode::of_byte(raw.u8()?).ok_or_else(|| raw.meaningless())
}

/// A regular parameter.
pub(crate) fn put(out: &mut BytesMut, first: u8, value: &[u8]) -> Written {
    put_length(out, first, value.len())?;
    out.put_slice(value);
    Ok(())
}

/// A regular parameter that holds a text and its NUL.
pub(crate) fn put_text(out: &mut BytesMut, first: u8, text: &str) -> Written {
    put_length(out, first, text.len() + 1)?;
    terminated(out, text)
}

/// Type and length of a regular parameter, in the long form if it must.
fn put_length(out: &mut BytesMut, first: u8, value: usize) -> Written {
    if let Ok(whole) = u8::try_from(value + 2) {
        out.put_slice(&[first, whole]);
        return Ok(());
    }
    let too_long = EncodeError::TooLong { found: value, limit: u32::MAX as usize - 6 };
    let whole = u32::try_from(value + 6).map_err(|_| too_long)?;
    out.put_slice(&[first, 0]);
    out.put_u32(whole);
    Ok(())
}

/// A light parameter; `value` has at most three bytes.
pub(crate) fn put_light<const N: usize>(out: &mut BytesMut, kind: u8, value: [u8; N]) {
    const { assert!(N <= 3, "a light parameter has room for three bytes") };
    out.put_u8(LIGHT | kind << 2 | N as u8);
    out.put_slice(&value);
}

/// What a control frame says to whom: the tag of the request, then what became of it.
pub(crate) fn put_addressing(
    out: &mut BytesMut,
    correlation: Option<CorrelationTag>,
    response: Option<&Response>,
) -> Written {
    put_correlation(out, correlation);
    some(response, |response| {
        put_length(out, kind::RESPONSE, 4 + response.text.len())?;
        out.put_u32(response.code);
        out.put_slice(response.text.as_bytes());
        Ok(())
    })
}

/// The tag of a request.
pub(crate) fn put_correlation(out: &mut BytesMut, correlation: Option<CorrelationTag>) {
    if let Some(CorrelationTag(tag)) = correlation {
        put_light(out, light::CORRELATION, tag);
    }
}
