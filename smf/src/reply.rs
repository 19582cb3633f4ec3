//! Everything that a broker sends. What clients need a response in has one by its type.
//! Does not decide anything.

use bytes::{BufMut, Bytes, BytesMut};

use crate::ad_ctrl::{self, AdCtrl, AdCtrlVersion, put_flow_id};
use crate::client_ctrl::{self, ClientCtrl};
use crate::consumer::{Bound, FlowChange};
use crate::correlation::CorrelationTag;
use crate::fault::{EncodeError, Fault, Handling, Malformed, Unknown};
use crate::frame::{Frame, protocol};
use crate::header::Header;
use crate::keep_alive::KeepAlive;
use crate::login::LoginAnswer;
use crate::message::Delivered;
use crate::publisher::{PubFlow, PublishAck};
use crate::put::{self, Written, some};
use crate::response::Response;
use crate::subscription::{Smp, Subscription};

/// A frame from a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// What became of a request or of published messages, or the end of a flow.
    Answer(Answer),
    /// A consumer's flow became active or ceased to be; the client answers with the same.
    FlowChange(FlowChange),
    /// A message.
    Deliver(Delivered),
    /// The answer to a sign of life, or one of the broker's own accord.
    KeepAlive(KeepAlive),
}

/// A frame with a response. A client that gets one without takes the response of whatever came before, so that one
/// rejected message would reject all later ones: therefore acknowledgements have one each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As in the request.
    pub correlation: Option<CorrelationTag>,
    /// What became of it.
    pub response: Response,
    /// What it is about.
    pub body: AnswerBody,
}

/// What an answer is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerBody {
    /// A login.
    Login(LoginAnswer),
    /// An update.
    Update,
    /// The opening of a publisher's flow; nothing beside a refusal.
    OpenPubFlow(Option<PubFlow>),
    /// The end of a publisher's flow, asked for or not.
    ClosePubFlow {
        /// The flow.
        flow_id: u32,
    },
    /// Published messages.
    PublishAck(PublishAck),
    /// A bind; nothing beside a refusal.
    Bind(Option<Bound>),
    /// The end of a consumer's flow, asked for or not.
    Unbind {
        /// The flow.
        flow_id: u32,
    },
    /// A subscription, which may be repeated.
    Subscription(Option<Subscription>),
    /// Something that nobody here knows.
    Other {
        /// Its protocol.
        protocol: u8,
        /// Its payload.
        payload: Bytes,
    },
}

// === impl Reply ===

impl Reply {
    /// Answers a request.
    pub fn answer(correlation: Option<CorrelationTag>, response: Response, body: AnswerBody) -> Self {
        Self::Answer(Answer { correlation, response, body })
    }

    /// Everything up to that message is on disk.
    pub fn acknowledged(flow_id: u32, message_id: u64) -> Self {
        Self::rejected(flow_id, message_id, Response::OK)
    }

    /// That message is refused. It acknowledges all before it, so they must be on disk by then.
    pub fn rejected(flow_id: u32, message_id: u64, response: Response) -> Self {
        let ack = PublishAck { flow_id, last_acked: message_id, window: None };
        Self::answer(None, response, AnswerBody::PublishAck(ack))
    }

    /// Writes the frame.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        match self {
            Self::Answer(answer) => answer.put(out),
            Self::FlowChange(change) => put::control(out, protocol::AD_CTRL, None, None, |out| {
                put_ad_ctrl(out, ad_ctrl::message::FLOW_CHANGE, |out| change.put(out))
            }),
            Self::Deliver(delivered) => delivered.put(out),
            Self::KeepAlive(keep_alive) => keep_alive.put(out, None, KeepAlive::BROKER_HOPS),
        }
    }

    /// Understands a frame from a broker, as a client does. Nothing can be refused to a broker.
    pub fn decode(frame: &Frame) -> Result<Self, Fault> {
        let mut header = Header::read(frame.params())?;
        let mut unknown = header.unknown;
        let reply = match frame.protocol() {
            protocol::MESSAGE => Self::Deliver(Delivered::of(frame, &header)?),
            protocol::KEEP_ALIVE_V1 => Self::KeepAlive(KeepAlive::V1),
            protocol::KEEP_ALIVE_V2 => Self::KeepAlive(KeepAlive::V2),
            protocol::AD_CTRL => read_ad_ctrl(frame, &mut header, &mut unknown)?,
            protocol::CLIENT_CTRL => answer(&mut header, read_client_ctrl(frame, &mut unknown)?)?,
            protocol::SMP => answer(&mut header, read_smp(frame)?)?,
            protocol => answer(&mut header, AnswerBody::Other { protocol, payload: frame.payload() })?,
        };
        match unknown {
            Some(unknown) if unknown.handling > Handling::Ignore => Err(Fault::Ignored(unknown.what)),
            _ => Ok(reply),
        }
    }
}

