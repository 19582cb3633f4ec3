//! Why a queue is not bound, and what to do about it.
//! Does not try again; every one of these is tried again, however hopeless it looks, because somebody may mend it.

use std::time::Duration;

use crate::ffi::{Failure, subcode};
use crate::publisher::refusal::advice;

/// Why there is no flow, or no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No session.
    #[error("the login failed: {0}")]
    Login(String),
    /// The session is down.
    #[error("the connection to the broker is lost: {0}")]
    Connection(Failure),
    /// No such queue.
    #[error("the broker has no such queue: create it with its subscriptions ({0})")]
    UnknownQueue(Failure),
    /// Not for this user.
    #[error("the user may not consume from it: make it the queue's owner or permit `consume` to all ({0})")]
    NotPermitted(Failure),
    /// Nobody gets messages of it now.
    #[error("it delivers to nobody: enable its outgoing side ({0})")]
    ShutDown(Failure),
    /// As many as there may be.
    #[error("no more consumers may bind it: stop another one or raise the queue's maximum bind count ({0})")]
    TooManyConsumers(Failure),
    /// Nobody of this client's kind may consume.
    #[error("the broker delivers nothing with guarantee to this client: allow it in its client profile ({0})")]
    NoGuarantee(Failure),
    /// The broker's wish.
    #[error("the broker unbound it: {0}")]
    Unbound(Failure),
    /// It gets no more messages, though it is bound.
    #[error("another consumer has become the active one")]
    Superseded,
    /// Neither refused nor bound.
    #[error("the broker gave no answer within {} s", .0.as_secs())]
    Silence(Duration),
    /// Something else.
    #[error("{0}")]
    Other(Failure),
    /// The thread that holds the flow is gone.
    #[error("the flow's thread has ended by itself")]
    Orphaned,
}

// === impl Trouble ===

impl Trouble {
    /// There is no session for the user of this secret path.
    pub fn of_login(failure: &Failure, creds_path: &str) -> Self {
        Self::Login(advice(failure, creds_path))
    }

    /// The broker refused to bind, or has unbound.
    pub fn of_bind(failure: Failure) -> Self {
        match failure.subcode {
            subcode::UNKNOWN_QUEUE_NAME | subcode::QUEUE_NOT_FOUND => Self::UnknownQueue(failure),
            subcode::PERMISSION_NOT_ALLOWED | subcode::CLIENT_ACL_DENIED => Self::NotPermitted(failure),
            subcode::QUEUE_SHUTDOWN => Self::ShutDown(failure),
            subcode::MAX_CLIENTS_FOR_QUEUE => Self::TooManyConsumers(failure),
            subcode::INVALID_SESSION_OPERATION => Self::NoGuarantee(failure),
            _ => Self::Other(failure),
        }
    }

    /// The flow is down after it was bound. The library has one subcode for all reasons, so the broker's words tell them apart.
    pub fn of_unbind(failure: Failure) -> Self {
        let says = |words: &str| failure.text.to_ascii_lowercase().contains(words);
        match () {
            () if says("queue shutdown") => Self::ShutDown(failure),
            () if says("queue not found") || says("unknown queue") => Self::UnknownQueue(failure),
            () => Self::Unbound(failure),
        }
    }
}
