//! Everything that a client sends, and which of it can be answered with a refusal when it is not understood.
//! Does not answer by itself and holds no state of a connection.

use bytes::{Bytes, BytesMut};

use crate::ad_ctrl::{self, AdCtrl, AdCtrlVersion, put_flow_id};
use crate::client_ctrl::{self, ClientCtrl};
use crate::consumer::{Bind, FlowAck, FlowChange};
use crate::correlation::CorrelationTag;
use crate::fault::{EncodeError, Fault, Handling, Malformed, NotUnderstood, Unknown};
use crate::frame::{Frame, protocol};
use crate::header::{self, Header};
use crate::keep_alive::KeepAlive;
use crate::login::{Login, LoginAnswer, Update};
use crate::message::{PublishIds, Published};
use crate::publisher::OpenPubFlow;
use crate::put::{self, REPORT, Written};
use crate::reply::{Answer, AnswerBody, Reply};
use crate::response::Response;
use crate::subscription::{Smp, Subscription};

/// A frame from a client.
#[derive(Debug, Clone)]
pub struct Request {
    /// An answer must have the same.
    pub correlation: Option<CorrelationTag>,
    /// What is wanted.
    pub body: RequestBody,
}

/// What a client wants.
#[derive(Debug, Clone)]
pub enum RequestBody {
    /// To be let in.
    Login(Login),
    /// To be called otherwise.
    Update(Update),
    /// To publish with guarantee.
    OpenPubFlow(OpenPubFlow),
    /// To end that.
    ClosePubFlow {
        /// The publisher's flow.
        flow_id: u32,
    },
    /// To publish a message.
    Publish(Published),
    /// To consume from a queue.
    Bind(Bind),
    /// To end that.
    Unbind {
        /// The consumer's flow.
        flow_id: u32,
    },
    /// To acknowledge; no answer is expected.
    FlowAck(FlowAck),
    /// The answer to a [`Reply::FlowChange`]; needs no other.
    FlowChangeSeen(FlowChange),
    /// To get messages of a topic, or no longer.
    Subscription(Subscription),
    /// To know that the broker is there.
    KeepAlive(KeepAlive),
}

/// What came of the payload.
enum Reading {
    /// A wish, and the strictest of what was not understood beside it.
    Known(RequestBody, Option<Unknown>),
    /// A payload of a kind that nobody here knows, and what to answer if an answer is waited for.
    Unknown(NotUnderstood, Option<Refusal>),
}

type Refusal = (Response, AnswerBody);

// === impl Request ===

impl Request {
    /// Understands a frame from a client.
    pub fn decode(frame: &Frame) -> Result<Self, Fault> {
        let header = Header::read(frame.params())?;
        let correlation = header.correlation;
        let (body, unknown) = match read(frame, &header)? {
            Reading::Known(body, unknown) => (body, Unknown::stricter(header.unknown, unknown)),
            Reading::Unknown(what, refusal) => return Err(fault(what, correlation, refusal)),
        };
        match unknown {
            Some(unknown) if unknown.handling > Handling::Ignore => Err(body.fault(unknown, correlation)),
            _ => Ok(Self { correlation, body }),
        }
    }

