//! What the client library and the broker say, in the words that all backends share.
//! Does not decide whether a session is given up.

use tillstream_messages::PublishError;

use crate::ffi::{Failure, UnfitMessage, subcode};

/// The broker says that a queue refuses, but not which one.
const UNNAMED: &str = "(not named by the broker)";

/// Why the broker rejected a message, or the library would not send it.
pub fn refusal(failure: &Failure, topic: &str) -> PublishError {
    match failure.subcode {
        // Topics are built by the domain; one that the broker cannot read is one that no queue takes.
        subcode::NO_SUBSCRIPTION_MATCH | subcode::INVALID_TOPIC_SYNTAX | subcode::TOPIC_TOO_LARGE => {
            PublishError::NoSubscriber(topic.to_owned())
        }
        subcode::MESSAGE_TOO_LARGE => PublishError::TooLarge,
        subcode::SPOOL_OVER_QUOTA | subcode::QUEUE_NOT_FOUND | subcode::QUEUE_SHUTDOWN | subcode::ENDPOINT_SHUTDOWN => {
            PublishError::Refused { queue: UNNAMED.to_owned(), reason: failure.to_string() }
        }
        subcode::PUBLISH_ACL_DENIED => PublishError::Refused {
            queue: UNNAMED.to_owned(),
            reason: format!("{failure}; let this user's ACL profile publish to `{topic}`"),
        },
        subcode::COMMUNICATION_ERROR | subcode::SESSION_NOT_ESTABLISHED | subcode::INVALID_SESSION_OPERATION => {
            PublishError::Down(failure.to_string())
        }
        _ => PublishError::Storage(failure.to_string()),
    }
}

/// Why a message could not even be built.
pub fn unfit(reason: &UnfitMessage, topic: &str) -> PublishError {
    match reason {
        UnfitMessage::Topic => PublishError::NoSubscriber(topic.to_owned()),
        UnfitMessage::Library(_) => PublishError::Storage(reason.to_string()),
    }
}

/// Why there is no session, with what to look at.
pub fn advice(failure: &Failure, creds_path: &str) -> String {
    match failure.subcode {
        subcode::LOGIN_FAILURE | subcode::CLIENT_USERNAME_IS_SHUTDOWN | subcode::CLIENT_ACL_DENIED => {
            format!("{failure}; compare the broker's user with secret path `{creds_path}`")
        }
        subcode::INVALID_SESSION_OPERATION => {
            format!("{failure}; let the user's client profile send guaranteed messages")
        }
        subcode::UNTRUSTED_CERTIFICATE
        | subcode::UNTRUSTED_COMMONNAME
        | subcode::CERTIFICATE_DATE_INVALID
        | subcode::FAILED_LOADING_TRUSTSTORE => {
            format!("{failure}; check `solace.trust_store` and the name and date of the broker's certificate")
        }
        subcode::MSG_VPN_NOT_ALLOWED | subcode::MSG_VPN_UNAVAILABLE => format!("{failure}; check `solace.vpn`"),
        _ => failure.to_string(),
    }
}
