//! One message of a queue, as the library hands it over: what is read of it at once, and its payload where it lies.
//! Settles nothing, and does not know which flow delivered it.

use std::borrow::Cow;
use std::ffi::CStr;
use std::ptr;
use std::sync::Arc;

use bytes::Bytes;
use solace_rs::message::{InboundMessage, Message};
use solace_rs_sys as sys;
use tillstream_messages::TraceContext;

use super::error::Failure;
use super::message::{TRACE_PARENT, TRACE_STATE};

/// One message of a queue.
#[derive(Debug)]
pub struct Delivered {
    /// Names it on this flow, until it is settled.
    pub id: u64,
    /// Where it was published to; of a queue its name.
    pub topic: Arc<str>,
    /// The library's own copy, shared and not copied again.
    pub payload: Bytes,
    /// The broker delivered it before, or tried to.
    pub redelivered: bool,
    /// The trace that its user properties name; none when they name an invalid one.
    pub trace: Option<TraceContext>,
}

/// Frees the library's message when the last share of its payload is dropped.
struct Payload(InboundMessage);

/// The user properties of a message, open to be read.
struct UserProperties<'a> {
    raw: sys::solClient_opaqueContainer_pt,
    _message: &'a InboundMessage,
}

// === impl Delivered ===

impl Delivered {
    pub(super) fn read(message: InboundMessage) -> Result<Self, Failure> {
        // SAFETY: used below while `message` is owned here, by functions that only read.
        let raw = unsafe { message.get_raw_message_ptr() };
        let mut id = 0;
        // SAFETY: the message is valid, the place for its id writable.
        Failure::unless_ok(unsafe { sys::solClient_msg_getMsgId(raw, &raw mut id) })?;
        // SAFETY: the message is valid.
        let redelivered = unsafe { sys::solClient_msg_isRedelivered(raw) } != 0;
        let topic = destination(&message)?;
        let trace = UserProperties::of(&message).and_then(|properties| properties.trace());
        Ok(Self { id, topic, payload: Bytes::from_owner(Payload(message)), redelivered, trace })
    }
}

/// `solace-rs` would copy it into a C string first.
fn destination(message: &InboundMessage) -> Result<Arc<str>, Failure> {
    let mut destination = sys::solClient_destination_t { destType: 0, dest: ptr::null() };
    let size = size_of_val(&destination);
    // SAFETY: the message is valid, the place for its destination writable and of the size that is told.
    Failure::unless_ok(unsafe {
        sys::solClient_msg_getDestination(message.get_raw_message_ptr(), &raw mut destination, size)
    })?;
    if destination.dest.is_null() {
        return Err(Failure::of(0, "a message without a destination was delivered"));
    }
    // SAFETY: not null; the text ends with NUL and lives as long as the message.
    let text = unsafe { CStr::from_ptr(destination.dest) }.to_string_lossy();
    Ok(match text {
        Cow::Borrowed(text) => text.into(),
        Cow::Owned(text) => text.into(),
    })
}

// === impl Payload ===

impl AsRef<[u8]> for Payload {
    /// Empty where there is none. The bytes stay where they are until the message is freed.
    fn as_ref(&self) -> &[u8] {
        let (mut start, mut length) = (ptr::null_mut(), 0);
        // SAFETY: the message is valid, both places are writable.
        let code = unsafe {
            sys::solClient_msg_getBinaryAttachmentPtr(self.0.get_raw_message_ptr(), &raw mut start, &raw mut length)
        };
        if code != sys::solClient_returnCode_SOLCLIENT_OK || start.is_null() {
            return &[];
        }
        let length = usize::try_from(length).expect("32 bits fit");
        // SAFETY: the library's own bytes, which it changes no more and frees with the message, which `self` owns.
        unsafe { std::slice::from_raw_parts(start.cast(), length) }
    }
}

// === impl UserProperties ===

impl<'a> UserProperties<'a> {
    /// None where the message has none: then nothing is looked for and nothing copied.
    fn of(message: &'a InboundMessage) -> Option<Self> {
        let mut raw = ptr::null_mut();
        // SAFETY: the message is valid and lives longer than the map, the place for the map's handle is writable.
        let code = unsafe { sys::solClient_msg_getUserPropertyMap(message.get_raw_message_ptr(), &raw mut raw) };
        (code == sys::solClient_returnCode_SOLCLIENT_OK).then_some(Self { raw, _message: message })
    }

    fn trace(&self) -> Option<TraceContext> {
        TraceContext::parse(self.text(TRACE_PARENT)?, self.text(TRACE_STATE).unwrap_or_default())
    }

    /// None where there is no such property, or one that is no text.
    fn text(&self, name: &CStr) -> Option<&str> {
        let mut text = ptr::null();
        // SAFETY: the map is open while `self` lives, the name ends with NUL, the place for the text is writable.
        let code = unsafe { sys::solClient_container_getStringPtr(self.raw, &raw mut text, name.as_ptr()) };
        if code != sys::solClient_returnCode_SOLCLIENT_OK || text.is_null() {
            return None;
        }
        // SAFETY: not null; the text ends with NUL and lies in the message, which lives longer than `self` and is not changed.
        unsafe { CStr::from_ptr(text) }.to_str().ok()
    }
}

impl Drop for UserProperties<'_> {
    fn drop(&mut self) {
        // SAFETY: opened by `of`, owned by this value alone and closed once, here.
        unsafe { sys::solClient_container_closeMapStream(&raw mut self.raw) };
    }
}
