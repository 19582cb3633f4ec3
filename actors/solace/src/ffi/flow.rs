//! One flow: what a queue delivers to a session, until it is unbound or lost.
//! Never binds again, keeps no message, and does not know how many may be open.

use std::ffi::c_void;
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use solace_rs::message::InboundMessage;
use solace_rs_sys as sys;

use super::delivered::Delivered;
use super::error::{Failure, Poison, text_at};
use super::properties::{Properties, constant};
use super::session::Session;

#[cfg(test)]
mod tests;

/// What the library may have under way to it before it says that it has got something; its own limit.
const TRANSPORT_WINDOW: &str = "255";
/// The library collects acknowledgements for so long before it sends them.
const ACKNOWLEDGE_WITHIN_MS: &str = "100";

/// How to bind.
#[derive(Debug, Clone)]
pub struct FlowOptions {
    /// The durable queue.
    pub queue: String,
    /// How many messages may be open: delivered and not settled.
    pub max_unacked: usize,
    /// How long the broker may take to answer.
    pub bind_within: Duration,
    /// Whether [`Outcome::Failed`] and [`Outcome::Rejected`] are wanted; then every settlement travels alone.
    pub settles: bool,
}

/// What a flow tells, on the thread of its session's context.
#[derive(Debug)]
pub enum FlowEvent {
    /// The broker has bound it.
    Bound,
    /// From now on the queue's messages come here.
    Active,
    /// From now on they go to another consumer.
    Inactive,
    /// The broker refused to bind it.
    Refused(Failure),
    /// The broker unbound it, or its session is down.
    Down(Failure),
    /// A message.
    Message(Delivered),
}

/// What became of a message.
///
/// No consumer of this service fails or rejects one: poison is published with its reason to `{p}/rejected/{queue}` and then
/// accepted, which says more than a dead message does; and a flow that settles sends every acceptance in a frame of its own
/// (docs/adr/0012).
#[cfg_attr(not(test), expect(dead_code, reason = "see above; what the library offers stays proven"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done; it leaves the queue.
    Accepted,
    /// Not now; it comes again.
    Failed,
    /// Never; it goes where the queue sends its dead messages.
    Rejected,
}

/// Owns a flow. Its drop sends what is due, unbinds, and must not happen in a callback.
pub struct Flow {
    raw: sys::solClient_opaqueFlow_pt,
    /// Below `raw`: dropped after the flow is destroyed, when nobody is called any more. Not a box, because the owner
    /// of a box claims to be the only one who looks into it.
    _callbacks: Arc<Callbacks>,
    /// A flow must not outlive its session.
    _session: Session,
}

struct Callbacks {
    on_event: Box<dyn Fn(FlowEvent) + Send + Sync>,
    poison: Poison,
}

// SAFETY: the pointer is a checked handle; the library allows its calls on any thread and locks inside.
unsafe impl Send for Flow {}
// SAFETY: as above.
unsafe impl Sync for Flow {}

// === impl Flow ===

impl Flow {
    /// Starts to bind; `Bound` or `Refused` follows. `on_event` runs on the context's thread: it hands on and returns.
    pub fn bind(
        session: &Session,
        options: &FlowOptions,
        on_event: impl Fn(FlowEvent) + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        Self::open(session, options, true, on_event)
    }

    /// The same, but no message comes until it is started: to see whether the queue can be bound.
    pub fn bind_stopped(
        session: &Session,
        options: &FlowOptions,
        on_event: impl Fn(FlowEvent) + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        Self::open(session, options, false, on_event)
    }

    fn open(
        session: &Session,
        options: &FlowOptions,
        starts: bool,
        on_event: impl Fn(FlowEvent) + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let tells_activity = offers(session, sys::SOLCLIENT_SESSION_CAPABILITY_ACTIVE_FLOW_INDICATION);
        let settles = options.settles && offers(session, sys::SOLCLIENT_SESSION_CAPABILITY_AD_APP_ACK_FAILED);
        let mut properties = properties(options, tells_activity, settles)?;
        properties.switch(sys::SOLCLIENT_FLOW_PROP_START_STATE, starts)?;
        let on_event = move |event| match event {
            // A broker that does not say who is active has one kind of consumer only.
            FlowEvent::Bound if !tells_activity => {
                [FlowEvent::Bound, FlowEvent::Active].into_iter().for_each(&on_event)
            }
            event => on_event(event),
        };
        let callbacks = Arc::new(Callbacks { on_event: Box::new(on_event), poison: Poison::default() });
        let raw = create(session, properties, &callbacks)?;
        Ok(Self { raw, _callbacks: callbacks, _session: session.clone() })
    }

