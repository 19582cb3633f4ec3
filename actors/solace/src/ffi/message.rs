//! One guaranteed message on its way out, built with solace-rs and completed with what it lacks.
//! Does not send itself, and does not look into its payload.

use std::ffi::{CStr, CString};
use std::ptr;

use bytes::Bytes;
use solace_rs::message::outbound::MessageBuilderError;
use solace_rs::message::{
    DeliveryMode, DestinationType, Message, MessageDestination, OutboundMessage, OutboundMessageBuilder,
};
use solace_rs_sys as sys;
use tillstream_messages::TraceContext;

use super::error::Failure;

/// By this property a partitioned queue keeps messages of one key together.
const PARTITION_KEY: &CStr = c"JMSXGroupID";
/// Under the names of the headers, other readers of the message find the trace.
pub(super) const TRACE_PARENT: &CStr = c"traceparent";
pub(super) const TRACE_STATE: &CStr = c"tracestate";
/// Room for the map of user properties before the library makes more.
const PROPERTY_BYTES: u32 = 128;

/// All that a message says.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// Where it goes.
    pub topic: &'a str,
    /// The application's id, by which consumers drop repetitions.
    pub message_id: &'a str,
    /// Such as `application/json`.
    pub content_type: &'static CStr,
    /// Messages of one key stay in order on a partitioned queue.
    pub partition_key: &'a str,
    /// The trace of the request that caused it.
    pub trace: Option<&'a TraceContext>,
    /// The document.
    pub payload: &'a Bytes,
}

/// A persistent message that is ready to be sent, as often as need be.
pub struct OutgoingMessage(OutboundMessage);

/// A message that cannot be built, wherever it was to go.
#[derive(Debug, thiserror::Error)]
pub enum UnfitMessage {
    /// The broker knows no such topic: too long, or with a NUL byte in it.
    #[error("the topic of the message is longer than 250 bytes or holds a NUL byte")]
    Topic,
    /// The library has no room for it.
    #[error("the client library cannot build the message: {0}")]
    Library(String),
}

// === impl OutgoingMessage ===

impl OutgoingMessage {
    /// Builds it; `tag` comes back with the broker's word.
    pub fn build(contents: Contents<'_>, tag: u64) -> Result<Self, UnfitMessage> {
        let topic = CString::new(contents.topic).map_err(|_| UnfitMessage::Topic)?;
        let message = OutboundMessageBuilder::new()
            .delivery_mode(DeliveryMode::Persistent)
            // Version 0.8 takes every topic for a temporary one; on the wire they are the same.
            .destination(MessageDestination { dest_type: DestinationType::Topic, dest: topic })
            .application_id(contents.message_id)
            .payload(contents.payload.as_ref())
            .build()?;
        let built = Self(message);
        built.verify(contents)?;
        built.complete(contents, tag)?;
        Ok(built)
    }

    /// solace-rs does not look whether the library took what it sets; without memory, or with a long topic, it does not.
    /// Unseen, a sale would be acknowledged whose document is empty.
    fn verify(&self, contents: Contents<'_>) -> Result<(), UnfitMessage> {
        let destination = self.0.get_destination().ok().flatten();
        if destination.is_none_or(|destination| destination.dest.as_bytes() != contents.topic.as_bytes()) {
            return Err(UnfitMessage::Topic);
        }
        // A message without payload is not asked for it: the getter may make a slice of a null pointer.
        let payload = contents.payload.is_empty() || self.0.get_payload().ok().flatten() == Some(contents.payload);
        let id = self.0.get_application_message_id() == Some(contents.message_id);
        let mut mode = 0;
        // SAFETY: the message is valid, the place for its mode writable.
        Failure::unless_ok(unsafe { sys::solClient_msg_getDeliveryMode(self.raw(), &raw mut mode) })?;
        if payload && id && mode == sys::SOLCLIENT_DELIVERY_MODE_PERSISTENT {
            Ok(())
        } else {
            Err(UnfitMessage::Library("no memory left".to_owned()))
        }
    }

    /// What solace-rs cannot set.
    fn complete(&self, contents: Contents<'_>, tag: u64) -> Result<(), UnfitMessage> {
        let raw = self.raw();
        // SAFETY: the message is valid; the type ends with NUL; the tag's 8 bytes are readable; all are copied.
        unsafe {
            Failure::unless_ok(sys::solClient_msg_setDMQEligible(raw, 1))?;
            Failure::unless_ok(sys::solClient_msg_setHttpContentType(raw, contents.content_type.as_ptr()))?;
            let size = size_of_val(&tag).try_into().expect("8 fits");
            Failure::unless_ok(sys::solClient_msg_setCorrelationTag(raw, ptr::from_ref(&tag).cast(), size))?;
        }
        self.set_user_properties(contents)
    }

    fn set_user_properties(&self, contents: Contents<'_>) -> Result<(), UnfitMessage> {
        let parent = contents.trace.map(TraceContext::traceparent);
        let properties = [
            (PARTITION_KEY, Some(contents.partition_key)),
            (TRACE_PARENT, parent.as_deref()),
            (TRACE_STATE, contents.trace.and_then(TraceContext::tracestate)),
        ];
        let mut map = ptr::null_mut();
        // SAFETY: the message is valid and has no user properties yet; the map belongs to it and is closed before it is sent.
        unsafe {
            Failure::unless_ok(sys::solClient_msg_createUserPropertyMap(self.raw(), &raw mut map, PROPERTY_BYTES))?
        };
        let mut present = properties.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let added = present.try_for_each(|(name, value)| {
            let value = CString::new(value).map_err(|_| UnfitMessage::Library(format!("NUL in property {name:?}")))?;
            // SAFETY: the map is open; both texts end with NUL and are copied.
            let added = unsafe { sys::solClient_container_addString(map, value.as_ptr(), name.as_ptr()) };
            Ok(Failure::unless_ok(added)?)
        });
        // SAFETY: created above and closed once.
        unsafe { Failure::unless_ok(sys::solClient_container_closeMapStream(&raw mut map))? };
        added
    }

    /// Valid while `self` lives.
    pub(super) fn raw(&self) -> sys::solClient_opaqueMsg_pt {
        // SAFETY: the pointer is used by this module and the session only, while the message is borrowed.
        unsafe { self.0.get_raw_message_ptr() }
    }
}

impl From<Failure> for UnfitMessage {
    fn from(failure: Failure) -> Self {
        Self::Library(failure.to_string())
    }
}

impl From<MessageBuilderError> for UnfitMessage {
    fn from(error: MessageBuilderError) -> Self {
        Self::Library(error.to_string())
    }
}
