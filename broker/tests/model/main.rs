//! The broker against a model that is too simple to be wrong: any sequence of publishes (to topics and to queues, with
//! properties and without), deliveries, acknowledgements, rejections, discards, consumers that stand in line, die or hang,
//! restarts, kills, losses of power and passing time, over queues whose subscriptions overlap. Storage that fails is not in it.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail as the test does")]

#[path = "../common/mod.rs"]
mod common;

mod book;
mod kill;
mod real;

use std::time::Duration;

use book::{Answer, Held, Model, Sent, payload_len};
use bytes::Bytes;
use common::*;
use proptest::prelude::*;
use real::{Real, UNLIMITED};
use tillstream_broker::{Delivery, PublishError};

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
    /// All at once.
    Publish(Vec<Sent>),
    /// From the queue with this index, up to so many.
    Deliver(usize, u8),
    /// Of what the consumer has, those at these (wrapped) places.
    Acknowledge(usize, Vec<u8>),
    /// What the consumer does not have (any more).
    AcknowledgeInVain(usize, Vec<u8>),
    Reject(usize, Vec<u8>),
    Discard(usize, Vec<u8>),
    /// Somebody waits until the consumer has gone, and may then have so many messages at a time.
    LineUp(usize, usize),
    /// Whoever stands at this (wrapped) place.
    LeaveLine(usize, u8),
    /// Some of those in line are served and go without knowing it. When nobody is left, its successor may have so many
    /// messages at a time.
    ConsumerDies {
        queue: usize,
        unaware: usize,
        window: usize,
    },
    /// Its successor takes the place while it goes on with the flow in hand.
    ConsumerHangs(usize, usize),
    RestartInOrder,
    /// While messages are being published, so many microseconds after the first of them.
    Kill(Kill),
    TimePasses(u8),
}

/// A process that ends without a word.
#[derive(Debug, Clone)]
struct Kill {
    publishing: Vec<Sent>,
    micros: u16,
    /// The machine with it: what was not synced is there in part.
    power: Option<u64>,
}

fn messages() -> impl Strategy<Value = Vec<Sent>> {
    let to = prop_oneof![5 => Just(None), 1 => (0..=QUEUES).prop_map(Some)];
    let sent = (0..TOPICS.len(), to, prop::bool::weighted(0.2), prop::bool::weighted(0.3));
    let sent = sent.prop_map(|(topic, to, long, described)| Sent { topic, to, long, described });
    prop::collection::vec(sent, 1..12)
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
        2 => (0..QUEUES, places()).prop_map(|(queue, places)| Step::Discard(queue, places)),
        2 => (0..QUEUES, window()).prop_map(|(queue, window)| Step::LineUp(queue, window)),
        1 => (0..QUEUES, any::<u8>()).prop_map(|(queue, place)| Step::LeaveLine(queue, place)),
        2 => (0..QUEUES, 0..3usize, window())
            .prop_map(|(queue, unaware, window)| Step::ConsumerDies { queue, unaware, window }),
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
            real.flow(queue).discard(&strange);
        }
        Step::Reject(queue, places) => {
            let chosen = real.choose(queue, &places);
            real.flow(queue).reject(&ids(&chosen));
            model.give_back(queue, &numbers(&chosen));
            real.settle_dead(model).await;
        }
        Step::Discard(queue, places) => {
            let chosen = real.choose(queue, &places);
            real.flow(queue).discard(&ids(&chosen));
            numbers(&chosen).into_iter().for_each(|number| model.discard(queue, number));
            real.settle_dead(model).await;
        }
        Step::LineUp(queue, window) => {
            let window = at_once(queue, window);
            real.line_up(queue, window);
            model.queues[queue].line.push_back(window);
        }
        Step::LeaveLine(queue, place) => {
            let line = &mut model.queues[queue].line;
            if !line.is_empty() {
                let place = usize::from(place) % line.len();
                line.remove(place);
                real.lines[queue].remove(place);
            }
        }
        Step::ConsumerDies { queue, unaware, window } => {
            let (unaware, window) = (unaware.min(real.lines[queue].len()), at_once(queue, window));
            real.hand_over(queue, unaware, window);
            let had = numbers(&std::mem::take(&mut real.had[queue]));
            model.hand_over(queue, &had, unaware, window);
            real.settle_dead(model).await;
        }
        // Whoever stood in line has no owner, and nobody else supersedes it.
        Step::ConsumerHangs(queue, _) if !real.is_with_owner(queue) => {}
        Step::ConsumerHangs(queue, window) => {
            let window = at_once(queue, window);
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

/// The dead arrive in any order, so all of them are taken at once.
fn at_once(queue: usize, window: usize) -> usize {
    if queue == DEAD { UNLIMITED } else { window }
}

async fn publish(model: &mut Model, real: &Real, messages: Vec<Sent>) {
    let numbered = (model.next..).zip(&messages);
    let publishes: Vec<_> = numbered.map(|(number, sent)| real.publish(*sent, number)).collect();
    for (publish, sent) in publishes.into_iter().zip(messages) {
        let answer = within("the answer to a publish", publish).await;
        let told = match &answer {
            Ok(()) => Answer::Stored,
            Err(PublishError::Refused { queue, .. }) if queue == NAMES[STRICT] => Answer::Refused,
            Err(PublishError::NoSubscriber(_)) => Answer::NoSubscriber,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(told, model.publish(sent), "{sent:?}");
    }
}

/// A consumer that asks makes its queue look at ages, so that both sides have dropped the same.
async fn age(model: &mut Model, real: &mut Real) {
    model.expire();
    real.poll(LOOSE, 0).await;
}

async fn deliver(model: &mut Model, real: &mut Real, queue: usize, count: usize) {
    let count = at_once(queue, count);
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
        assert_same(one, held);
        if matches!(queue, LOOSE | ASIDE) {
            assert_eq!(one.delivery_count, held.deliveries, "a limited queue counts, also over restarts");
        }
    }
    real.keep(queue, got);
}

/// Whether everything that a message carries is as its publisher sent it.
fn assert_same(one: &Delivery, held: &Held) {
    assert_eq!(&*one.topic, TOPICS[held.sent.topic]);
    assert_eq!(one.payload.len(), payload_len(held.sent.long));
    let properties = if held.sent.described { properties_of(number(one)) } else { Bytes::new() };
    assert_eq!(one.properties, properties);
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
