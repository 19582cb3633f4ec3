//! Moves one binding's messages to the consumer, in order, and its acknowledgements back.
//! Ends with the binding: it never binds again and reports no health.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use tillstream_broker::{BindError, Broker, Delivery, Flow};
use tillstream_messages::{DeliveryTag, FlowBound, HealthBoard, InboundMessage, Leg, LegState};
use tillstream_session::{FlowConsumer, Tags};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use crate::trace;

const BATCH: usize = 512;
const HEARTBEAT: Duration = Duration::from_millis(250);

/// One binding at work.
pub struct Pump {
    /// Asked whether it is well before a silent queue is called idle.
    pub broker: Broker,
    /// Asked the same of the publisher.
    pub health: HealthBoard,
    /// The binding; dropped with the pump.
    pub flow: Flow,
    /// Which binding it is.
    pub epoch: u32,
    /// How many unacknowledged messages the flow may hold.
    pub window: usize,
    /// Who gets the messages.
    pub consumer: FlowConsumer,
    /// Acknowledgements; closed when the binding is to end.
    pub orders: UnboundedReceiver<Vec<DeliveryTag>>,
}

/// Why a binding ended.
#[derive(Debug)]
pub enum PumpEnd {
    /// The actor asked for it.
    Dismissed,
    /// The broker did.
    Lost(BindError),
}

type Sending = Pin<Box<dyn Future<Output = ()>>>;

impl Pump {
    /// Sends one batch at a time while the next one is already fetched.
    pub async fn run(mut self) -> PumpEnd {
        let mut tags = Tags::new(self.epoch);
        let bound = FlowBound { epoch: self.epoch, window: self.window };
        let mut sending: Option<Sending> = Some(Box::pin(self.consumer.clone().announce(bound)));
        let mut fetched: Option<Vec<InboundMessage>> = None;
        let mut beat_at = Instant::now() + HEARTBEAT;
        loop {
            if sending.is_none() {
                sending = fetched.take().map(|batch| self.deliver(batch));
            }
            let idle = sending.is_none() && fetched.is_none();
            tokio::select! {
                biased;
                order = self.orders.recv() => match order {
                    Some(acknowledged) => self.flow.acknowledge(&tags.settle(&acknowledged)),
                    None => return PumpEnd::Dismissed,
                },
                () = sent(&mut sending) => {
                    sending = None;
                    beat_at = Instant::now() + HEARTBEAT;
                }
                batch = self.flow.next_batch(BATCH), if fetched.is_none() => match batch {
                    Ok(deliveries) => fetched = Some(tag_all(&mut tags, deliveries)),
                    Err(reason) => return PumpEnd::Lost(reason),
                },
                // Last: it fires only when the queue has just said that it has nothing to deliver.
                () = sleep_until(beat_at), if idle => {
                    beat_at = Instant::now() + HEARTBEAT;
                    sending = self.heartbeat(tags.open());
                }
            }
        }
    }

    fn deliver(&self, batch: Vec<InboundMessage>) -> Sending {
        Box::pin(self.consumer.clone().deliver(self.epoch, batch))
    }

    /// A heartbeat says that time may pass, so there is none while sales wait: behind a full window, on a disk that is
    /// slow to read, or in front of a broker that takes nothing.
    fn heartbeat(&self, unacknowledged: usize) -> Option<Sending> {
        let flows = self.broker.trouble().is_none() && self.health.get(Leg::Publish) == LegState::Up;
        let idle = unacknowledged < self.window && flows && self.flow.has_all();
        idle.then(|| -> Sending { Box::pin(self.consumer.clone().beat(self.epoch)) })
    }
}

async fn sent(sending: &mut Option<Sending>) {
    match sending {
        Some(answer) => answer.await,
        None => pending().await,
    }
}

fn tag_all(tags: &mut Tags, deliveries: Vec<Delivery>) -> Vec<InboundMessage> {
    let tagged = deliveries.into_iter().map(|it| {
        let trace = trace::context(&it.properties);
        tags.tag(it.id, it.topic, it.payload, it.redelivered, trace)
    });
    tagged.collect()
}