    /// Settles one message. One that is not open any more is ignored by the library.
    pub fn settle(&self, id: u64, outcome: Outcome) -> Result<(), Failure> {
        // SAFETY: the handle is valid while `self` lives.
        Failure::unless_ok(match outcome {
            Outcome::Accepted => unsafe { sys::solClient_flow_sendAck(self.raw, id) },
            Outcome::Failed | Outcome::Rejected => unsafe {
                sys::solClient_flow_settleMsg(self.raw, id, outcome.as_told())
            },
        })
    }

    /// Asks the broker for no more messages; what is on its way still comes.
    pub fn stop(&self) -> Result<(), Failure> {
        // SAFETY: the handle is valid while `self` lives.
        Failure::unless_ok(unsafe { sys::solClient_flow_stop(self.raw) })
    }

    /// Asks it for more.
    pub fn start(&self) -> Result<(), Failure> {
        // SAFETY: the handle is valid while `self` lives.
        Failure::unless_ok(unsafe { sys::solClient_flow_start(self.raw) })
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        // SAFETY: created by `bind`, owned by this value alone and destroyed once, here; no callback runs afterwards.
        // The session outlives it, because the field that holds it is dropped later.
        unsafe { sys::solClient_flow_destroy(&raw mut self.raw) };
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flow").field("handle", &self.raw).finish_non_exhaustive()
    }
}

fn offers(session: &Session, capability: &'static [u8]) -> bool {
    // SAFETY: the session is valid and the capability's name ends with NUL.
    unsafe { sys::solClient_session_isCapable(session.raw(), constant(capability)) != 0 }
}

fn properties(options: &FlowOptions, tells_activity: bool, settles: bool) -> Result<Properties, Failure> {
    let mut list = Properties::default();
    list.set(sys::SOLCLIENT_FLOW_PROP_BIND_ENTITY_ID, "2")?;
    list.set(sys::SOLCLIENT_FLOW_PROP_BIND_NAME, options.queue.as_str())?;
    list.switch(sys::SOLCLIENT_FLOW_PROP_BIND_ENTITY_DURABLE, true)?;
    list.set(sys::SOLCLIENT_FLOW_PROP_ACKMODE, "2")?;
    list.set(sys::SOLCLIENT_FLOW_PROP_WINDOWSIZE, TRANSPORT_WINDOW)?;
    list.set(sys::SOLCLIENT_FLOW_PROP_MAX_UNACKED_MESSAGES, options.max_unacked.to_string())?;
    list.set(sys::SOLCLIENT_FLOW_PROP_ACK_TIMER_MS, ACKNOWLEDGE_WITHIN_MS)?;
    list.switch(sys::SOLCLIENT_FLOW_PROP_ACTIVE_FLOW_IND, tells_activity)?;
    list.switch(sys::SOLCLIENT_FLOW_PROP_REQUIRED_OUTCOME_FAILED, settles)?;
    list.switch(sys::SOLCLIENT_FLOW_PROP_REQUIRED_OUTCOME_REJECTED, settles)?;
    // Nothing waits, and nothing is tried again behind our back: what is delivered after a second bind is another epoch.
    list.switch(sys::SOLCLIENT_FLOW_PROP_BIND_BLOCKING, false)?;
    list.set(sys::SOLCLIENT_FLOW_PROP_BIND_TIMEOUT_MS, options.bind_within.as_millis().to_string())?;
    list.set(sys::SOLCLIENT_FLOW_PROP_MAX_BIND_TRIES, "1")?;
    list.set(sys::SOLCLIENT_FLOW_PROP_MAX_RECONNECT_TRIES, "0")?;
    Ok(list)
}

fn create(
    session: &Session,
    properties: Properties,
    callbacks: &Arc<Callbacks>,
) -> Result<sys::solClient_opaqueFlow_pt, Failure> {
    let user = Arc::as_ptr(callbacks).cast_mut().cast::<c_void>();
    let mut functions = sys::solClient_flow_createFuncInfo {
        // The library's older interface, which takes no messages but buffers.
        rxInfo: sys::solClient_flow_createRxCallbackFuncInfo { callback_p: ptr::null_mut(), user_p: ptr::null_mut() },
        eventInfo: sys::solClient_flow_createEventCallbackFuncInfo { callback_p: Some(on_event), user_p: user },
        rxMsgInfo: sys::solClient_flow_createRxMsgCallbackFuncInfo { callback_p: Some(on_message), user_p: user },
    };
    let (mut raw, size) = (ptr::null_mut(), size_of_val(&functions));
    let code = properties.lend(|list| {
        // SAFETY: the session is valid; list and functions are copied during the call and the functions' size is told. What
        // `user` points to is held beside the flow and dropped after it is destroyed.
        unsafe { sys::solClient_session_createFlow(list, session.raw(), &raw mut raw, &raw mut functions, size) }
    });
    match code {
        sys::solClient_returnCode_SOLCLIENT_OK | sys::solClient_returnCode_SOLCLIENT_IN_PROGRESS => Ok(raw),
        _ => Err(Failure::last()),
    }
}

