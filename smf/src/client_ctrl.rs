//! The payload of ClientCtrl frames: who logs in, under which name, and who answers.
//! Does not read credentials, which stand in the frame's header.

use bytes::{BufMut, BytesMut};

use crate::capabilities::{Capabilities, ClientCapabilities};
use crate::fault::{Handling, List, Malformed, Parameter, Unknown};
use crate::login::AuthScheme;
use crate::params::{Raw, cut, cut_array, walk};
use crate::put::{Written, measure, some, terminated};

/// Types of ClientCtrl messages.
pub(crate) mod message {
    pub(crate) const LOGIN: u8 = 0;
    pub(crate) const UPDATE: u8 = 1;
}

/// Types of parameters.
pub(crate) mod kind {
    pub(crate) const SOFTWARE_VERSION: u8 = 0x00;
    pub(crate) const SOFTWARE_DATE: u8 = 0x01;
    pub(crate) const PLATFORM: u8 = 0x02;
    pub(crate) const USER_ID: u8 = 0x03;
    pub(crate) const DESCRIPTION: u8 = 0x04;
    pub(crate) const CLIENT_NAME: u8 = 0x05;
    pub(crate) const MESSAGE_VPN: u8 = 0x06;
    pub(crate) const P2P_TOPIC: u8 = 0x08;
    pub(crate) const ROUTER_CAPABILITIES: u8 = 0x09;
    pub(crate) const VIRTUAL_ROUTER: u8 = 0x0a;
    pub(crate) const ROUTER_NAME: u8 = 0x0c;
    pub(crate) const NO_LOCAL: u8 = 0x0f;
    pub(crate) const AUTH_SCHEME: u8 = 0x11;
    pub(crate) const CAPABILITIES_EXT: u8 = 0x13;
    pub(crate) const CLIENT_CAPABILITIES: u8 = 0x17;
    pub(crate) const KEEP_ALIVE: u8 = 0x18;
}

/// The only version of the payload.
const VERSION: u8 = 1;
/// In a parameter's first byte, and in a request's: must be understood.
pub(crate) const MUST: u8 = 0x80;

/// A payload, cut into its parts.
pub(crate) struct ClientCtrl<'a> {
    pub(crate) kind: u8,
    params: &'a [u8],
}

/// All parameters that somebody here wants to know.
#[derive(Default)]
pub(crate) struct Fields<'a> {
    pub(crate) software_version: Option<String>,
    pub(crate) software_date: Option<String>,
    pub(crate) platform: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) client_name: Option<&'a str>,
    pub(crate) message_vpn: Option<&'a str>,
    pub(crate) p2p_topic: Option<&'a str>,
    pub(crate) router_capabilities: Option<Capabilities>,
    pub(crate) virtual_router: Option<&'a str>,
    pub(crate) router_name: Option<&'a str>,
    pub(crate) no_local: Option<bool>,
    pub(crate) auth_scheme: Option<AuthScheme>,
    pub(crate) client_capabilities: Option<ClientCapabilities>,
    pub(crate) keep_alive_seconds: Option<u32>,
    /// The strictest of what was not understood.
    pub(crate) unknown: Option<Unknown>,
}

// === impl ClientCtrl ===

impl<'a> ClientCtrl<'a> {
    /// Cuts a payload; what follows its own length is not looked at.
    pub(crate) fn read(mut payload: &'a [u8]) -> Result<Self, Malformed> {
        let list = List::ClientCtrl;
        let [version, kind] = cut_array(list, &mut payload)?;
        let found = version & !MUST;
        if found != VERSION {
            return Err(Malformed::Version { list, found });
        }
        let length = u32::from_be_bytes(cut_array(list, &mut payload)?) as usize;
        let length = length.checked_sub(6).ok_or(Malformed::CutShort(list))?;
        Ok(Self { kind, params: cut(list, &mut payload, length)? })
    }

