//! Safe wrappers over the vendor's C library: context, session, outgoing messages and what went wrong.
//! Decides nothing: no retry, no pause, no meaning of a failure.
//!
//! Three rules hold everywhere below:
//! - A handle of the library is owned by one value, and the last one to drop destroys it, on a thread of its own,
//!   because that may wait for the broker.
//! - A callback only hands on what it was told; a panic in it is caught, because unwinding into C is undefined.
//! - What a callback points to lives until the destroying call has returned: the library calls nobody after that.

mod context;
mod delivered;
mod error;
mod event;
mod flow;
mod library;
mod message;
mod options;
mod properties;
mod session;

pub use delivered::Delivered;
pub use error::Failure;
pub use event::SessionEvent;
pub use flow::{Flow, FlowEvent, FlowOptions, Outcome};
pub use message::{Contents, OutgoingMessage, UnfitMessage};
pub use options::SessionOptions;
pub use session::{Sent, Session};

/// What the library's subcodes are called here, as far as somebody acts on them.
pub mod subcode {
    pub use solace_rs_sys::{
        solClient_subCode_SOLCLIENT_SUBCODE_CERTIFICATE_DATE_INVALID as CERTIFICATE_DATE_INVALID,
        solClient_subCode_SOLCLIENT_SUBCODE_CLIENT_ACL_DENIED as CLIENT_ACL_DENIED,
        solClient_subCode_SOLCLIENT_SUBCODE_CLIENT_USERNAME_IS_SHUTDOWN as CLIENT_USERNAME_IS_SHUTDOWN,
        solClient_subCode_SOLCLIENT_SUBCODE_COMMUNICATION_ERROR as COMMUNICATION_ERROR,
        solClient_subCode_SOLCLIENT_SUBCODE_ENDPOINT_SHUTDOWN as ENDPOINT_SHUTDOWN,
        solClient_subCode_SOLCLIENT_SUBCODE_FAILED_LOADING_TRUSTSTORE as FAILED_LOADING_TRUSTSTORE,
        solClient_subCode_SOLCLIENT_SUBCODE_INVALID_SESSION_OPERATION as INVALID_SESSION_OPERATION,
        solClient_subCode_SOLCLIENT_SUBCODE_INVALID_TOPIC_SYNTAX as INVALID_TOPIC_SYNTAX,
        solClient_subCode_SOLCLIENT_SUBCODE_LOGIN_FAILURE as LOGIN_FAILURE,
        solClient_subCode_SOLCLIENT_SUBCODE_MAX_CLIENTS_FOR_QUEUE as MAX_CLIENTS_FOR_QUEUE,
        solClient_subCode_SOLCLIENT_SUBCODE_MESSAGE_TOO_LARGE as MESSAGE_TOO_LARGE,
        solClient_subCode_SOLCLIENT_SUBCODE_MSG_VPN_NOT_ALLOWED as MSG_VPN_NOT_ALLOWED,
        solClient_subCode_SOLCLIENT_SUBCODE_MSG_VPN_UNAVAILABLE as MSG_VPN_UNAVAILABLE,
        solClient_subCode_SOLCLIENT_SUBCODE_NO_SUBSCRIPTION_MATCH as NO_SUBSCRIPTION_MATCH,
        solClient_subCode_SOLCLIENT_SUBCODE_PERMISSION_NOT_ALLOWED as PERMISSION_NOT_ALLOWED,
        solClient_subCode_SOLCLIENT_SUBCODE_PUBLISH_ACL_DENIED as PUBLISH_ACL_DENIED,
        solClient_subCode_SOLCLIENT_SUBCODE_QUEUE_NOT_FOUND as QUEUE_NOT_FOUND,
        solClient_subCode_SOLCLIENT_SUBCODE_QUEUE_SHUTDOWN as QUEUE_SHUTDOWN,
        solClient_subCode_SOLCLIENT_SUBCODE_SESSION_NOT_ESTABLISHED as SESSION_NOT_ESTABLISHED,
        solClient_subCode_SOLCLIENT_SUBCODE_SPOOL_OVER_QUOTA as SPOOL_OVER_QUOTA,
        solClient_subCode_SOLCLIENT_SUBCODE_TOPIC_TOO_LARGE as TOPIC_TOO_LARGE,
        solClient_subCode_SOLCLIENT_SUBCODE_UNKNOWN_QUEUE_NAME as UNKNOWN_QUEUE_NAME,
        solClient_subCode_SOLCLIENT_SUBCODE_UNTRUSTED_CERTIFICATE as UNTRUSTED_CERTIFICATE,
        solClient_subCode_SOLCLIENT_SUBCODE_UNTRUSTED_COMMONNAME as UNTRUSTED_COMMONNAME,
    };
}