    /// Writes the frame as the vendor's C library does.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let correlation = self.correlation;
        match &self.body {
            RequestBody::Login(login) => put_login(out, correlation, login),
            RequestBody::Update(update) => {
                put::control(out, REPORT | protocol::CLIENT_CTRL, correlation, None, |out| update.put(out))
            }
            RequestBody::OpenPubFlow(open) => {
                put::control(out, protocol::AD_CTRL, correlation, None, |out| open.put(out))
            }
            RequestBody::ClosePubFlow { flow_id } => {
                put_ad_ctrl(out, correlation, ad_ctrl::message::CLOSE_PUB_FLOW, |out| put_flow_id(out, *flow_id))
            }
            RequestBody::Publish(published) => published.put(out, correlation),
            RequestBody::Bind(bind) => put_ad_ctrl(out, correlation, ad_ctrl::message::BIND, |out| bind.put(out)),
            RequestBody::Unbind { flow_id } => {
                put_ad_ctrl(out, correlation, ad_ctrl::message::UNBIND, |out| put_flow_id(out, *flow_id))
            }
            RequestBody::FlowAck(ack) => {
                put_ad_ctrl(out, correlation, ad_ctrl::message::CLIENT_ACK, |out| ack.put(out))
            }
            RequestBody::FlowChangeSeen(change) => put_change_seen(out, correlation, change),
            RequestBody::Subscription(subscription) => {
                put::control(out, REPORT | protocol::SMP, correlation, None, |out| subscription.put(out))
            }
            RequestBody::KeepAlive(keep_alive) => keep_alive.put(out, correlation, KeepAlive::CLIENT_HOPS),
        }
    }
}

fn read(frame: &Frame, header: &Header<'_>) -> Result<Reading, Malformed> {
    match frame.protocol() {
        protocol::AD_CTRL => read_ad_ctrl(frame),
        protocol::CLIENT_CTRL => read_client_ctrl(frame, header),
        protocol::SMP => read_smp(frame),
        protocol::MESSAGE => Ok(Reading::Known(RequestBody::Publish(Published::of(frame, header)?), None)),
        protocol::KEEP_ALIVE_V1 => Ok(Reading::Known(RequestBody::KeepAlive(KeepAlive::V1), None)),
        protocol::KEEP_ALIVE_V2 => Ok(Reading::Known(RequestBody::KeepAlive(KeepAlive::V2), None)),
        unknown => Ok(unknown_protocol(unknown, frame.handling())),
    }
}

fn read_ad_ctrl(frame: &Frame) -> Result<Reading, Malformed> {
    use ad_ctrl::message;
    let ad = AdCtrl::read(frame.body())?;
    let fields = ad.fields()?;
    let unknown = fields.unknown;
    let body = match ad.kind {
        message::OPEN_PUB_FLOW => RequestBody::OpenPubFlow(OpenPubFlow::of(&ad, &fields)),
        message::CLIENT_ACK => RequestBody::FlowAck(FlowAck::of(fields)?),
        message::BIND => RequestBody::Bind(Bind::of(&fields)),
        message::UNBIND => RequestBody::Unbind { flow_id: fields.flow_id()? },
        message::CLOSE_PUB_FLOW => RequestBody::ClosePubFlow { flow_id: fields.flow_id()? },
        message::FLOW_CHANGE => RequestBody::FlowChangeSeen(FlowChange::of(&fields)?),
        kind => return Ok(unknown_kind(protocol::AD_CTRL, kind, [3, kind, 0, 0, 0, 6])),
    };
    Ok(Reading::Known(body, unknown))
}

fn read_client_ctrl(frame: &Frame, header: &Header<'_>) -> Result<Reading, Malformed> {
    let control = ClientCtrl::read(frame.body())?;
    let fields = control.fields()?;
    let unknown = fields.unknown;
    let body = match control.kind {
        client_ctrl::message::LOGIN => RequestBody::Login(Login::of(header, fields)?),
        client_ctrl::message::UPDATE => RequestBody::Update(Update::of(fields)),
        kind => return Ok(unknown_kind(protocol::CLIENT_CTRL, kind, [1, kind, 0, 0, 0, 6])),
    };
    Ok(Reading::Known(body, unknown))
}

fn read_smp(frame: &Frame) -> Result<Reading, Malformed> {
    let smp = Smp::read(frame.body())?;
    if let Some(subscription) = smp.subscription()? {
        return Ok(Reading::Known(RequestBody::Subscription(subscription), None));
    }
    let body = AnswerBody::Other { protocol: protocol::SMP, payload: frame.payload() };
    let refusal = smp.flags.response_required().then_some((Response::SUBSCRIPTION_PARSE_ERROR, body));
    Ok(Reading::Unknown(NotUnderstood::Kind { protocol: protocol::SMP, kind: smp.kind }, refusal))
}

