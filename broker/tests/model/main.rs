//! The broker against a model that is too simple to be wrong: any sequence of publishes, deliveries, acknowledgements,
//! rejections, consumers that die or hang, restarts, kills, losses of power and passing time, over queues whose
//! subscriptions overlap. Storage that fails is not in it.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail as the test does")]

#[path = "../common/mod.rs"]
mod common;

mod book;
mod kill;
mod real;

use std::time::Duration;

use book::{Answer, Model};
use common::*;
use proptest::prelude::*;
use real::{Real, UNLIMITED};
use tillstream_broker::PublishError;

const STRICT: usize = 0;
const LOOSE: usize = 1;
const WILD: usize = 2;
const ASIDE: usize = 3;
const DEAD: usize = 4;
const QUEUES: usize = 5;

const TTL: Duration = Duration::from_secs(100);
/// Of `loose`, which has a dead-message queue.
const MAX_REDELIVERY: u32 = 5;
/// Of `aside`, which has none.
const FEW_REDELIVERIES: u32 = 3;
const STRICT_QUOTA: u64 = 5_000;
const LOOSE_QUOTA: u64 = 1_600;

const NAMES: [&str; QUEUES] = ["strict", "loose", "wild", "aside", "dead"];

/// Of every queue; they overlap within a queue and between queues.
const SUBSCRIPTIONS: [&[&str]; QUEUES] =
    [&["a/>", "b"], &["a/*", "d/x"], &["*/STORE_*/>", "a/b", "a/*"], &["c", "c/>", "d/>"], &[]];

/// The last one has no subscriber, nor has one that is a level too short for `*/STORE_*/>`.
const TOPICS: [&str; 13] = [
    "a/b",
    "a/b/c",
    "a/STORE_1/x",
    "b",
    "b/STORE_12/x/y",
    "b/STORE_/z",
    "c",
    "c/q",
    "c/q/r",
    "d/x",
    "d/y",
    "b/STORE_1",
    "z",
];

#[derive(Debug, Clone)]
enum Step {
    /// Topics and whether the message is long; all at once.
    Publish(Vec<(usize, bool)>),
    /// From the queue with this index, up to so many.
    Deliver(usize, u8),
    /// Of what the consumer has, those at these (wrapped) places.
    Acknowledge(usize, Vec<u8>),
    /// What the consumer does not have (any more).
    AcknowledgeInVain(usize, Vec<u8>),
    Reject(usize, Vec<u8>),
    /// Its successor may have so many messages at a time.
    ConsumerDies(usize, usize),
    /// The same, but it goes on with the flow in hand.
    ConsumerHangs(usize, usize),
    RestartInOrder,
    /// While messages are being published, so many microseconds after the first of them.
    Kill(Kill),
    TimePasses(u8),
}

/// A process that ends without a word.
#[derive(Debug, Clone)]
struct Kill {
    publishing: Vec<(usize, bool)>,
    micros: u16,
    /// The machine with it: what was not synced is there in part.
    power: Option<u64>,
}

fn messages() -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop::collection::vec((0..TOPICS.len(), prop::bool::weighted(0.2)), 1..12)
}

