//! One publish from its order to the broker's word.
//! Does not know which session carries it.

use actix::Message;
use bytes::Bytes;
use tillstream_messages::{PublishError, PublishMessage, TraceContext};
use tillstream_session::Waiting;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::ffi::{Contents, OutgoingMessage, UnfitMessage};

/// What the sender gets in the end.
pub type Answer = <PublishMessage as Message>::Result;

/// A publish that is not sent yet.
pub struct Parcel {
    /// Comes back with the broker's word.
    pub tag: u64,
    /// Who waits for it.
    pub owed: Owed,
    message_id: Uuid,
    payload: Bytes,
    partition_key: u32,
    trace: Option<TraceContext>,
    /// Built when there is room for the first time: what waits takes no memory of the library's, which has a bound.
    built: Option<OutgoingMessage>,
}

/// A sender that waits; one that is dropped without an answer hears that the message was given up.
pub struct Owed {
    topic: String,
    answer: oneshot::Sender<Answer>,
    _waiting: Waiting,
}

// === impl Parcel ===

impl Parcel {
    /// The receiver gets the answer.
    pub fn new(order: PublishMessage, tag: u64, waiting: Waiting) -> (Self, oneshot::Receiver<Answer>) {
        let PublishMessage { topic, message_id, payload, partition_key, trace } = order;
        let (answer, answered) = oneshot::channel();
        let owed = Owed { topic, answer, _waiting: waiting };
        (Self { tag, owed, message_id, payload, partition_key, trace, built: None }, answered)
    }

    /// What to send.
    pub fn message(&mut self) -> Result<&OutgoingMessage, UnfitMessage> {
        let built = match self.built.take() {
            Some(built) => built,
            None => self.build()?,
        };
        Ok(self.built.insert(built))
    }

    fn build(&self) -> Result<OutgoingMessage, UnfitMessage> {
        let contents = Contents {
            topic: &self.owed.topic,
            message_id: &self.message_id.to_string(),
            content_type: c"application/json",
            partition_key: &self.partition_key.to_string(),
            trace: self.trace.as_ref(),
            payload: &self.payload,
        };
        OutgoingMessage::build(contents, self.tag)
    }
}

// === impl Owed ===

impl Owed {
    /// The broker has it on disk.
    pub fn acknowledge(self) {
        self.tell(Ok(()));
    }

    /// It will not be, as far as we know; the reason may need the topic.
    pub fn refuse(self, reason: impl FnOnce(&str) -> PublishError) {
        let reason = reason(&self.topic);
        self.tell(Err(reason));
    }

    fn tell(self, answer: Answer) {
        // A sender that went away sends again; consumers drop the repetition.
        let _ = self.answer.send(answer);
    }
}
