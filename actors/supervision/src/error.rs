//! What can go wrong for whoever talks to an actor or changes the tree, one variant per different reaction.
//! Failures of actors themselves are not errors of the caller; see `exit`.

/// Why an ask got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Safe to retry.
    #[error("the actor is not taking messages; nothing happened")]
    NotDelivered,
    /// Safe to retry, later.
    #[error("the actor's mailbox is full; nothing happened")]
    Full,
    /// Retry only what may happen twice.
    #[error("the actor failed with the message in hand; it may have acted on it")]
    Lost,
    /// Retry only what may happen twice.
    #[error("no answer within the deadline; it may still act on it")]
    Timeout,
    /// Do not retry on this handle.
    #[error("the actor was removed for good")]
    Terminated,
}

/// Why a tell was refused; the message was dropped and nothing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TellError {
    /// Safe to retry, later.
    #[error("the actor's mailbox is full")]
    Full,
    /// Do not retry on this handle.
    #[error("the actor was removed for good or its mailbox is closed")]
    Terminated,
}

/// Why a fault was not injected.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// The path names nothing in this tree.
    #[error("no actor or supervisor at `{0}`")]
    NoSuchActor(String),
}

/// Why a child was not added.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// Names are unique among the children of one supervisor, until the removal of the old child is through.
    #[error("a child named `{0}` exists")]
    NameTaken(String),
    /// The supervisor was shut down or removed.
    #[error("the supervisor is stopping")]
    Stopping,
    /// The thread on which the child should run has ended.
    #[error("the arbiter is gone")]
    PlaceGone,
}