// === impl Outcome ===

impl Outcome {
    const fn as_told(self) -> sys::solClient_msgOutcome_t {
        match self {
            Self::Accepted => sys::solClient_msgOutcome_SOLCLIENT_OUTCOME_ACCEPTED,
            Self::Failed => sys::solClient_msgOutcome_SOLCLIENT_OUTCOME_FAILED,
            Self::Rejected => sys::solClient_msgOutcome_SOLCLIENT_OUTCOME_REJECTED,
        }
    }
}

// === impl Callbacks ===

impl Callbacks {
    /// Hands on what `read` finds. A panic on the way may have lost it, so then the flow is down.
    fn tell(&self, read: impl FnOnce() -> Option<FlowEvent>) {
        self.poison.guard((), || read().into_iter().for_each(|event| (self.on_event)(event)));
        if self.poison.is_poisoned() {
            let failure = Failure::of(0, "a callback failed; what it was told is lost");
            self.poison.guard((), || (self.on_event)(FlowEvent::Down(failure)));
        }
    }
}

// === callbacks ===

unsafe extern "C" fn on_event(
    _: sys::solClient_opaqueFlow_pt,
    event: sys::solClient_flow_eventCallbackInfo_pt,
    user: *mut c_void,
) {
    // SAFETY: `user` is what `create` gave, boxed beside the flow and dropped only after it is destroyed.
    let Some(callbacks) = (unsafe { user.cast::<Callbacks>().as_ref() }) else { return };
    // SAFETY: the library passes a record that is valid during the call.
    let Some(event) = (unsafe { event.as_ref() }) else { return };
    // SAFETY: the record's text is valid during the call.
    callbacks.tell(|| unsafe { read(event) });
}

/// # Safety
/// The record comes from the library, during the callback that it was passed to.
unsafe fn read(event: &sys::solClient_flow_eventCallbackInfo) -> Option<FlowEvent> {
    // SAFETY: the caller's promise: null or a text that ends with NUL.
    let text = || unsafe { text_at(event.info_p) };
    let failure = || Failure { response_code: event.responseCode, text: text(), ..Failure::last() };
    let told = match event.flowEvent {
        sys::solClient_flow_event_SOLCLIENT_FLOW_EVENT_UP_NOTICE => FlowEvent::Bound,
        sys::solClient_flow_event_SOLCLIENT_FLOW_EVENT_ACTIVE => FlowEvent::Active,
        sys::solClient_flow_event_SOLCLIENT_FLOW_EVENT_INACTIVE => FlowEvent::Inactive,
        sys::solClient_flow_event_SOLCLIENT_FLOW_EVENT_BIND_FAILED_ERROR => FlowEvent::Refused(failure()),
        sys::solClient_flow_event_SOLCLIENT_FLOW_EVENT_DOWN_ERROR
        | sys::solClient_flow_event_SOLCLIENT_FLOW_EVENT_SESSION_DOWN
        | sys::solClient_flow_event_SOLCLIENT_FLOW_EVENT_RECONNECTING => FlowEvent::Down(failure()),
        _ => return None,
    };
    Some(told)
}

/// Takes the message over, whatever happens: its id stays open until somebody settles it.
unsafe extern "C" fn on_message(
    _: sys::solClient_opaqueFlow_pt,
    raw: sys::solClient_opaqueMsg_pt,
    user: *mut c_void,
) -> sys::solClient_rxMsgCallback_returnCode_t {
    // Ours from here on: it is freed once, when this value or the payload made of it is dropped.
    let message = InboundMessage::from(raw);
    // SAFETY: as in `on_event`.
    if let Some(callbacks) = unsafe { user.cast::<Callbacks>().as_ref() } {
        callbacks.tell(|| Some(Delivered::read(message).map_or_else(FlowEvent::Down, FlowEvent::Message)));
    }
    sys::solClient_rxMsgCallback_returnCode_SOLCLIENT_CALLBACK_TAKE_MSG
}
