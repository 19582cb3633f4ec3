//! A consumer that writes down what its flow tells it and acknowledges nothing by itself.
//! Does not know which broker is behind the flow.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, Handler, ResponseFuture};
use tillstream_messages::{DeliveryTag, FlowBound, FlowLost, InboundMessage, MessagesDelivered};
use tillstream_session::FlowConsumer;
use tillstream_supervision::{ActorSpec, Place, SupervisedContext, Supervisor, supervised};
use tokio::time::sleep;

/// What a consumer has been told, over all of its incarnations.
#[derive(Default)]
pub struct Seen {
    /// Bindings.
    pub bound: Mutex<Vec<FlowBound>>,
    /// Why bindings were lost.
    pub lost: Mutex<Vec<String>>,
    /// All messages, as often as they came.
    pub messages: Mutex<Vec<InboundMessage>>,
    /// Empty deliveries.
    pub heartbeats: Mutex<usize>,
    /// The next batch kills the consumer.
    pub die_with_next: AtomicBool,
    /// Every batch is answered after so long: whoever sends more than it takes has to wait.
    pub slowness: Mutex<Duration>,
}

// === impl Seen ===

impl Seen {
    /// The numbers in the payloads, in the order of delivery.
    pub fn numbers(&self) -> Vec<u32> {
        self.messages.lock().unwrap().iter().map(number).collect()
    }

    /// What to acknowledge.
    pub fn tags(&self) -> Vec<DeliveryTag> {
        self.messages.lock().unwrap().iter().map(|message| message.tag).collect()
    }

    /// Of the bindings that were announced.
    pub fn epochs(&self) -> Vec<u32> {
        self.bound.lock().unwrap().iter().map(|fact| fact.epoch).collect()
    }

    /// How many there were.
    pub fn beats(&self) -> usize {
        *self.heartbeats.lock().unwrap()
    }

    /// The newest tag of each number, as a consumer keeps them.
    pub fn newest(&self) -> BTreeMap<u32, DeliveryTag> {
        self.messages.lock().unwrap().iter().map(|message| (number(message), message.tag)).collect()
    }
}

/// The number that a test's message carries.
pub fn number(message: &InboundMessage) -> u32 {
    let text = std::str::from_utf8(&message.payload).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Spawns a consumer and gives its ports and its notes.
pub fn notebook(root: &Supervisor, place: &Place, name: &str) -> (FlowConsumer, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let notes = Arc::clone(&seen);
    let spec = ActorSpec::new(name, "consumer");
    let consumer = root.spawn(spec, place, move || Notebook(Arc::clone(&notes))).unwrap();
    (FlowConsumer { bound: consumer.port(), lost: consumer.port(), delivered: consumer.port() }, seen)
}

struct Notebook(Arc<Seen>);

supervised!(Notebook);

impl Actor for Notebook {
    type Context = SupervisedContext<Self>;
}

impl Handler<FlowBound> for Notebook {
    type Result = ();
    fn handle(&mut self, fact: FlowBound, _: &mut Self::Context) {
        self.0.bound.lock().unwrap().push(fact);
    }
}

impl Handler<FlowLost> for Notebook {
    type Result = ();
    fn handle(&mut self, fact: FlowLost, _: &mut Self::Context) {
        self.0.lost.lock().unwrap().push(fact.reason);
    }
}

impl Handler<MessagesDelivered> for Notebook {
    type Result = ResponseFuture<()>;
    fn handle(&mut self, fact: MessagesDelivered, _: &mut Self::Context) -> Self::Result {
        if fact.messages.is_empty() {
            *self.0.heartbeats.lock().unwrap() += 1;
            return Box::pin(ready(()));
        }
        assert!(!self.0.die_with_next.swap(false, Ordering::Relaxed), "told to die with this batch");
        self.0.messages.lock().unwrap().extend(fact.messages);
        Box::pin(sleep(*self.0.slowness.lock().unwrap()))
    }
}
