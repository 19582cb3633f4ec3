//! The SMF wire protocol as a pure codec: bytes in, typed requests out; typed replies in, bytes out; and the other way round.
//! It knows neither sockets nor queues, keeps no state of a connection and never decides who may do what.
//!
//! A listener cuts what it has read into [`Frame`]s, understands each as a [`Request`] and writes [`Reply`]s. Every error
//! says what becomes of the connection: [`FrameError`] and [`Fault::Malformed`] close it, the other [`Fault`]s do not.
//! Nothing here allocates for a length that is only claimed, and no input panics.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `frame` | cutting the stream, limits |
//! | `request`, `reply` | what clients and brokers send, each as one type |
//! | `login`, `subscription`, `publisher`, `consumer`, `message`, `keep_alive` | the bodies of both |
//! | `capabilities`, `response`, `correlation` | smaller values in them |
//! | `header`, `extended`, `ad_ctrl`, `client_ctrl` | the four kinds of parameter lists |
//! | `params`, `put` | what reading and writing such lists have in common |
//! | `fault` | what can be wrong, and what to do then |

mod ad_ctrl;
mod capabilities;
mod client_ctrl;
mod consumer;
mod correlation;
mod extended;
mod fault;
mod frame;
mod header;
mod keep_alive;
mod login;
mod message;
mod params;
mod publisher;
mod put;
mod reply;
mod request;
mod response;
mod subscription;

pub use ad_ctrl::AdCtrlVersion;
pub use capabilities::{Capabilities, Capability, CapabilitySet, ClientCapabilities};
pub use consumer::{Access, Bind, Bound, FlowAck, FlowChange, FlowType, Outcome, Permission, Settlement};
pub use correlation::CorrelationTag;
pub use fault::{EncodeError, Fault, FrameError, Handling, List, Malformed, NotUnderstood, Parameter};
pub use frame::{FIXED_HEADER, Frame, Limits};
pub use keep_alive::KeepAlive;
pub use login::{AuthScheme, Login, LoginAnswer, Update};
pub use message::{
    Content, Delivered, DeliveryIds, DeliveryMode, Destination, MessageFlags, NameAt, NameKind, PublishIds, Published,
};
pub use params::MAX_PARAMETERS;
pub use publisher::{OpenPubFlow, PubFlow, PublishAck};
pub use reply::{Answer, AnswerBody, Reply};
pub use request::{Request, RequestBody};
pub use response::Response;
pub use subscription::{Action, Subscription, SubscriptionFlags};
