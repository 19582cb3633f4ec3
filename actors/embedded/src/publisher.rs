//! The actor through which everything reaches the embedded broker.
//! Adds no queue of its own: a message is with the broker or refused, and the answer is the broker's word.

use std::future::ready;
use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Handler, ResponseFuture};
use tillstream_broker::{Broker, OutboundMessage, PublishError as BrokerError};
use tillstream_messages::{HealthBoard, Leg, LegState, PublishError, PublishMessage};
use tillstream_session::{Backend, Line, show_connected};
use tillstream_supervision::{SupervisedContext, supervised};
use tracing::{error, info};

use crate::trace;

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Publishes on the embedded broker.
pub struct EmbeddedPublisher {
    /// The broker.
    broker: Broker,
    /// How many publishes may wait for the broker's word.
    window: usize,
    /// How many do.
    waiting: Rc<Line>,
    /// Where the publish leg is reported.
    health: HealthBoard,
    /// What was last reported; `None` before the first look.
    reported: Option<LegState>,
}

// === impl EmbeddedPublisher ===

impl EmbeddedPublisher {
    /// A publisher that lets `window` messages wait at once.
    pub fn new(broker: Broker, window: usize, health: HealthBoard) -> Self {
        Self { broker, window, waiting: Rc::default(), health, reported: None }
    }

    fn look(&mut self) {
        let trouble = self.broker.trouble().or_else(|| self.waiting.silence());
        let state = trouble.map_or(LegState::Up, LegState::Down);
        // Each time: an earlier incarnation whose thread was blocked may have written late.
        self.health.set(Leg::Publish, state.clone());
        let known = self.reported.replace(state.clone());
        // The reason of a full disk says how many bytes are free, which changes all the time and is no news.
        if known.is_some_and(|known| std::mem::discriminant(&known) == std::mem::discriminant(&state)) {
            return;
        }
        match &state {
            LegState::Up => info!("the broker takes messages"),
            LegState::Down(reason) => error!(%reason, "the broker takes no messages"),
        }
        show_connected(Backend::Embedded, Leg::Publish, state == LegState::Up);
    }
}

supervised!(EmbeddedPublisher);

impl Actor for EmbeddedPublisher {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look();
        ctx.run_interval(LOOK_EVERY, |publisher, _| publisher.look());
    }
}

impl Handler<PublishMessage> for EmbeddedPublisher {
    type Result = ResponseFuture<Result<(), PublishError>>;

    fn handle(&mut self, order: PublishMessage, _: &mut Self::Context) -> Self::Result {
        if self.waiting.len() >= self.window {
            return Box::pin(ready(Err(PublishError::Overloaded)));
        }
        let waiting = Line::join(&self.waiting).of(order.trace.as_ref());
        let PublishMessage { topic, message_id, payload, partition_key: _, trace } = order;
        let message = OutboundMessage { topic, message_id, properties: trace::properties(trace.as_ref()), payload };
        let word = self.broker.publish(message);
        Box::pin(async move {
            let answer = word.await.map_err(refusal);
            drop(waiting);
            answer
        })
    }
}

/// The same refusal in the words that all backends share.
fn refusal(error: BrokerError) -> PublishError {
    match error {
        BrokerError::Closed => PublishError::Down("the embedded broker is closed".to_owned()),
        BrokerError::Overloaded => PublishError::Overloaded,
        BrokerError::Refused { queue, reason } => PublishError::Refused { queue, reason },
        BrokerError::Shut(queue) => PublishError::Refused { queue, reason: "its incoming side is shut".to_owned() },
        // Topics are built by the domain; one that the broker cannot read is one that no queue takes.
        BrokerError::NoSubscriber(topic) | BrokerError::InvalidTopic(topic) => PublishError::NoSubscriber(topic),
        BrokerError::Storage(reason) => PublishError::Storage(reason),
        BrokerError::TooLarge => PublishError::TooLarge,
    }
}
