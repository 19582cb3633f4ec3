//! The probe of every new session: a message that no queue takes, which an honest broker must refuse.
//! A broker that acknowledges it would acknowledge a sale whose queue is missing: a 200 for nothing.

use bytes::Bytes;
use uuid::Uuid;

use crate::ffi::{Contents, Failure, OutgoingMessage, UnfitMessage, subcode};

/// What the broker's word about the probe means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// What no queue takes is refused.
    Honest,
    /// An acknowledgement here means nothing; the text says what to do.
    Unfit(String),
}

/// Builds the probe.
pub fn probe(topic: &str, tag: u64) -> Result<OutgoingMessage, UnfitMessage> {
    let contents = Contents {
        topic,
        message_id: &Uuid::new_v4().to_string(),
        content_type: c"application/json",
        partition_key: "0",
        trace: None,
        payload: &Bytes::from_static(b"{}"),
    };
    OutgoingMessage::build(contents, tag)
}

/// The broker acknowledged the probe.
pub fn acknowledged(topic: &str) -> Verdict {
    Verdict::Unfit(format!(
        "the broker acknowledges what no queue takes: set `reject-msg-to-sender-on-no-subscription-match` in the client \
         profile of this user, and let no queue subscribe to `{topic}`"
    ))
}

/// The broker rejected it.
pub fn rejected(failure: &Failure, topic: &str) -> Verdict {
    match failure.subcode {
        subcode::NO_SUBSCRIPTION_MATCH => Verdict::Honest,
        subcode::PUBLISH_ACL_DENIED => Verdict::Unfit(format!(
            "whether the broker refuses what no queue takes cannot be told: {failure}; let this user's ACL profile \
                 publish to `{topic}`"
        )),
        _ => Verdict::Unfit(format!("the broker did not say that no queue takes `{topic}`, but: {failure}")),
    }
}
