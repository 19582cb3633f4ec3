//! The broker against a model that is too simple to be wrong: any sequence of publishes, deliveries, acknowledgements,
//! rejections, deaths of the consumer, restarts and passing time. Storage failures are not in it.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail as the test does")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::sim_disk::SimDisk;
use common::*;
use proptest::prelude::*;
use tillstream_broker::{Broker, Delivery, Flow, PublishError, QueueSpec, WhenFull};

const TTL: Duration = Duration::from_secs(100);
const MAX_REDELIVERY: u32 = 2;
/// Stored bytes of one message of this test: id, topic `a` or `b`, payload.
const MESSAGE_BYTES: u64 = 16 + 1 + 40;
const QUOTA_MESSAGES: u64 = 20;

#[derive(Debug, Clone)]
enum Step {
    /// To these topics, all at once.
    Publish(Vec<Topic>),
    /// From the queue with this index, up to so many.
    Deliver(usize, u8),
    /// Of what the consumer has, those at these (wrapped) places.
    Acknowledge(usize, Vec<u8>),
    Reject(usize, Vec<u8>),
    ConsumerDies(usize),
    RestartInOrder,
    Kill,
    TimePasses(u8),
}

/// Which queues a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    /// `strict` and `loose`.
    Both,
    Strict,
    Aside,
    /// `loose` and `aside`, so that chunks of both are tied together.
    Tie,
}

/// A message in a queue of the model.
#[derive(Debug, Clone, Default)]
struct Held {
    stored_at: u64,
    deliveries: u32,
    inflight: bool,
}

/// One queue of the model: messages by number, which is their order.
#[derive(Debug, Default)]
struct ModelQueue {
    held: BTreeMap<u64, Held>,
    discarded: u64,
}

#[derive(Debug, Default)]
struct Model {
    strict: ModelQueue,
    loose: ModelQueue,
    aside: ModelQueue,
    dead: Vec<u64>,
    now: u64,
    next: u64,
}

/// The real thing with one consumer per queue.
struct Real {
    disk: SimDisk,
    clock: Arc<ManualClock>,
    broker: Broker,
    flows: [Option<Flow>; 3],
    had: [Vec<Delivery>; 3],
}

const NAMES: [&str; 3] = ["strict", "loose", "aside"];

/// `strict` must not miss anything and never gives up; `loose` has every limit there is; `aside` has none.
fn specs() -> Vec<QueueSpec> {
    let quota_bytes = MESSAGE_BYTES * QUOTA_MESSAGES;
    let strict = QueueSpec { quota_bytes: 3 * quota_bytes, ..queue("strict", &["a", "b"]) };
    let loose = QueueSpec {
        quota_bytes,
        when_full: WhenFull::DiscardNewest,
        ttl: Some(TTL),
        max_redelivery: Some(MAX_REDELIVERY),
        dead_message_queue: Some("dead".to_owned()),
        ..queue("loose", &["a", "d"])
    };
    vec![strict, loose, queue("aside", &["c", "d"]), queue("dead", &[])]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let places = || prop::collection::vec(any::<u8>(), 1..12);
    let topic = prop_oneof![
        3 => Just(Topic::Both),
        3 => Just(Topic::Strict),
        2 => Just(Topic::Aside),
        1 => Just(Topic::Tie)
    ];
    let step = prop_oneof![
        4 => prop::collection::vec(topic, 1..12).prop_map(Step::Publish),
        4 => (0..3usize, 1..12u8).prop_map(|(queue, count)| Step::Deliver(queue, count)),
        3 => (0..3usize, places()).prop_map(|(queue, places)| Step::Acknowledge(queue, places)),
        2 => (0..3usize, places()).prop_map(|(queue, places)| Step::Reject(queue, places)),
        1 => (0..3usize).prop_map(Step::ConsumerDies),
        1 => Just(Step::RestartInOrder),
        1 => Just(Step::Kill),
        1 => (1..80u8).prop_map(Step::TimePasses),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn the_broker_does_what_the_model_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::default();
            let mut real = Real::open(SimDisk::default(), manual_clock());
            for step in steps {
                apply(&mut model, &mut real, step).await;
                age(&mut model, &mut real).await;
                compare(&model, &real);
            }
            within("closing", real.broker.close()).await;
        });
    }
}