fn window() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(UNLIMITED), 1 => 0..4usize]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let places = || prop::collection::vec(any::<u8>(), 1..12);
    let kill = (messages(), 0..3_000u16, prop::option::of(any::<u64>()))
        .prop_map(|(publishing, micros, power)| Step::Kill(Kill { publishing, micros, power }));
    let step = prop_oneof![
        6 => messages().prop_map(Step::Publish),
        6 => (0..QUEUES, 1..12u8).prop_map(|(queue, count)| Step::Deliver(queue, count)),
        4 => (0..QUEUES, places()).prop_map(|(queue, places)| Step::Acknowledge(queue, places)),
        1 => (0..QUEUES, places()).prop_map(|(queue, places)| Step::AcknowledgeInVain(queue, places)),
        3 => (0..QUEUES, places()).prop_map(|(queue, places)| Step::Reject(queue, places)),
        1 => (0..QUEUES, window()).prop_map(|(queue, window)| Step::ConsumerDies(queue, window)),
        1 => (0..QUEUES, window()).prop_map(|(queue, window)| Step::ConsumerHangs(queue, window)),
        1 => Just(Step::RestartInOrder),
        1 => kill,
        1 => (1..80u8).prop_map(Step::TimePasses),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn the_broker_does_what_the_model_does(steps in steps(), little_memory in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::default();
            let mut real = Real::open_new(little_memory);
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
        Step::Publish(messages) => publish(model, real, messages).await,
        Step::Deliver(queue, count) => deliver(model, real, queue, usize::from(count)).await,
        Step::Acknowledge(queue, places) => {
            let chosen = real.choose(queue, &places);
            real.flow(queue).acknowledge(&ids(&chosen));
            numbers(&chosen).into_iter().for_each(|number| model.acknowledge(queue, number));
        }
        Step::AcknowledgeInVain(queue, places) => {
            let strange = real.choose_strange(queue, &places);
            real.flow(queue).acknowledge(&strange);
            real.flow(queue).reject(&strange);
        }
        Step::Reject(queue, places) => {
            let chosen = real.choose(queue, &places);
            real.flow(queue).reject(&ids(&chosen));
            model.give_back(queue, &numbers(&chosen));
            real.settle_dead(model).await;
        }
        Step::ConsumerDies(queue, window) => {
            real.flows[queue] = None;
            real.bind(queue, window);
            model.give_back(queue, &numbers(&std::mem::take(&mut real.had[queue])));
            model.queues[queue].window = window;
            real.settle_dead(model).await;
        }
        Step::ConsumerHangs(queue, window) => {
            let had = real.supersede(queue, window);
            model.give_back(queue, &numbers(&had));
            model.queues[queue].window = window;
            real.settle_dead(model).await;
        }
        Step::RestartInOrder => {
            real.restart_in_order(model).await;
            real.settle_dead(model).await;
        }
        Step::Kill(kill) => kill::kill(model, real, kill).await,
        Step::TimePasses(seconds) => {
            model.now += u64::from(seconds) * 1000;
            real.clock.advance(Duration::from_secs(u64::from(seconds)));
        }
    }
}

async fn publish(model: &mut Model, real: &Real, messages: Vec<(usize, bool)>) {
    let numbered = (model.next..).zip(&messages);
    let publishes: Vec<_> = numbered.map(|(number, &(topic, long))| real.publish(topic, number, long)).collect();
    for (publish, (topic, long)) in publishes.into_iter().zip(messages) {
        let answer = within("the answer to a publish", publish).await;
        let told = match &answer {
            Ok(()) => Answer::Stored,
            Err(PublishError::Refused { queue, .. }) if queue == NAMES[STRICT] => Answer::Refused,
            Err(PublishError::NoSubscriber(_)) => Answer::NoSubscriber,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(told, model.publish(topic, long), "{}", TOPICS[topic]);
    }
}

/// A consumer that asks makes its queue look at ages, so that both sides have dropped the same.
async fn age(model: &mut Model, real: &mut Real) {
    model.expire();
    real.poll(LOOSE, 0).await;
}

async fn deliver(model: &mut Model, real: &mut Real, queue: usize, count: usize) {
    // The dead arrive in any order, so all of them are taken at once.
    let count = if queue == DEAD { UNLIMITED } else { count };
    let expected = model.deliver(queue, count);
    if expected.is_empty() {
        assert_eq!(real.poll(queue, count).await, 0, "{} delivers more than there is room for", NAMES[queue]);
        return;
    }
    let mut got = real.take(queue, expected.len()).await;
    if queue == DEAD {
        got.sort_unstable_by_key(number);
    }
    assert_eq!(numbers(&got), expected.iter().map(|(number, _)| *number).collect::<Vec<_>>(), "{}", NAMES[queue]);
    for (one, (number, held)) in got.iter().zip(&expected) {
        assert_eq!(one.redelivered, held.deliveries > 1, "whether message {number} comes again");
        assert_eq!(&*one.topic, TOPICS[held.topic]);
        if matches!(queue, LOOSE | ASIDE) {
            assert_eq!(one.delivery_count, held.deliveries, "a limited queue counts, also over restarts");
        }
    }
    real.keep(queue, got);
}

/// Everything that can be seen without a delivery.
fn compare(model: &Model, real: &Real) {
    for (name, queue) in NAMES.into_iter().zip(&model.queues) {
        let stats = stats_of(&real.broker, name);
        assert_eq!((stats.depth, stats.discarded), (queue.held.len() as u64, queue.discarded), "{name}: {queue:?}");
        assert_eq!(stats.bytes, queue.bytes(), "{name}");
        assert_eq!(stats.unacknowledged, queue.inflight() as u64, "{name}");
    }
}
