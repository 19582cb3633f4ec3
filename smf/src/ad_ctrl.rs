//! The payload of AdCtrl frames: its two versions and its list of parameters.
//! Does not know which message needs which parameter.

use bytes::{BufMut, BytesMut};

use crate::consumer::{Access, FlowType, Outcome, Permission, Settlement};
use crate::fault::{EncodeError, Handling, List, Malformed, Parameter, Unknown};
use crate::params::{Raw, cut, cut_array, walk};
use crate::put::{REPORT, Written, measure, short};

/// Types of AdCtrl messages.
pub(crate) mod message {
    pub(crate) const OPEN_PUB_FLOW: u8 = 0x00;
    pub(crate) const CLIENT_ACK: u8 = 0x03;
    pub(crate) const BIND: u8 = 0x04;
    pub(crate) const UNBIND: u8 = 0x05;
    pub(crate) const CLOSE_PUB_FLOW: u8 = 0x07;
    pub(crate) const FLOW_CHANGE: u8 = 0x0c;
}

/// Types of parameters.
pub(crate) mod kind {
    pub(crate) const LAST_SENT: u8 = 0x01;
    pub(crate) const LAST_ACKED: u8 = 0x02;
    pub(crate) const WINDOW: u8 = 0x03;
    pub(crate) const SETTLED: u8 = 0x05;
    pub(crate) const FLOW_ID: u8 = 0x06;
    pub(crate) const QUEUE: u8 = 0x07;
    pub(crate) const TOPIC_ENDPOINT: u8 = 0x08;
    pub(crate) const TOPIC: u8 = 0x09;
    pub(crate) const FLOW_NAME: u8 = 0x0a;
    pub(crate) const DURABILITY: u8 = 0x0b;
    pub(crate) const ACCESS: u8 = 0x0c;
    pub(crate) const SELECTOR: u8 = 0x0d;
    pub(crate) const WIDE_WINDOW: u8 = 0x0e;
    pub(crate) const LAST_RECEIVED: u8 = 0x10;
    pub(crate) const OTHERS_PERMISSION: u8 = 0x11;
    pub(crate) const FLOW_TYPE: u8 = 0x12;
    pub(crate) const QUOTA: u8 = 0x13;
    pub(crate) const MAX_MESSAGE_SIZE: u8 = 0x14;
    pub(crate) const GRANTED_PERMISSION: u8 = 0x15;
    pub(crate) const RESPECTS_TTL: u8 = 0x16;
    pub(crate) const NO_LOCAL: u8 = 0x1f;
    pub(crate) const ACTIVE: u8 = 0x20;
    pub(crate) const WANTS_FLOW_CHANGES: u8 = 0x21;
    pub(crate) const ENDPOINT_BEHAVIOUR: u8 = 0x22;
    pub(crate) const PUBLISHER_ID: u8 = 0x23;
    pub(crate) const MAX_REDELIVERY: u8 = 0x2a;
    pub(crate) const ENDPOINT_ID: u8 = 0x2c;
    pub(crate) const MAX_UNACKED: u8 = 0x31;
    pub(crate) const ENDPOINT_ERROR_ID: u8 = 0x34;
    pub(crate) const SPOOLER_ID: u8 = 0x36;
    pub(crate) const PARTITION_GROUP: u8 = 0x38;
}

/// Which form the payload has. A client opens with the old one and goes on with the one it is answered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdCtrlVersion {
    /// Type and length in 16 bits, padded to four bytes.
    V2,
    /// A byte for the type, four for the length.
    V3,
}

/// A payload, cut into its parts.
pub(crate) struct AdCtrl<'a> {
    pub(crate) version: AdCtrlVersion,
    pub(crate) kind: u8,
    params: &'a [u8],
}

/// All parameters that somebody here wants to know.
#[derive(Default)]
pub(crate) struct Fields<'a> {
    pub(crate) last_sent: Option<u64>,
    pub(crate) last_acked: Option<u64>,
    window: Option<u8>,
    wide_window: Option<u32>,
    pub(crate) settled: Vec<Settlement>,
    pub(crate) flow_id: Option<u32>,
    pub(crate) queue: Option<&'a str>,
    pub(crate) topic_endpoint: Option<&'a str>,
    pub(crate) topic: Option<&'a str>,
    pub(crate) flow_name: Option<&'a str>,
    pub(crate) durable: Option<bool>,
    pub(crate) access: Option<Access>,
    pub(crate) selector: Option<&'a str>,
    pub(crate) last_received: Option<u64>,
    pub(crate) others: Option<Permission>,
    pub(crate) flow_type: Option<FlowType>,
    pub(crate) quota_mb: Option<u32>,
    pub(crate) max_message_size: Option<u32>,
    pub(crate) granted: Option<Permission>,
    pub(crate) respects_ttl: Option<bool>,
    pub(crate) no_local: bool,
    pub(crate) active: Option<bool>,
    pub(crate) wants_flow_changes: Option<bool>,
    pub(crate) publisher_id: Option<u32>,
    pub(crate) max_redelivery: Option<u8>,
    pub(crate) endpoint_id: Option<u32>,
    pub(crate) max_unacked: Option<u32>,
    /// The strictest of what was not understood.
    pub(crate) unknown: Option<Unknown>,
}

