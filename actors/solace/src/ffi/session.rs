//! One login at the broker: sends messages and tells what happens to them and to itself.
//! Never tries again: a session that is down stays down, and whoever owns it makes another.

use std::ffi::c_void;
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::thread;

use solace_rs_sys as sys;
use tracing::debug;

use super::context::Context;
use super::error::{Failure, Poison};
use super::event::SessionEvent;
use super::message::OutgoingMessage;
use super::options::SessionOptions;
use super::properties::Properties;
use crate::access::Access;
use crate::metrics::SESSIONS;

/// Whether a message is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The library has a copy, and an event will tell its fate.
    Taken,
    /// Not sent; to be sent again after [`SessionEvent::CanSend`].
    NoRoom,
}

/// A session, shared by all that is built on it; the last owner's drop closes it on a thread of its own.
#[derive(Clone)]
pub struct Session(Arc<Owned>);

/// Moves what it holds to another thread when it is dropped.
struct Owned(Option<Open>);

/// Closing waits for the broker, so this is dropped on a thread that may wait.
struct Open {
    raw: Raw,
    /// Below `raw`: callbacks end when the session is destroyed, and only then what they point to. Not a box, because the
    /// owner of a box claims to be the only one who looks into it.
    callbacks: Arc<Callbacks>,
    /// Last, because the session lives in it.
    _context: Context,
}

struct Raw(sys::solClient_opaqueSession_pt);

struct Callbacks {
    on_event: Box<dyn Fn(SessionEvent) + Send + Sync>,
    poison: Poison,
}

// SAFETY: the pointer is a checked handle; the library allows its calls on any thread and locks inside.
unsafe impl Send for Raw {}
// SAFETY: as above.
unsafe impl Sync for Raw {}

// === impl Session ===

impl Session {
    /// Starts to log in; `Up` or `ConnectFailed` follows. May look up host names, so call it where waiting is allowed.
    ///
    /// `on_event` runs on the context's thread: it hands on and returns.
    pub fn open(
        access: &Access,
        options: &SessionOptions,
        on_event: impl Fn(SessionEvent) + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let context = Context::new()?;
        let callbacks = Arc::new(Callbacks { on_event: Box::new(on_event), poison: Poison::default() });
        let raw = Raw::create(&context, options.properties(access)?, &callbacks)?;
        let session = Self(Arc::new(Owned(Some(Open { raw, callbacks, _context: context }))));
        session.connect()?;
        Ok(session)
    }

    fn connect(&self) -> Result<(), Failure> {
        // SAFETY: the handle is valid while `self` lives; connecting does not wait for the broker by its properties.
        match unsafe { sys::solClient_session_connect(self.raw()) } {
            sys::solClient_returnCode_SOLCLIENT_OK | sys::solClient_returnCode_SOLCLIENT_IN_PROGRESS => Ok(()),
            _ => Err(Failure::last()),
        }
    }

    /// Sends without waiting; the library copies the message.
    pub fn send(&self, message: &OutgoingMessage) -> Result<Sent, Failure> {
        // SAFETY: both handles are valid during the call; sending does not wait by the session's properties.
        let code = unsafe { sys::solClient_session_sendMsg(self.raw(), message.raw()) };
        match code {
            sys::solClient_returnCode_SOLCLIENT_OK | sys::solClient_returnCode_SOLCLIENT_IN_PROGRESS => Ok(Sent::Taken),
            sys::solClient_returnCode_SOLCLIENT_WOULD_BLOCK => Ok(Sent::NoRoom),
            _ => Err(Failure::last()),
        }
    }

    /// Whether a callback panicked: then an event may be lost and the session must be given up.
    pub fn is_poisoned(&self) -> bool {
        self.parts().callbacks.poison.is_poisoned()
    }

    /// For what is built on a session; valid while a clone of the session lives.
    pub(super) fn raw(&self) -> sys::solClient_opaqueSession_pt {
        self.parts().raw.0
    }

    fn parts(&self) -> &Open {
        self.0.0.as_ref().expect("it is taken only when the last owner is dropped")
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("handle", &self.raw()).finish()
    }
}

// === impl Owned ===

impl Drop for Owned {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let closing = thread::Builder::new().name("solace-close".to_owned());
        // Without a thread the closure is dropped here, and the session with it: slow, but not leaked.
        if let Err(error) = closing.spawn(move || drop(open)) {
            debug!(%error, "a session was closed without a thread of its own");
        }
    }
}

// === impl Raw ===

impl Raw {
    fn create(context: &Context, properties: Properties, callbacks: &Arc<Callbacks>) -> Result<Self, Failure> {
        let user = Arc::as_ptr(callbacks).cast_mut().cast::<c_void>();
        let mut functions = sys::solClient_session_createFuncInfo {
            // The library's older interface, which takes no messages but buffers.
            rxInfo: sys::solClient_session_createRxCallbackFuncInfo {
                callback_p: ptr::null_mut(),
                user_p: ptr::null_mut(),
            },
            eventInfo: sys::solClient_session_createEventCallbackFuncInfo { callback_p: Some(on_event), user_p: user },
            rxMsgInfo: sys::solClient_session_createRxMsgCallbackFuncInfo {
                callback_p: Some(on_message),
                user_p: ptr::null_mut(),
            },
        };
        let (mut raw, size) = (ptr::null_mut(), size_of_val(&functions));
        let code = properties.lend(|list| {
            // SAFETY: the context is valid; list and functions are copied during the call and the functions' size is told.
            // What `user` points to is shared by the session's owner and dropped after it.
            unsafe { sys::solClient_session_create(list, context.raw(), &raw mut raw, &raw mut functions, size) }
        });
        Failure::unless_ok(code)?;
        SESSIONS.inc();
        Ok(Self(raw))
    }
}