    /// Reads the parameters.
    pub(crate) fn fields(&self) -> Result<Fields<'a>, Malformed> {
        let mut fields = Fields::default();
        fields.unknown = walk(List::ClientCtrl, self.params, next, |raw| fields.take(raw))?;
        Ok(fields)
    }
}

fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<Raw<'a>>, Malformed> {
    next_wide(List::ClientCtrl, rest)
}

/// A parameter with a length of four bytes that counts the whole.
pub(crate) fn next_wide<'a>(list: List, rest: &mut &'a [u8]) -> Result<Option<Raw<'a>>, Malformed> {
    if rest.is_empty() {
        return Ok(None);
    }
    let [first] = cut_array(list, rest)?;
    let whole = u32::from_be_bytes(cut_array(list, rest)?) as usize;
    let value = cut(list, rest, whole.checked_sub(5).ok_or(Malformed::CutShort(list))?)?;
    let parameter = Parameter { list, kind: u16::from(first & !MUST) };
    Ok(Some(Raw { parameter, handling: Handling::of_one_bit(first), value }))
}

// === impl Fields ===

impl<'a> Fields<'a> {
    fn take(&mut self, raw: &Raw<'a>) -> Result<bool, Malformed> {
        match raw.parameter.kind as u8 {
            kind::SOFTWARE_VERSION => self.software_version = Some(raw.lossy()),
            kind::SOFTWARE_DATE => self.software_date = Some(raw.lossy()),
            kind::PLATFORM => self.platform = Some(raw.lossy()),
            kind::USER_ID => self.user_id = Some(raw.lossy()),
            kind::DESCRIPTION => self.description = Some(raw.lossy()),
            kind::CLIENT_NAME => self.client_name = Some(raw.text()?),
            kind::MESSAGE_VPN => self.message_vpn = Some(raw.text()?),
            kind::P2P_TOPIC => self.p2p_topic = Some(raw.text()?),
            kind::ROUTER_CAPABILITIES => self.router_capabilities = Some(Capabilities::read(raw.value)?),
            kind::VIRTUAL_ROUTER => self.virtual_router = Some(raw.text()?),
            kind::ROUTER_NAME => self.router_name = Some(raw.text()?),
            kind::NO_LOCAL => self.no_local = Some(raw.flag()?),
            kind::AUTH_SCHEME => self.auth_scheme = Some(AuthScheme::of_byte(raw.u8()?)),
            kind::CLIENT_CAPABILITIES => self.client_capabilities = Some(ClientCapabilities::read(raw.value)?),
            kind::KEEP_ALIVE => self.keep_alive_seconds = Some(raw.u32()?),
            // Known, and of no use: it changes nothing for any client seen.
            kind::CAPABILITIES_EXT => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// A payload whose first byte is `marks` beside the version.
pub(crate) fn put(out: &mut BytesMut, marks: u8, kind: u8, params: impl FnOnce(&mut BytesMut) -> Written) -> Written {
    let start = out.len();
    out.put_slice(&[marks | VERSION, kind, 0, 0, 0, 0]);
    params(out)?;
    measure(out, start, start + 2)
}

/// One parameter, written by `value`.
pub(crate) fn put_param(out: &mut BytesMut, first: u8, value: impl FnOnce(&mut BytesMut) -> Written) -> Written {
    let start = out.len();
    out.put_slice(&[first, 0, 0, 0, 0]);
    value(out)?;
    measure(out, start, start + 1)
}

/// A text, if there is one.
pub(crate) fn put_text(out: &mut BytesMut, first: u8, text: Option<&str>) -> Written {
    some(text, |text| put_param(out, first, |out| terminated(out, text)))
}

/// Plain bytes, if there are any.
pub(crate) fn put_bytes<const N: usize>(out: &mut BytesMut, first: u8, value: Option<[u8; N]>) -> Written {
    let Some(value) = value else { return Ok(()) };
    put_param(out, first, |out| {
        out.put_slice(&value);
        Ok(())
    })
}
