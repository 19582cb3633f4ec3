//! Why the broker refused: one variant per thing that the caller does differently.
//! Does not log; whoever handles an error does.

/// Why a message was not taken. After any of these except `Storage` nothing of it is stored; after `Storage` it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The broker is closed or closing.
    #[error("the broker is closed")]
    Closed,
    /// More publishes wait for their commit than the settings allow.
    #[error("too many messages wait to be stored, slow down and try again")]
    Overloaded,
    /// A queue that must not miss a message has no room for it.
    #[error("queue `{queue}` refused the message: {reason}")]
    Refused {
        /// The queue.
        queue: String,
        /// Why it refused.
        reason: String,
    },
    /// A queue that must not miss a message takes none at present.
    #[error("queue `{0}` is shut, it takes no messages until its incoming side is open again")]
    Shut(String),
    /// No queue subscribes to the topic, or none has the name that the message was sent to.
    #[error("no queue takes messages for `{0}`")]
    NoSubscriber(String),
    /// The disk refused, or has too little space left.
    #[error("the message could not be stored, try again: {0}")]
    Storage(String),
    /// Payload and properties are over the limit; it will never be taken.
    #[error("the message is larger than the broker takes")]
    TooLarge,
    /// The topic can never be published to.
    #[error("the topic is not one to publish to: {0}")]
    InvalidTopic(String),
}

/// Why a broker did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk refused, or the files are damaged.
    #[error("the broker's files cannot be opened: {0}")]
    Storage(String),
    /// Another broker works in this directory.
    #[error("directory `{0}` is used by another process, stop that one or choose another directory")]
    Locked(String),
    /// A queue cannot be as it was asked for.
    #[error("queue `{queue}` cannot be set up: {reason}")]
    InvalidQueue {
        /// The queue.
        queue: String,
        /// What is wrong with its spec.
        reason: String,
    },
}

/// No queue has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no queue `{0}`")]
pub struct NoSuchQueue(pub String);

/// Why a queue was not bound, or why a flow ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// No queue has this name.
    #[error("there is no queue `{0}`")]
    NoSuchQueue(String),
    /// The queue is exclusive and another flow is bound to it.
    #[error("queue `{0}` has a consumer already")]
    Taken(String),
    /// The queue delivers to nobody at present.
    #[error("queue `{0}` is shut, it delivers nothing until its outgoing side is open again")]
    Shut(String),
    /// The flow's owner has bound the queue again and uses the newer flow.
    #[error("queue `{0}` was bound again by the same owner")]
    Superseded(String),
    /// The broker is closed.
    #[error("the broker is closed")]
    Closed,
}
