//! What broker and client say at login that they can do.
//! Does not choose: a broker announces exactly what it implements, because clients believe it.

use bytes::{BufMut, BytesMut};

use crate::client_ctrl::{next_wide, put_bytes};
use crate::fault::{List, Malformed};
use crate::params::{cut, cut_array, walk};
use crate::put::Written;

/// How many flags are defined.
const FLAGS: u8 = 27;

/// Types of the entries behind the flags.
mod kind {
    pub(super) const PORT_SPEED: u8 = 0;
    pub(super) const PORT_TYPE: u8 = 1;
    pub(super) const MAX_GUARANTEED: u8 = 2;
    pub(super) const MAX_DIRECT: u8 = 3;
}

/// One thing that a broker may be able to do; the number is the place of its flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Capability {
    /// Looking up names of objects.
    Jndi = 0,
    /// Compression.
    Compression = 1,
    /// Queue flows; without it a client cannot bind.
    GuaranteedConsume = 2,
    /// Queues that die with their client.
    TemporaryEndpoints = 3,
    /// Guaranteed messages from clients; with it a client opens a publisher's flow while it connects.
    GuaranteedPublish = 4,
    /// Looking at queues without consuming.
    Browse = 5,
    /// Creating and deleting queues.
    EndpointManagement = 6,
    /// Selectors.
    Selectors = 7,
    /// Messages of queues that expire.
    EndpointMessageTtl = 8,
    /// Subscriptions on queues.
    QueueSubscriptions = 9,
    /// Recovering a flow.
    FlowRecover = 10,
    /// Subscribing for others.
    SubscriptionManager = 11,
    /// Leaving out what is outdated.
    Eliding = 12,
    /// Transactions.
    Transactions = 13,
    /// Keeping a client's own messages from it.
    NoLocal = 14,
    /// Telling a flow whether it is the active one.
    ActiveFlowIndication = 15,
    /// Numbering per topic.
    TopicSequence = 16,
    /// Discard behaviour per queue.
    EndpointDiscard = 17,
    /// Delivery before storage.
    CutThrough = 18,
    /// OpenMAMA.
    OpenMama = 19,
    /// Replay.
    Replay = 20,
    /// Compression over TLS.
    CompressedSsl = 21,
    /// Selectors over 253 bytes.
    LongSelectors = 22,
    /// Subscriptions shared by several clients.
    SharedSubscriptions = 23,
    /// Errors of replay with an id.
    ReplayErrorId = 24,
    /// Failing and rejecting single messages.
    NegativeSettlement = 25,
    /// Extended parameters of any length.
    VarLenExtendedParameters = 26,
}

/// What a broker can do and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// Which things.
    pub flags: CapabilitySet,
    /// Shown to applications.
    pub port_speed: Option<u32>,
    /// Shown to applications.
    pub port_type: Option<u8>,
    /// Clients refuse larger guaranteed messages by themselves.
    pub max_guaranteed: Option<u32>,
    /// Clients refuse larger direct messages by themselves.
    pub max_direct: Option<u32>,
}

/// A set of capabilities; the flag with number 0 in the highest bit, as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapabilitySet(u32);

/// What a client can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientCapabilities {
    /// It waits for the answer to its unbind.
    pub unbind_ack: bool,
    /// It understands ids in errors of a bind.
    pub bind_error_ids: bool,
    /// It understands partitioned queues.
    pub partitioned_queues: bool,
}

// === impl CapabilitySet ===

impl CapabilitySet {
    /// Exactly these.
    pub fn of(all: &[Capability]) -> Self {
        Self(all.iter().fold(0, |flags, capability| flags | capability.flag()))
    }

    /// Whether that is among them.
    pub fn has(self, capability: Capability) -> bool {
        self.0 & capability.flag() != 0
    }
}

// === impl Capabilities ===

impl Capabilities {
    pub(crate) fn read(value: &[u8]) -> Result<Self, Malformed> {
        let mut rest = value;
        let [count] = cut_array(List::Capabilities, &mut rest)?;
        let packed = cut(List::Capabilities, &mut rest, usize::from(count).div_ceil(8))?;
        let flags = CapabilitySet(first_flags(count, packed));
        let mut capabilities = Self { flags, ..Self::default() };
        // Only a client reads this, and no entry here is worth more to it than the login.
        let entries = |rest: &mut _| next_wide(List::Capabilities, rest);
        walk(List::Capabilities, rest, entries, |raw| {
            match raw.parameter.kind as u8 {
                kind::PORT_SPEED => capabilities.port_speed = Some(raw.u32()?),
                kind::PORT_TYPE => capabilities.port_type = Some(raw.u8()?),
                kind::MAX_GUARANTEED => capabilities.max_guaranteed = Some(raw.u32()?),
                kind::MAX_DIRECT => capabilities.max_direct = Some(raw.u32()?),
                _ => {}
            }
            Ok(true)
        })?;
        Ok(capabilities)
    }

    pub(crate) fn put(&self, out: &mut BytesMut) -> Written {
        out.put_u8(FLAGS);
        out.put_u32(self.flags.0);
        put_bytes(out, kind::PORT_SPEED, self.port_speed.map(u32::to_be_bytes))?;
        put_bytes(out, kind::PORT_TYPE, self.port_type.map(u8::to_be_bytes))?;
        put_bytes(out, kind::MAX_GUARANTEED, self.max_guaranteed.map(u32::to_be_bytes))?;
        put_bytes(out, kind::MAX_DIRECT, self.max_direct.map(u32::to_be_bytes))
    }
}

/// The flags that are both stated and defined, the first in the highest bit.
fn first_flags(count: u8, packed: &[u8]) -> u32 {
    let mut word = [0; 4];
    let known = packed.len().min(word.len());
    word[..known].copy_from_slice(&packed[..known]);
    u32::from_be_bytes(word) & !(u32::MAX >> count.min(FLAGS))
}

// === impl Capability ===

impl Capability {
    fn flag(self) -> u32 {
        1 << (31 - self as u8)
    }
}

// === impl ClientCapabilities ===

impl ClientCapabilities {
    /// How many flags a client states.
    const FLAGS: u8 = 3;

    pub(crate) fn read(value: &[u8]) -> Result<Self, Malformed> {
        let mut rest = value;
        let [count] = cut_array(List::Capabilities, &mut rest)?;
        let packed = cut(List::Capabilities, &mut rest, usize::from(count).div_ceil(8))?;
        let flags = first_flags(count.min(Self::FLAGS), packed);
        let has = |place: u32| flags & 1 << (31 - place) != 0;
        Ok(Self { unbind_ack: has(0), bind_error_ids: has(1), partitioned_queues: has(2) })
    }

    pub(crate) fn packed(self) -> [u8; 2] {
        let flags = u8::from(self.unbind_ack) << 7
            | u8::from(self.bind_error_ids) << 6
            | u8::from(self.partitioned_queues) << 5;
        [Self::FLAGS, flags]
    }
}