/// Whoever sends a request waits for the answer, whatever the frame says; it gets one of the same kind, empty.
fn unknown_kind(protocol: u8, kind: u8, empty: [u8; 6]) -> Reading {
    let body = AnswerBody::Other { protocol, payload: Bytes::copy_from_slice(&empty) };
    Reading::Unknown(NotUnderstood::Kind { protocol, kind }, Some((Response::SERVICE_UNAVAILABLE, body)))
}

fn unknown_protocol(protocol: u8, handling: Handling) -> Reading {
    let body = AnswerBody::Other { protocol, payload: Bytes::new() };
    let refusal = (handling == Handling::Report).then_some((Response::SERVICE_UNAVAILABLE, body));
    Reading::Unknown(NotUnderstood::Protocol(protocol), refusal)
}

fn fault(what: NotUnderstood, correlation: Option<CorrelationTag>, refusal: Option<Refusal>) -> Fault {
    let Some((response, body)) = refusal else { return Fault::Ignored(what) };
    Fault::Refused { what, reply: Box::new(Reply::Answer(Answer { correlation, response, body })) }
}

fn put_login(out: &mut BytesMut, correlation: Option<CorrelationTag>, login: &Login) -> Written {
    let params = |out: &mut BytesMut| {
        header::put_correlation(out, correlation);
        login.put_credentials(out)
    };
    put::frame(out, [3, REPORT | protocol::CLIENT_CTRL, 0, 1], params, |out| login.put(out))
}

fn put_ad_ctrl(
    out: &mut BytesMut,
    correlation: Option<CorrelationTag>,
    kind: u8,
    params: impl FnOnce(&mut BytesMut) -> Written,
) -> Written {
    let payload = |out: &mut BytesMut| ad_ctrl::put(out, AdCtrlVersion::V3, kind, params);
    put::control(out, protocol::AD_CTRL, correlation, None, payload)
}

fn put_change_seen(out: &mut BytesMut, correlation: Option<CorrelationTag>, change: &FlowChange) -> Written {
    put::control(out, REPORT | protocol::AD_CTRL, correlation, Some(&Response::OK), |out| {
        ad_ctrl::put(out, AdCtrlVersion::V3, ad_ctrl::message::FLOW_CHANGE, |out| change.put(out))
    })
}

// === impl RequestBody ===

impl RequestBody {
    /// What becomes of a wish that holds something not understood and not to be ignored.
    fn fault(self, unknown: Unknown, correlation: Option<CorrelationTag>) -> Fault {
        let what = unknown.what;
        // One that vanished would stop its flow: everything behind it would be a gap.
        if let Self::Publish(Published { guaranteed: Some(ids), .. }) = self {
            let PublishIds { flow_id, message_id, previous_id, .. } = ids;
            return Fault::Rejected { what, flow_id, message_id, previous_id };
        }
        let refusal = if unknown.handling == Handling::Report { self.refusal() } else { None };
        fault(what, correlation, refusal)
    }

    /// The answer that clients take as a no. Where they would take it for something else there is none.
    fn refusal(self) -> Option<Refusal> {
        let body = match self {
            Self::Login(_) => AnswerBody::Login(LoginAnswer::default()),
            Self::Update(_) => AnswerBody::Update,
            Self::OpenPubFlow(_) => AnswerBody::OpenPubFlow(None),
            Self::Bind(_) => AnswerBody::Bind(None),
            Self::Subscription(subscription) if subscription.flags.response_required() => {
                return Some((Response::SUBSCRIPTION_PARSE_ERROR, AnswerBody::Subscription(Some(subscription))));
            }
            _ => return None,
        };
        Some((Response::SERVICE_UNAVAILABLE, body))
    }
}
