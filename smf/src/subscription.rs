//! Adding and removing a topic subscription of a client.
//! Does not check topics and does not know subscriptions made for queues or for other clients.

use bytes::{BufMut, BytesMut};

use crate::fault::{List, Malformed, Parameter};
use crate::params::{cut_array, terminated};
use crate::put::{self, Written, measure};

/// In the first byte: must be understood.
const MUST: u8 = 0x80;
const ADD: u8 = 0;
const REMOVE: u8 = 1;
/// In the flags: the sender waits for an answer.
const RESPONSE_REQUIRED: u8 = 0x08;

/// A client's wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Whether it begins or ends.
    pub action: Action,
    /// As they came; an answer repeats them.
    pub flags: SubscriptionFlags,
    /// May hold wildcards.
    pub topic: String,
}

/// What to do with a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Action {
    /// It begins.
    Add = ADD,
    /// It ends.
    Remove = REMOVE,
}

/// How a subscription is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscriptionFlags(pub u8);

/// A payload as far as it can be read without knowing its type.
pub(crate) struct Smp<'a> {
    pub(crate) kind: u8,
    pub(crate) flags: SubscriptionFlags,
    text: &'a [u8],
}

// === impl SubscriptionFlags ===

impl SubscriptionFlags {
    /// What clients send: a topic, and an answer is waited for.
    pub const USUAL: Self = Self(0x04 | RESPONSE_REQUIRED);

    /// Whether the client waits for an answer.
    pub fn response_required(self) -> bool {
        self.0 & RESPONSE_REQUIRED != 0
    }
}

// === impl Smp ===

impl<'a> Smp<'a> {
    pub(crate) fn read(payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = payload;
        let [first] = cut_array(List::Smp, &mut rest)?;
        let length = u32::from_be_bytes(cut_array(List::Smp, &mut rest)?) as usize;
        let [flags] = cut_array(List::Smp, &mut rest)?;
        let text = payload.get(6..length).ok_or(Malformed::CutShort(List::Smp))?;
        Ok(Self { kind: first & !MUST, flags: SubscriptionFlags(flags), text })
    }

    /// The subscription, if this is one of a known type.
    pub(crate) fn subscription(&self) -> Result<Option<Subscription>, Malformed> {
        let action = match self.kind {
            ADD => Action::Add,
            REMOVE => Action::Remove,
            _ => return Ok(None),
        };
        let topic = terminated(Parameter { list: List::Smp, kind: u16::from(self.kind) }, self.text)?;
        Ok(Some(Subscription { action, flags: self.flags, topic: topic.to_owned() }))
    }
}

// === impl Subscription ===

impl Subscription {
    pub(crate) fn put(&self, out: &mut BytesMut) -> Written {
        let start = out.len();
        out.put_slice(&[MUST | self.action as u8, 0, 0, 0, 0, self.flags.0]);
        put::terminated(out, &self.topic)?;
        measure(out, start, start + 1)
    }
}
