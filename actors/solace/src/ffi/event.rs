//! What a session tells: the library's records of events as values of ours.
//! Leaves out what no session here can cause, such as the end of a reconnect.

use solace_rs_sys as sys;

use super::error::{Failure, text_at};

/// What a session tells, on the thread of its context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// The login succeeded.
    Up,
    /// It did not, at no host of the list.
    ConnectFailed(Failure),
    /// The connection is lost, for good; nothing more is told about messages that are under way.
    Down(Failure),
    /// The broker takes no more guaranteed messages on this connection.
    PublishingDown(Failure),
    /// The broker has the message with this tag on disk.
    Acknowledged(u64),
    /// The broker refused the message with this tag.
    Rejected(u64, Failure),
    /// There is room again after [`super::Sent::NoRoom`].
    CanSend,
}

// === impl SessionEvent ===

impl SessionEvent {
    /// Nothing where the event means nothing here.
    ///
    /// # Safety
    /// The record comes from the library, during the callback that it was passed to.
    pub(super) unsafe fn read(event: &sys::solClient_session_eventCallbackInfo) -> Option<Self> {
        let tag = || {
            let tag = event.correlation_p.cast::<u64>();
            // SAFETY: not null, so it is the library's copy of the 8 bytes that were set; nothing says that it is aligned.
            (!tag.is_null()).then(|| unsafe { tag.read_unaligned() })
        };
        // SAFETY: the caller's promise: null or a text that ends with NUL.
        let failure =
            || Failure { response_code: event.responseCode, text: unsafe { text_at(event.info_p) }, ..Failure::last() };
        let told = match event.sessionEvent {
            sys::solClient_session_event_SOLCLIENT_SESSION_EVENT_ACKNOWLEDGEMENT => Self::Acknowledged(tag()?),
            sys::solClient_session_event_SOLCLIENT_SESSION_EVENT_REJECTED_MSG_ERROR => {
                Self::Rejected(tag()?, failure())
            }
            sys::solClient_session_event_SOLCLIENT_SESSION_EVENT_CAN_SEND => Self::CanSend,
            sys::solClient_session_event_SOLCLIENT_SESSION_EVENT_UP_NOTICE => Self::Up,
            sys::solClient_session_event_SOLCLIENT_SESSION_EVENT_DOWN_ERROR => Self::Down(failure()),
            sys::solClient_session_event_SOLCLIENT_SESSION_EVENT_CONNECT_FAILED_ERROR => Self::ConnectFailed(failure()),
            sys::solClient_session_event_SOLCLIENT_SESSION_EVENT_ASSURED_DELIVERY_DOWN => {
                Self::PublishingDown(failure())
            }
            _ => return None,
        };
        Some(told)
    }
}