// === impl AdCtrl ===

impl<'a> AdCtrl<'a> {
    /// Cuts a payload; what follows its own length is not looked at.
    pub(crate) fn read(payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = payload;
        let [first] = cut_array(List::AdCtrl, &mut rest)?;
        let (version, kind, length) = match first & 0x3f {
            2 => {
                let word = u16::from_be_bytes(cut_array(List::AdCtrl, &mut rest)?);
                (AdCtrlVersion::V2, (word >> 12) as u8, usize::from(word & 0x0fff) * 4)
            }
            3 => {
                let [kind] = cut_array(List::AdCtrl, &mut rest)?;
                (AdCtrlVersion::V3, kind, u32::from_be_bytes(cut_array(List::AdCtrl, &mut rest)?) as usize)
            }
            found => return Err(Malformed::Version { list: List::AdCtrl, found }),
        };
        let before = payload.len() - rest.len();
        let length = length.checked_sub(before).ok_or(Malformed::CutShort(List::AdCtrl))?;
        Ok(Self { version, kind, params: cut(List::AdCtrl, &mut rest, length)? })
    }

    /// Reads the parameters.
    pub(crate) fn fields(&self) -> Result<Fields<'a>, Malformed> {
        let mut fields = Fields::default();
        fields.unknown = walk(List::AdCtrl, self.params, next, |raw| fields.take(raw))?;
        Ok(fields)
    }
}

fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<Raw<'a>>, Malformed> {
    // Type 0 is one byte of padding.
    while let Some(([first], behind)) = rest.split_first_chunk()
        && first & 0x3f == 0
    {
        *rest = behind;
    }
    if rest.is_empty() {
        return Ok(None);
    }
    let [first, length] = cut_array(List::AdCtrl, rest)?;
    // Zero announces a long form that no client was seen to send and that is described in two ways: not guessed at.
    let length = usize::from(length).checked_sub(2).ok_or(Malformed::CutShort(List::AdCtrl))?;
    let parameter = Parameter { list: List::AdCtrl, kind: u16::from(first & 0x3f) };
    Ok(Some(Raw { parameter, handling: Handling::of_two_bits(first), value: cut(List::AdCtrl, rest, length)? }))
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// The flow, where nothing makes sense without one.
    pub(crate) fn flow_id(&self) -> Result<u32, Malformed> {
        self.flow_id.ok_or(Malformed::Missing("flow id"))
    }

    /// The wide window where there is one.
    pub(crate) fn window(&self) -> Option<u32> {
        self.wide_window.or(self.window.map(u32::from))
    }

    fn take(&mut self, raw: &Raw<'a>) -> Result<bool, Malformed> {
        Ok(self.take_request(raw)? || self.take_property(raw)? || is_known(raw))
    }

    /// What requests and acknowledgements are about.
    fn take_request(&mut self, raw: &Raw<'a>) -> Result<bool, Malformed> {
        match raw.parameter.kind as u8 {
            kind::LAST_SENT => self.last_sent = Some(raw.u64()?),
            kind::LAST_ACKED => self.last_acked = Some(raw.u64()?),
            kind::WINDOW => self.window = Some(raw.u8()?),
            kind::WIDE_WINDOW => self.wide_window = Some(raw.u32()?),
            kind::SETTLED => self.settled.push(settlement(raw)?),
            kind::FLOW_ID => self.flow_id = Some(raw.u32()?),
            kind::QUEUE => self.queue = Some(raw.text()?),
            kind::TOPIC_ENDPOINT => self.topic_endpoint = Some(raw.text()?),
            kind::TOPIC => self.topic = Some(raw.text()?),
            kind::FLOW_NAME => self.flow_name = Some(raw.text_or_nothing()?),
            kind::SELECTOR => self.selector = Some(raw.text()?),
            kind::LAST_RECEIVED => self.last_received = Some(raw.u64()?),
            kind::FLOW_TYPE => self.flow_type = Some(flow_type(raw)?),
            kind::NO_LOCAL => self.no_local = true,
            kind::PUBLISHER_ID => self.publisher_id = Some(raw.u32()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What an endpoint or a flow is like.
    fn take_property(&mut self, raw: &Raw<'a>) -> Result<bool, Malformed> {
        match raw.parameter.kind as u8 {
            kind::DURABILITY => self.durable = Some(durability(raw)?),
            kind::ACCESS => self.access = Some(access(raw)?),
            kind::OTHERS_PERMISSION => self.others = Some(permission(raw)?),
            kind::GRANTED_PERMISSION => self.granted = Some(permission(raw)?),
            kind::QUOTA => self.quota_mb = Some(raw.u32()?),
            kind::MAX_MESSAGE_SIZE => self.max_message_size = Some(raw.u32()?),
            kind::RESPECTS_TTL => self.respects_ttl = Some(raw.flag()?),
            kind::ACTIVE => self.active = Some(raw.flag()?),
            kind::WANTS_FLOW_CHANGES => self.wants_flow_changes = Some(raw.flag()?),
            kind::MAX_REDELIVERY => self.max_redelivery = Some(raw.u8()?),
            kind::ENDPOINT_ID => self.endpoint_id = Some(raw.u32()?),
            kind::MAX_UNACKED => self.max_unacked = Some(raw.u32()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Known, and of no use to anybody here.
fn is_known(raw: &Raw<'_>) -> bool {
    let kinds = [kind::ENDPOINT_BEHAVIOUR, kind::ENDPOINT_ERROR_ID, kind::SPOOLER_ID, kind::PARTITION_GROUP];
    kinds.map(u16::from).contains(&raw.parameter.kind)
}

/// First and last id, and an outcome unless it is acceptance.
fn settlement(raw: &Raw<'_>) -> Result<Settlement, Malformed> {
    let mut rest = raw.value;
    let first = u64::from_be_bytes(cut_array(List::AdCtrl, &mut rest)?);
    let last = u64::from_be_bytes(cut_array(List::AdCtrl, &mut rest)?);
    let outcome = match rest {
        [] => Outcome::Accepted,
        [1] => Outcome::Failed,
        [3] => Outcome::Rejected,
        _ => return Err(raw.meaningless()),
    };
    if first > last {
        return Err(raw.meaningless());
    }
    Ok(Settlement { first, last, outcome })
}

fn flow_type(raw: &Raw<'_>) -> Result<FlowType, Malformed> {
    FlowType::of_byte(raw.u8()?).ok_or_else(|| raw.meaningless())
}

fn access(raw: &Raw<'_>) -> Result<Access, Malformed> {
    Access::of_byte(raw.u8()?).ok_or_else(|| raw.meaningless())
}

fn permission(raw: &Raw<'_>) -> Result<Permission, Malformed> {
    Permission::of_number(raw.u32()?).ok_or_else(|| raw.meaningless())
}

fn durability(raw: &Raw<'_>) -> Result<bool, Malformed> {
    match raw.u8()? {
        1 => Ok(true),
        2 => Ok(false),
        _ => Err(raw.meaningless()),
    }
}

/// A payload of the given version.
pub(crate) fn put(
    out: &mut BytesMut,
    version: AdCtrlVersion,
    kind: u8,
    params: impl FnOnce(&mut BytesMut) -> Written,
) -> Written {
    let start = out.len();
    match version {
        AdCtrlVersion::V2 => {
            out.put_slice(&[2, 0, 0]);
            params(out)?;
            pad(out, start, kind)
        }
        AdCtrlVersion::V3 => {
            out.put_slice(&[3, kind, 0, 0, 0, 0]);
            params(out)?;
            measure(out, start, start + 2)
        }
    }
}

/// Fills up to whole words and writes their number behind the type.
fn pad(out: &mut BytesMut, start: usize, kind: u8) -> Written {
    out.put_bytes(0, (out.len() - start).wrapping_neg() % 4);
    let found = out.len() - start;
    let words = u16::try_from(found / 4).ok().filter(|words| *words < 1 << 12);
    let words = words.ok_or(EncodeError::TooLong { found, limit: 4 * 0x0fff })?;
    let word = u16::from(kind) << 12 | words;
    out[start + 1..start + 3].copy_from_slice(&word.to_be_bytes());
    Ok(())
}

/// The flow, to be reported if it is not understood, as everybody writes it.
pub(crate) fn put_flow_id(out: &mut BytesMut, flow_id: u32) -> Written {
    short(out, REPORT | kind::FLOW_ID, &flow_id.to_be_bytes())
}

/// A window in one byte if it fits.
pub(crate) fn put_window(out: &mut BytesMut, window: u32) -> Written {
    match u8::try_from(window) {
        Ok(window) => short(out, REPORT | kind::WINDOW, &[window]),
        Err(_) => short(out, REPORT | kind::WIDE_WINDOW, &window.to_be_bytes()),
    }
}