fn answer(header: &mut Header<'_>, body: AnswerBody) -> Result<Reply, Malformed> {
    let response = header.response.take().ok_or(Malformed::Missing("response"))?;
    Ok(Reply::answer(header.correlation, response, body))
}

fn read_ad_ctrl(frame: &Frame, header: &mut Header<'_>, unknown: &mut Option<Unknown>) -> Result<Reply, Malformed> {
    use ad_ctrl::message;
    let ad = AdCtrl::read(frame.body())?;
    let fields = ad.fields()?;
    *unknown = Unknown::stricter(*unknown, fields.unknown);
    let body = match ad.kind {
        message::FLOW_CHANGE => return Ok(Reply::FlowChange(FlowChange::of(&fields)?)),
        message::OPEN_PUB_FLOW => AnswerBody::OpenPubFlow(PubFlow::of(&fields)),
        message::CLIENT_ACK => AnswerBody::PublishAck(PublishAck::of(&fields)?),
        message::BIND => AnswerBody::Bind(Bound::of(&fields)),
        message::UNBIND => AnswerBody::Unbind { flow_id: fields.flow_id()? },
        message::CLOSE_PUB_FLOW => AnswerBody::ClosePubFlow { flow_id: fields.flow_id()? },
        _ => AnswerBody::Other { protocol: protocol::AD_CTRL, payload: frame.payload() },
    };
    answer(header, body)
}

fn read_client_ctrl(frame: &Frame, unknown: &mut Option<Unknown>) -> Result<AnswerBody, Malformed> {
    let control = ClientCtrl::read(frame.body())?;
    let fields = control.fields()?;
    *unknown = Unknown::stricter(*unknown, fields.unknown);
    Ok(match control.kind {
        client_ctrl::message::LOGIN => AnswerBody::Login(LoginAnswer::of(fields)),
        client_ctrl::message::UPDATE => AnswerBody::Update,
        _ => AnswerBody::Other { protocol: protocol::CLIENT_CTRL, payload: frame.payload() },
    })
}

fn read_smp(frame: &Frame) -> Result<AnswerBody, Malformed> {
    if frame.body().is_empty() {
        return Ok(AnswerBody::Subscription(None));
    }
    let subscription = Smp::read(frame.body())?.subscription()?;
    let other = || AnswerBody::Other { protocol: protocol::SMP, payload: frame.payload() };
    Ok(subscription.map_or_else(other, |subscription| AnswerBody::Subscription(Some(subscription))))
}

// === impl Answer ===

impl Answer {
    fn put(&self, out: &mut BytesMut) -> Written {
        let protocol = self.body.protocol();
        put::control(out, protocol, self.correlation, Some(&self.response), |out| self.body.put(out))
    }
}

// === impl AnswerBody ===

impl AnswerBody {
    fn protocol(&self) -> u8 {
        match self {
            Self::Login(_) | Self::Update => protocol::CLIENT_CTRL,
            Self::Subscription(_) => protocol::SMP,
            Self::Other { protocol, .. } => *protocol,
            _ => protocol::AD_CTRL,
        }
    }

    fn put(&self, out: &mut BytesMut) -> Written {
        use ad_ctrl::message;
        match self {
            Self::Login(answer) => answer.put(out),
            Self::Update => client_ctrl::put(out, 0, client_ctrl::message::UPDATE, |_| Ok(())),
            Self::OpenPubFlow(flow) => {
                put_ad_ctrl(out, message::OPEN_PUB_FLOW, |out| some(flow.as_ref(), |flow| flow.put(out)))
            }
            Self::ClosePubFlow { flow_id } => {
                put_ad_ctrl(out, message::CLOSE_PUB_FLOW, |out| put_flow_id(out, *flow_id))
            }
            Self::PublishAck(ack) => put_ad_ctrl(out, message::CLIENT_ACK, |out| ack.put(out)),
            Self::Bind(bound) => put_ad_ctrl(out, message::BIND, |out| some(bound.as_ref(), |bound| bound.put(out))),
            Self::Unbind { flow_id } => put_ad_ctrl(out, message::UNBIND, |out| put_flow_id(out, *flow_id)),
            Self::Subscription(subscription) => some(subscription.as_ref(), |subscription| subscription.put(out)),
            Self::Other { payload, .. } => {
                out.put_slice(payload);
                Ok(())
            }
        }
    }
}

/// Answers are in the newer form, which every client follows.
fn put_ad_ctrl(out: &mut BytesMut, kind: u8, params: impl FnOnce(&mut BytesMut) -> Written) -> Written {
    ad_ctrl::put(out, AdCtrlVersion::V3, kind, params)
}
