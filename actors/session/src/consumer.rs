//! The other end of a flow, and how it is told something until it has it.
//! Does not know the consumer; a lost, late or refused batch is simply sent again, because consumers know what they have.

use std::time::Duration;

use actix::Message;
use tillstream_messages::{FlowBound, FlowLost, InboundMessage, MessagesDelivered};
use tillstream_supervision::{AskError, Port};
use tokio::time::sleep;
use tracing::{debug, warn};

/// A consumer that has not answered by then is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What one consumer takes from its flow.
#[derive(Clone)]
pub struct FlowConsumer {
    /// Hears of every binding before its first batch.
    pub bound: Port<FlowBound>,
    /// Hears when a binding is lost without its own order.
    pub lost: Port<FlowLost>,
    /// Gets the batches and heartbeats.
    pub delivered: Port<MessagesDelivered>,
}

impl FlowConsumer {
    /// Returns once the consumer knows of the binding.
    pub async fn announce(self, bound: FlowBound) {
        insist(&self.bound, || bound.clone()).await;
    }

    /// Returns once the consumer has taken the batch.
    pub async fn deliver(self, epoch: u32, messages: Vec<InboundMessage>) {
        insist(&self.delivered, || MessagesDelivered { epoch, messages: messages.clone() }).await;
    }

    /// Tells the consumer that nothing waits; one that misses it gets the next.
    pub async fn beat(self, epoch: u32) {
        let beat = MessagesDelivered { epoch, messages: Vec::new() };
        if let Err(reason) = self.delivered.ask(beat, ANSWER_WITHIN).await {
            debug!(%reason, "the consumer missed a heartbeat");
        }
    }

    /// One line for a consumer that is not there: it asks for a new binding when it is.
    pub fn lose(&self, reason: &str) {
        if let Err(error) = self.lost.push(FlowLost { reason: reason.to_owned() }) {
            debug!(%error, "the consumer did not hear that its flow is lost");
        }
    }
}

async fn insist<M>(port: &Port<M>, message: impl Fn() -> M)
where
    M: Message<Result = ()> + Send + 'static,
{
    let mut pause = FIRST_PAUSE;
    while let Err(reason) = port.ask(message(), ANSWER_WITHIN).await {
        // A full mailbox or a restart is daily work; a consumer that failed with the batch in hand is not.
        match reason {
            AskError::Full | AskError::NotDelivered => debug!(%reason, "the consumer takes nothing now, sending again"),
            _ => warn!(%reason, "the consumer did not take what it was sent, sending it again"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
