//! Cutting a stream of bytes into frames, before anybody looks inside them.
//! Does not read sockets and reserves nothing for bytes that are promised and not there.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use crate::fault::{FrameError, Handling};

/// Bytes at the start of every frame that say how long it is.
pub const FIXED_HEADER: usize = 12;
/// The only version of SMF in use.
const VERSION: u8 = 3;

/// Room for the header of a message, beside the payload.
const HEADER_ROOM: usize = 64 * 1024;

/// The protocols inside SMF.
pub(crate) mod protocol {
    pub(crate) const AD_CTRL: u8 = 0x09;
    pub(crate) const KEEP_ALIVE_V1: u8 = 0x0a;
    pub(crate) const KEEP_ALIVE_V2: u8 = 0x0b;
    pub(crate) const CLIENT_CTRL: u8 = 0x0c;
    pub(crate) const MESSAGE: u8 = 0x0d;
    pub(crate) const SMP: u8 = 0x0f;
}

/// How much one frame may claim. Over a limit means: close, before a byte of it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the header with all its parameters.
    pub max_header: usize,
    /// Bytes of a whole frame that carries no message: logins, binds, acknowledgements.
    pub max_control: usize,
    /// Bytes of a whole frame that carries a message.
    pub max_message: usize,
}

/// One whole frame, not looked into. It shares memory with the buffer that it was cut from: copy what you keep for long.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// From the first byte to the last, lengths checked.
    raw: Bytes,
    /// Where the payload starts.
    header: usize,
}

// === impl Limits ===

impl Limits {
    /// For messages whose payload has at most `payload` bytes.
    pub const fn for_payload(payload: usize) -> Self {
        let max_message = payload.saturating_add(HEADER_ROOM);
        Self { max_header: HEADER_ROOM, max_control: HEADER_ROOM, max_message }
    }

    fn of_protocol(&self, protocol: u8) -> usize {
        if protocol == protocol::MESSAGE { self.max_message } else { self.max_control }
    }
}

// === impl Frame ===

impl Frame {
    /// Cuts the first frame off the buffer; nothing if more bytes must come first. An error leaves the buffer alone.
    pub fn take_from(buffer: &mut BytesMut, limits: &Limits) -> Result<Option<Self>, FrameError> {
        let Some(fixed) = buffer.first_chunk::<FIXED_HEADER>() else { return Ok(None) };
        let (header, total) = lengths(fixed, limits)?;
        if buffer.len() < total {
            return Ok(None);
        }
        Ok(Some(Self { raw: buffer.split_to(total).freeze(), header }))
    }

    /// The whole frame as it came. A message without guarantee is passed on like this, to whoever subscribed.
    pub fn bytes(&self) -> &Bytes {
        &self.raw
    }

    /// Which protocol it belongs to.
    pub fn protocol(&self) -> u8 {
        self.raw[1] & 0x3f
    }

    /// What its sender wants done if the protocol is not understood.
    pub fn handling(&self) -> Handling {
        Handling::of_two_bits(self.raw[1])
    }

    /// What follows the header.
    pub fn payload(&self) -> Bytes {
        self.raw.slice(self.header..)
    }

    /// The payload without taking a share in it.
    pub(crate) fn body(&self) -> &[u8] {
        &self.raw[self.header..]
    }

    /// The header's parameters.
    pub(crate) fn params(&self) -> &[u8] {
        &self.raw[FIXED_HEADER..self.header]
    }

    /// The flags beside the version.
    pub(crate) fn flags(&self) -> u8 {
        self.raw[0]
    }

    /// The class of service, 0 to 2.
    pub(crate) fn class_of_service(&self) -> u8 {
        self.raw[2] >> 4
    }

    /// A share of the frame's own memory.
    pub(crate) fn share(&self, part: &[u8]) -> Bytes {
        self.raw.slice_ref(part)
    }
}

/// Lengths and not bytes: a login holds a password.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Frame");
        out.field("protocol", &self.protocol()).field("header", &self.header).field("total", &self.raw.len());
        out.finish_non_exhaustive()
    }
}

/// Header and total length, both possible and within the limits.
fn lengths(fixed: &[u8; FIXED_HEADER], limits: &Limits) -> Result<(usize, usize), FrameError> {
    let version = fixed[0] & 0x07;
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    let mut numbers = &fixed[4..];
    let (header, total) = (numbers.get_u32(), numbers.get_u32());
    if (header as usize) < FIXED_HEADER || total < header {
        return Err(FrameError::Lengths { header, total });
    }
    if header as usize > limits.max_header {
        return Err(FrameError::HeaderTooLong { found: header, limit: limits.max_header });
    }
    let limit = limits.of_protocol(fixed[1] & 0x3f);
    if total as usize > limit {
        return Err(FrameError::FrameTooLong { found: total, limit });
    }
    Ok((header as usize, total as usize))
}