async fn apply(model: &mut Model, real: &mut Real, step: Step) {
    match step {
        Step::Publish(topics) => {
            let numbered = (model.next..).zip(&topics);
            let publishes: Vec<_> =
                numbered.map(|(number, topic)| real.broker.publish(message(topic.name(), number))).collect();
            for (publish, topic) in publishes.into_iter().zip(topics) {
                let answer = publish.await;
                assert_eq!(answer.is_ok(), model.publish(topic), "{answer:?}");
                assert!(matches!(answer, Ok(()) | Err(PublishError::Refused { .. })));
            }
        }
        Step::Deliver(queue, count) => deliver(model, real, queue, usize::from(count)).await,
        Step::Acknowledge(queue, places) => {
            let chosen = real.choose(queue, &places);
            real.flows[queue].as_ref().unwrap().acknowledge(&ids(&chosen));
            for one in &chosen {
                model.queue(queue).held.remove(&number(one));
            }
        }
        Step::Reject(queue, places) => {
            let chosen = real.choose(queue, &places);
            real.flows[queue].as_ref().unwrap().reject(&ids(&chosen));
            model.give_back(queue, &numbers(&chosen));
            real.settle_dead(model).await;
        }
        Step::ConsumerDies(queue) => {
            real.flows[queue] = None;
            let had = std::mem::take(&mut real.had[queue]);
            model.give_back(queue, &numbers(&had));
            real.flows[queue] = Some(real.broker.bind(NAMES[queue], 10_000).unwrap());
            real.settle_dead(model).await;
        }
        Step::RestartInOrder => {
            real.restart(model, true).await;
        }
        Step::Kill => {
            // A publish carries everything before it to the disk, so that the model need not guess what was lost.
            let answer = real.broker.publish(message("b", model.next)).await;
            assert_eq!(answer.is_ok(), model.publish(Topic::Strict));
            if answer.is_ok() {
                real.restart(model, false).await;
            }
        }
        Step::TimePasses(seconds) => {
            model.now += u64::from(seconds) * 1000;
            real.clock.advance(Duration::from_secs(u64::from(seconds)));
        }
    }
}

/// A consumer that asks makes its queue look at ages, so that both sides have dropped the same.
async fn age(model: &mut Model, real: &mut Real) {
    model.expire();
    let flow = real.flows[1].as_mut().unwrap();
    tokio::select! { biased; _ = flow.next_batch(0) => {}, () = std::future::ready(()) => {} }
}

async fn deliver(model: &mut Model, real: &mut Real, queue: usize, count: usize) {
    let expected: Vec<(u64, u32)> = {
        let open = model.queue(queue).held.iter_mut().filter(|(_, held)| !held.inflight).take(count);
        let taken = open.map(|(number, held)| {
            held.inflight = true;
            held.deliveries += 1;
            (*number, held.deliveries)
        });
        taken.collect()
    };
    if expected.is_empty() {
        return;
    }
    let got = within("deliveries", take(real.flows[queue].as_mut().unwrap(), expected.len())).await;
    assert_eq!(numbers(&got), expected.iter().map(|(number, _)| *number).collect::<Vec<_>>());
    for (one, (_, deliveries)) in got.iter().zip(&expected) {
        assert!(one.redelivered || *deliveries == 1, "message {} does not say that it comes again", number(one));
        if queue == 1 {
            assert!(one.delivery_count >= *deliveries, "a limited queue counts");
        }
    }
    real.had[queue].extend(got);
}

/// Everything that can be seen without a delivery.
fn compare(model: &Model, real: &Real) {
    for (name, queue) in NAMES.into_iter().zip([&model.strict, &model.loose, &model.aside]) {
        let stats = stats_of(&real.broker, name);
        assert_eq!((stats.depth, stats.discarded), (queue.held.len() as u64, queue.discarded), "{name}: {queue:?}");
        assert_eq!(stats.bytes, stats.depth * MESSAGE_BYTES, "{name}");
        assert_eq!(stats.unacknowledged, queue.held.values().filter(|held| held.inflight).count() as u64, "{name}");
    }
}

