//! What can be wrong with bytes from the other side, and what the connection does about each.
//! Does not decide texts or codes of its own: a refusal uses answers that the client library is known to understand.

use std::fmt;

use crate::reply::Reply;

/// A stream that is out of step: close the connection, because nothing behind this can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Whoever speaks here does not speak SMF version 3; TLS and HTTP end up here.
    #[error("a frame of SMF version {0} instead of 3, close the connection")]
    Version(u8),
    /// Shorter than the fixed header, or a header longer than its frame.
    #[error("a header of {header} bytes in a frame of {total} bytes is impossible, close the connection")]
    Lengths {
        /// The header's length as stated.
        header: u32,
        /// The frame's length as stated.
        total: u32,
    },
    /// The header is over the limit.
    #[error("a header of {found} bytes is over the limit of {limit}, close the connection")]
    HeaderTooLong {
        /// Bytes as stated.
        found: u32,
        /// Bytes allowed.
        limit: usize,
    },
    /// The frame is over the limit for its kind.
    #[error("a frame of {found} bytes is over the limit of {limit}, close the connection")]
    FrameTooLong {
        /// Bytes as stated.
        found: u32,
        /// Bytes allowed.
        limit: usize,
    },
}

/// Why one whole frame is not taken. The stream itself is in step.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It breaks the protocol: close the connection, which loses nothing, because nothing of it was acknowledged.
    #[error("{0}, close the connection")]
    Malformed(#[from] Malformed),
    /// It is not understood and the sender does not mind or cannot be told: go on with the next frame.
    #[error("{0}, ignored")]
    Ignored(NotUnderstood),
    /// It is not understood and the sender wants to know: send the reply, go on with the next frame.
    #[error("{what}, refused")]
    Refused {
        /// What is not understood.
        what: NotUnderstood,
        /// The answer to send.
        reply: Box<Reply>,
    },
    /// A guaranteed message that is not understood: reject it when its turn comes. A rejection acknowledges every
    /// message before it, so one that overtakes their commit would lose them.
    #[error("message {message_id} of flow {flow_id}: {what}, reject it in its turn")]
    Rejected {
        /// What is not understood.
        what: NotUnderstood,
        /// The publisher's flow.
        flow_id: u32,
        /// The message.
        message_id: u64,
        /// The message before it on that flow.
        previous_id: u64,
    },
}

/// A rule of the protocol that a frame breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A parameter, or the list itself, is longer than what is there.
    #[error("{0} is cut short")]
    CutShort(List),
    /// More parameters than [`MAX_PARAMETERS`](crate::MAX_PARAMETERS).
    #[error("{0} has too many parameters")]
    TooMany(List),
    /// A value has another size than its type.
    #[error("{parameter} has a value of {found} bytes, which is not its size")]
    Size {
        /// Which parameter.
        parameter: Parameter,
        /// Bytes found.
        found: usize,
    },
    /// Not UTF-8, or a NUL at the wrong place, or none at the end.
    #[error("{0} is not a text that ends with NUL")]
    Text(Parameter),
    /// A value that has no meaning.
    #[error("{0} has a value without a meaning")]
    Value(Parameter),
    /// A parameter without which the frame means nothing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The payload's own version is one that nobody knows.
    #[error("{list} has version {found}, which is not known")]
    Version {
        /// Which payload.
        list: List,
        /// The version found.
        found: u8,
    },
}

/// Something that may be fine and is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotUnderstood {
    /// A whole protocol.
    #[error("protocol 0x{0:02x} is not understood")]
    Protocol(u8),
    /// A type of message within a protocol.
    #[error("type 0x{kind:02x} of protocol 0x{protocol:02x} is not understood")]
    Kind {
        /// The protocol.
        protocol: u8,
        /// The type.
        kind: u8,
    },
    /// One parameter.
    #[error("{0} is not understood")]
    Parameter(Parameter),
}

/// Where parameters stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// The frame's header, regular encoding.
    Header,
    /// The frame's header, light encoding.
    Light,
    /// The extended parameters inside the header.
    Extended,
    /// The payload of an AdCtrl frame.
    AdCtrl,
    /// The payload of a ClientCtrl frame.
    ClientCtrl,
    /// The capabilities inside a login's answer.
    Capabilities,
    /// The payload of an SMP frame.
    Smp,
}

/// Names a parameter in an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Where it stands.
    pub list: List,
    /// Its type there.
    pub kind: u16,
}

/// What the sender wants done with something that is not understood, in the order of severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Handling {
    /// Go on as if it were not there.
    Ignore,
    /// Ignore the message that holds it.
    IgnoreMessage,
    /// Ignore the message and say so.
    Report,
}

/// Something not understood together with what its sender wants done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unknown {
    pub(crate) handling: Handling,
    pub(crate) what: NotUnderstood,
}

/// Why a frame cannot be written. What was written before it stands, nothing of it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A value does not fit the field that states its length.
    #[error("a value of {found} bytes does not fit a frame, at most {limit} do")]
    TooLong {
        /// Bytes given.
        found: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// A text holds the byte that would end it.
    #[error("a text with NUL inside does not fit a frame, take it out")]
    Nul,
}

// === impl List ===

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Light => "light header",
            Self::Extended => "extended header",
            Self::AdCtrl => "AdCtrl",
            Self::ClientCtrl => "ClientCtrl",
            Self::Capabilities => "capabilities",
            Self::Smp => "SMP",
        })
    }
}

// === impl Parameter ===

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} parameter 0x{:02x}", self.list, self.kind)
    }
}

// === impl Handling ===

impl Handling {
    /// From the two highest bits of a byte. The fourth value has no meaning and gets the strictest treatment.
    pub(crate) fn of_two_bits(first: u8) -> Self {
        match first >> 6 {
            0 => Self::Ignore,
            1 => Self::IgnoreMessage,
            _ => Self::Report,
        }
    }

    /// From the highest bit of a byte, where there is only one.
    pub(crate) fn of_one_bit(first: u8) -> Self {
        if first & 0x80 == 0 { Self::Ignore } else { Self::Report }
    }
}

// === impl Unknown ===

impl Unknown {
    /// The one with the stricter wish; the first of two equal ones.
    pub(crate) fn stricter(first: Option<Self>, second: Option<Self>) -> Option<Self> {
        match (first, second) {
            (Some(one), Some(other)) if other.handling > one.handling => Some(other),
            (None, other) => other,
            (one, _) => one,
        }
    }
}