impl Drop for Raw {
    /// Waits up to 20 s for the broker's word about flows.
    fn drop(&mut self) {
        // SAFETY: created by `create`, owned by this value alone and destroyed once, here; no callback runs afterwards.
        // Neither call is made in a callback, because callbacks own no session.
        unsafe {
            sys::solClient_session_disconnect(self.0);
            sys::solClient_session_destroy(&raw mut self.0);
        }
        SESSIONS.dec();
    }
}

// === callbacks ===

unsafe extern "C" fn on_event(
    _: sys::solClient_opaqueSession_pt,
    event: sys::solClient_session_eventCallbackInfo_pt,
    user: *mut c_void,
) {
    // SAFETY: `user` is what `Raw::create` gave: it lives beside the session and is dropped only after that is destroyed.
    let Some(callbacks) = (unsafe { user.cast::<Callbacks>().as_ref() }) else { return };
    // SAFETY: the library passes a record that is valid during the call.
    let Some(event) = (unsafe { event.as_ref() }) else { return };
    callbacks.poison.guard((), || {
        // SAFETY: the record's pointers are valid during the call; tags are what `OutgoingMessage` sets.
        if let Some(told) = unsafe { SessionEvent::read(event) } {
            (callbacks.on_event)(told);
        }
    });
}

/// Nothing is subscribed to but the session's own inbox: whatever comes there is given back to the library.
unsafe extern "C" fn on_message(
    _: sys::solClient_opaqueSession_pt,
    _: sys::solClient_opaqueMsg_pt,
    _: *mut c_void,
) -> sys::solClient_rxMsgCallback_returnCode_t {
    sys::solClient_rxMsgCallback_returnCode_SOLCLIENT_CALLBACK_OK
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::{Duration, Instant};

    use bytes::Bytes;
    use tillstream_messages::{SecretEntry, SecretTree};

    use super::*;
    use crate::ffi::Contents;
    use crate::scripted::{Script, ScriptedBroker};
    use crate::settings::SolaceSettings;

    const WITHIN: Duration = Duration::from_secs(30);

    fn access(broker: &ScriptedBroker) -> Access {
        let keys = [("username", "till"), ("password", "secret")];
        let keys = keys.map(|(key, value)| (key.to_owned(), value.into())).into();
        let entry = SecretEntry::new(1, chrono::DateTime::UNIX_EPOCH, keys);
        let tree = SecretTree { entries: [("creds".to_owned(), entry)].into() };
        let vpn = Some("tills".to_owned());
        let settings = SolaceSettings { host: Some(broker.url()), vpn, ..SolaceSettings::default() };
        Access::of(&settings, &tree, "creds").unwrap()
    }

    fn options() -> SessionOptions {
        SessionOptions {
            client_name: crate::client_name::client_name("test", "session"),
            publish_window: 255,
            connect_within: Duration::from_secs(5),
            keep_alive: Duration::from_secs(1),
        }
    }

    fn until(what: &str, condition: impl Fn() -> bool) {
        let (_hold, never) = channel::<()>();
        let since = Instant::now();
        while !condition() {
            assert!(since.elapsed() < WITHIN, "never came true: {what}");
            assert_eq!(never.recv_timeout(Duration::from_millis(2)), Err(RecvTimeoutError::Timeout));
        }
    }

    fn message(tag: u64) -> OutgoingMessage {
        let payload = Bytes::from_static(b"{}");
        let contents = Contents {
            topic: "sale/1",
            message_id: "1",
            content_type: c"application/json",
            partition_key: "1",
            trace: None,
            payload: &payload,
        };
        OutgoingMessage::build(contents, tag).unwrap()
    }

    #[test]
    fn a_panic_in_a_callback_ends_neither_the_process_nor_the_librarys_thread_and_is_remembered() {
        let broker = ScriptedBroker::start(Script::default());
        let (teller, events) = channel();
        let session = Session::open(&access(&broker), &options(), move |event| {
            assert_ne!(event, SessionEvent::Acknowledged(1), "a callback that panics");
            teller.send(event).unwrap();
        })
        .unwrap();
        assert_eq!(events.recv_timeout(WITHIN), Ok(SessionEvent::Up));
        assert!(!session.is_poisoned());

        assert_eq!(session.send(&message(1)), Ok(Sent::Taken));
        until("the panic is remembered", || session.is_poisoned());
        assert_eq!(session.send(&message(2)), Ok(Sent::Taken));

        assert_eq!(events.recv_timeout(WITHIN), Ok(SessionEvent::Acknowledged(2)));
        drop(session);
        until("the session is closed", || broker.open() == 0);
        assert_eq!(events.recv_timeout(WITHIN), Err(RecvTimeoutError::Disconnected), "the callback is not freed");
    }

    #[test]
    fn a_session_closes_with_its_last_owner_and_no_earlier() {
        let broker = ScriptedBroker::start(Script::default());
        let (teller, events) = channel();
        let session = Session::open(&access(&broker), &options(), move |event| teller.send(event).unwrap()).unwrap();
        assert_eq!(events.recv_timeout(WITHIN), Ok(SessionEvent::Up));
        let other = session.clone();

        drop(session);
        assert_eq!(other.send(&message(1)), Ok(Sent::Taken));
        assert_eq!(events.recv_timeout(WITHIN), Ok(SessionEvent::Acknowledged(1)));
        drop(other);

        until("the session is closed", || broker.open() == 0);
    }
}