// === impl Topic ===

impl Topic {
    fn name(self) -> &'static str {
        match self {
            Self::Both => "a",
            Self::Strict => "b",
            Self::Aside => "c",
            Self::Tie => "d",
        }
    }
}

// === impl Real ===

impl Real {
    fn open(disk: SimDisk, clock: Arc<ManualClock>) -> Self {
        let broker = Broker::open_on(Arc::new(disk.clone()), clock.clone(), settings(), specs()).expect("opens");
        let flows = NAMES.map(|name| Some(broker.bind(name, 10_000).unwrap()));
        Self { disk, clock, broker, flows, had: Default::default() }
    }

    /// Takes what the consumer has at these places.
    fn choose(&mut self, queue: usize, places: &[u8]) -> Vec<Delivery> {
        let had = &mut self.had[queue];
        let mut chosen = Vec::new();
        for place in places {
            if !had.is_empty() {
                chosen.push(had.swap_remove(usize::from(*place) % had.len()));
            }
        }
        chosen
    }

    /// Waits until what left for the dead-message queue has arrived there, as it is one commit away.
    async fn settle_dead(&self, model: &Model) {
        let arrived = async {
            while depth_of(&self.broker, "dead") != model.dead.len() as u64 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        within("the dead-message queue", arrived).await;
    }

    async fn restart(&mut self, model: &mut Model, in_order: bool) {
        let disk = if in_order {
            // Closing takes back what consumers had, so it counts as a delivery that failed.
            self.flows = Default::default();
            within("closing", self.broker.close()).await;
            self.disk.clone()
        } else {
            self.disk.after_kill()
        };
        let clock = Arc::clone(&self.clock);
        let had = std::mem::take(&mut self.had);
        *self = Self::open(disk, clock);
        for (queue, had) in had.iter().enumerate() {
            model.give_back(queue, &numbers(had));
        }
        self.settle_dead(model).await;
    }
}

// === impl Model ===

impl Model {
    fn queue(&mut self, index: usize) -> &mut ModelQueue {
        [&mut self.strict, &mut self.loose, &mut self.aside].into_iter().nth(index).unwrap()
    }

    fn is_old(&self, held: &Held) -> bool {
        !held.inflight && self.now.saturating_sub(held.stored_at) > TTL.as_millis() as u64
    }

    fn expire(&mut self) {
        let old: Vec<u64> =
            self.loose.held.iter().filter(|(_, held)| self.is_old(held)).map(|(number, _)| *number).collect();
        for number in old {
            self.loose.held.remove(&number);
            self.loose.discarded += 1;
        }
    }

    /// Returns whether the publisher is told yes.
    fn publish(&mut self, topic: Topic) -> bool {
        let number = self.next;
        self.next += 1;
        let held = Held { stored_at: self.now, ..Held::default() };
        if matches!(topic, Topic::Both | Topic::Strict) {
            if self.strict.held.len() as u64 == 3 * QUOTA_MESSAGES {
                return false;
            }
            self.strict.held.insert(number, held.clone());
        }
        if matches!(topic, Topic::Aside | Topic::Tie) {
            self.aside.held.insert(number, held.clone());
        }
        if matches!(topic, Topic::Both | Topic::Tie) {
            if self.loose.held.len() as u64 == QUOTA_MESSAGES {
                self.loose.discarded += 1;
            } else {
                self.loose.held.insert(number, held);
            }
        }
        true
    }

    fn give_back(&mut self, index: usize, numbers: &[u64]) {
        for number in numbers {
            let Some(held) = self.queue(index).held.get_mut(number) else { continue };
            held.inflight = false;
            if index == 1 && held.deliveries > MAX_REDELIVERY {
                self.loose.held.remove(number);
                self.dead.push(*number);
            }
        }
    }
}
