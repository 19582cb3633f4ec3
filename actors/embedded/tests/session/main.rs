//! Publisher and flows under their supervisor on a real broker in a directory of its own.
//! In real time, because the broker works on a thread of its own: tests wait for what must come, never for how long.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod traces;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, Handler};
use tempfile::TempDir;
use tillstream_broker::{Broker, FlowOwner, Side};
use tillstream_domain::{AGGREGATION_QUEUE, LEDGER_QUEUE};
use tillstream_embedded::{EmbeddedBrokerSettings, EmbeddedFlow, EmbeddedPublisher, FlowWiring, embedded_queues};
use tillstream_messages::{
    AcknowledgeDeliveries, DeliveryTag, FlowBound, FlowLost, HealthBoard, InboundMessage, Leg, LegState,
    MessagesDelivered, PublishError, PublishMessage, RebindFlow, TraceContext,
};
use tillstream_session::FlowConsumer;
use tillstream_supervision::{
    ActorSpec, AskError, Fault, Handle, Place, Strategy, SupervisedContext, Supervisor, SupervisorSpec, supervised,
};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

const WITHIN: Duration = Duration::from_secs(30);

/// What a consumer has been told, over all of its incarnations.
#[derive(Default)]
struct Seen {
    bound: Mutex<Vec<FlowBound>>,
    lost: Mutex<Vec<String>>,
    messages: Mutex<Vec<InboundMessage>>,
    heartbeats: Mutex<usize>,
    die_with_next: AtomicBool,
}

/// A consumer that writes down what it gets and acknowledges nothing by itself.
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
    type Result = ();
    fn handle(&mut self, fact: MessagesDelivered, _: &mut Self::Context) {
        if fact.messages.is_empty() {
            *self.0.heartbeats.lock().unwrap() += 1;
            return;
        }
        assert!(!self.0.die_with_next.swap(false, Ordering::Relaxed), "told to die with this batch");
        self.0.messages.lock().unwrap().extend(fact.messages);
    }
}

struct Bench {
    root: Supervisor,
    place: Place,
    broker: Broker,
    publisher: Handle<EmbeddedPublisher>,
    health: HealthBoard,
    _directory: TempDir,
}

fn bench(publish_window: usize) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let settings = EmbeddedBrokerSettings { reserve_bytes: 1 << 20, ..EmbeddedBrokerSettings::default() };
    let queues = embedded_queues("sale/pos/transaction", 2, &settings);
    let broker = Broker::open(directory.path(), settings.broker(), queues).unwrap();
    let place = Place::here();
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
    let health = HealthBoard::default();
    let (own, board) = (broker.clone(), health.clone());
    let factory = move || EmbeddedPublisher::new(own.clone(), publish_window, board.clone());
    let publisher = root.spawn(ActorSpec::new("publisher", "publisher"), &place, factory).unwrap();
    Bench { root, place, broker, publisher, health, _directory: directory }
}

impl Bench {
    fn flow(&self, window: usize) -> (Handle<EmbeddedFlow>, Arc<Seen>) {
        let seen = Arc::new(Seen::default());
        let notes = Arc::clone(&seen);
        let spec = ActorSpec::new("consumer", "consumer");
        let consumer = self.root.spawn(spec, &self.place, move || Notebook(Arc::clone(&notes))).unwrap();
        let consumer = FlowConsumer { bound: consumer.port(), lost: consumer.port(), delivered: consumer.port() };
        let wiring = FlowWiring {
            broker: self.broker.clone(),
            queue: AGGREGATION_QUEUE.to_owned(),
            window,
            consumer,
            leg: Leg::ConsumeSales,
            health: self.health.clone(),
            epochs: Arc::default(),
            owner: FlowOwner::new(),
        };
        let factory = move || EmbeddedFlow::new(wiring.clone());
        (self.root.spawn(ActorSpec::new("flow", "flow"), &self.place, factory).unwrap(), seen)
    }

    async fn publish(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.publisher.ask(sale(number), WITHIN).await.unwrap().unwrap();
        }
    }

    fn depth(&self, queue: &str) -> u64 {
        self.broker.stats().into_iter().find(|stats| stats.name == queue).unwrap().depth
    }
}

fn sale(number: u32) -> PublishMessage {
    let topic = format!("sale/pos/transaction/receipt/STORE_1/{number}");
    PublishMessage::new(topic, Uuid::from_u128(number.into()), number.to_string(), 1)
}

fn payloads(messages: &[InboundMessage]) -> Vec<u32> {
    messages.iter().map(|message| String::from_utf8_lossy(&message.payload).parse().unwrap()).collect()
}

impl Seen {
    fn traces(&self) -> Vec<Option<TraceContext>> {
        self.messages.lock().unwrap().iter().map(|message| message.trace.clone()).collect()
    }

    fn payloads(&self) -> Vec<u32> {
        payloads(&self.messages.lock().unwrap())
    }

    fn tags(&self) -> Vec<DeliveryTag> {
        self.messages.lock().unwrap().iter().map(|message| message.tag).collect()
    }

    fn epochs(&self) -> Vec<u32> {
        self.bound.lock().unwrap().iter().map(|bound| bound.epoch).collect()
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(WITHIN, waiting).await.is_ok(), "never came true: {what}");
}

/// Beyond every wait of a test, each of which names what it waits for.
async fn locally(test: impl Future<Output = ()>) {
    let ended = timeout(10 * WITHIN, LocalSet::new().run_until(test)).await;
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(ended.is_ok(), "{name} is stuck outside of its waits");
}

#[tokio::test]
async fn what_is_published_is_delivered_in_order_and_gone_once_acknowledged() {
    locally(async {
        let bench = bench(4096);
        let (flow, seen) = bench.flow(1000);
        bench.publish(0..50).await;
        until("all delivered", || seen.payloads().len() == 50).await;

        assert_eq!(seen.payloads(), (0..50).collect::<Vec<_>>());
        let numbers: Vec<u64> = seen.tags().iter().map(|tag| tag.number).collect();
        assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
        assert!(seen.messages.lock().unwrap().iter().all(|message| !message.redelivered));
        assert_eq!(bench.depth(AGGREGATION_QUEUE), 50);

        flow.tell(AcknowledgeDeliveries { tags: seen.tags().into_iter().rev().collect() }).unwrap();

        until("the queue is empty", || bench.depth(AGGREGATION_QUEUE) == 0).await;
        assert_eq!(bench.depth(LEDGER_QUEUE), 50, "another queue's copies are another consumer's");
    })
    .await;
}

#[tokio::test]
async fn a_consumer_that_dies_with_a_batch_gets_the_same_batch_again() {
    locally(async {
        let bench = bench(4096);
        let (_flow, seen) = bench.flow(1000);
        bench.publish(0..3).await;
        until("the first are delivered", || seen.payloads().len() == 3).await;
        seen.die_with_next.store(true, Ordering::Relaxed);

        bench.publish(3..6).await;

        until("all are delivered", || seen.payloads().len() == 6).await;
        assert_eq!(seen.payloads(), [0, 1, 2, 3, 4, 5]);
        assert!(seen.tags().iter().enumerate().all(|(index, tag)| tag.number == index as u64 + 1 && tag.epoch == 1));
        assert!(!seen.die_with_next.load(Ordering::Relaxed), "the consumer has died");
    })
    .await;
}

#[tokio::test]
async fn a_killed_flow_delivers_what_was_not_acknowledged_again_and_says_so() {
    locally(async {
        let bench = bench(4096);
        let (flow, seen) = bench.flow(1000);
        bench.publish(0..5).await;
        until("delivered", || seen.payloads().len() == 5).await;
        flow.tell(AcknowledgeDeliveries { tags: seen.tags()[..2].to_vec() }).unwrap();
        until("two are gone", || bench.depth(AGGREGATION_QUEUE) == 3).await;

        bench.root.inject("root.flow", Fault::Panic).unwrap();

        until("delivered again", || seen.payloads().len() == 8).await;
        assert_eq!(seen.payloads()[5..], [2, 3, 4]);
        assert!(seen.messages.lock().unwrap()[5..].iter().all(|message| message.redelivered && message.tag.epoch == 2));
        assert_eq!(seen.epochs(), [1, 2]);
        until("the leg is up again", || bench.health.get(Leg::ConsumeSales) == LegState::Up).await;
    })
    .await;
}

#[tokio::test]
async fn a_consumer_that_lost_everything_has_it_all_back_by_ordering_a_new_binding() {
    locally(async {
        let bench = bench(4096);
        let (flow, seen) = bench.flow(1000);
        bench.publish(0..4).await;
        until("delivered", || seen.payloads().len() == 4).await;
        let old_tags = seen.tags();

        flow.tell(RebindFlow).unwrap();
        until("delivered again", || seen.payloads().len() == 8).await;

        assert_eq!(seen.payloads()[4..], [0, 1, 2, 3]);
        assert_eq!((seen.epochs(), seen.lost.lock().unwrap().len()), (vec![1, 2], 0));
        flow.tell(AcknowledgeDeliveries { tags: old_tags }).unwrap();
        flow.tell(AcknowledgeDeliveries { tags: seen.tags()[4..5].to_vec() }).unwrap();
        until("one is gone", || bench.depth(AGGREGATION_QUEUE) == 3).await;
    })
    .await;
}

#[tokio::test]
async fn a_queue_that_somebody_else_holds_is_bound_when_it_is_free() {
    locally(async {
        let bench = bench(4096);
        let held = bench.broker.bind(AGGREGATION_QUEUE, 10).unwrap();
        let (_flow, seen) = bench.flow(1000);
        let down =
            || matches!(bench.health.get(Leg::ConsumeSales), LegState::Down(why) if why.contains("is not bound"));
        until("the leg says why", down).await;
        assert!(seen.epochs().is_empty());

        drop(held);

        until("bound", || seen.epochs() == [1]).await;
        assert_eq!(bench.health.get(Leg::ConsumeSales), LegState::Up);
    })
    .await;
}

#[tokio::test]
async fn an_idle_flow_beats_and_one_whose_window_is_full_does_not() {
    locally(async {
        let bench = bench(4096);
        let (flow, seen) = bench.flow(2);
        let beats = || *seen.heartbeats.lock().unwrap();
        until("it beats while idle", || beats() >= 2).await;

        bench.publish(0..2).await;
        until("the window is full", || seen.payloads().len() == 2).await;
        let full = beats();
        sleep(Duration::from_millis(900)).await;
        bench.publish(2..5).await;
        assert_eq!((beats(), seen.payloads()), (full, vec![0, 1]));

        flow.tell(AcknowledgeDeliveries { tags: seen.tags() }).unwrap();
        until("the next are let through", || seen.payloads() == [0, 1, 2, 3]).await;
    })
    .await;
}

#[tokio::test]
async fn d5_an_outage_of_seconds_is_reported_answers_no_publish_and_does_not_end_publishing_for_ever() {
    locally(async {
        let bench = bench(4096);
        let (_flow, seen) = bench.flow(1000);
        let beats = || *seen.heartbeats.lock().unwrap();
        until("it beats while idle", || beats() >= 2).await;

        bench.broker.stall(Duration::from_secs(5));
        let mut answer = std::pin::pin!(bench.publisher.ask(sale(1), WITHIN));
        let reported = until("the leg is down", || matches!(bench.health.get(Leg::Publish), LegState::Down(_)));
        tokio::select! {
            word = &mut answer => panic!("answered while the broker was stalled: {word:?}"),
            () = reported => {}
        }
        let before = beats();
        sleep(Duration::from_millis(900)).await;
        assert_eq!(beats(), before);

        assert_eq!(answer.await, Ok(Ok(())));
        until("the sale is delivered", || seen.payloads() == [1]).await;
        until("it beats again", || beats() > before).await;
        assert_eq!(bench.health.get(Leg::Publish), LegState::Up);
    })
    .await;
}

/// A till's patience in tests of a broker that does not answer.
const PATIENCE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_stalled_broker_stores_nothing_and_whoever_publishes_hears_so_within_his_own_deadline() {
    locally(async {
        let bench = bench(4096);
        bench.publish(0..1).await;

        bench.broker.stall(Duration::from_secs(3600));
        let unanswered = bench.publisher.ask(sale(1), PATIENCE).await;
        assert_eq!((unanswered, bench.depth(AGGREGATION_QUEUE)), (Err(AskError::Timeout), 1));

        bench.broker.stall(Duration::ZERO);
        until("the sale is stored after all", || bench.depth(AGGREGATION_QUEUE) == 2).await;
        bench.publish(1..2).await;
    })
    .await;
}

#[tokio::test]
async fn a_sale_whose_acknowledgement_is_dropped_is_on_the_broker_and_its_publisher_never_hears_it() {
    locally(async {
        let bench = bench(1);
        let (_flow, seen) = bench.flow(1000);

        bench.broker.drop_acks(Duration::from_secs(3600));
        let unanswered = bench.publisher.ask(sale(1), PATIENCE).await;
        assert_eq!(unanswered, Err(AskError::Timeout));
        until("the sale is delivered", || seen.payloads() == [1]).await;
        assert_eq!(bench.publisher.ask(sale(2), WITHIN).await, Ok(Err(PublishError::Overloaded)), "it still waits");

        bench.broker.drop_acks(Duration::ZERO);
        let again = async {
            while bench.publisher.ask(sale(1), WITHIN).await != Ok(Ok(())) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(WITHIN, again).await.is_ok(), "the publisher waits for an answer that is lost");
        until("the repetition is delivered", || seen.payloads() == [1, 1]).await;
    })
    .await;
}

#[tokio::test]
async fn publishes_over_the_window_are_refused_and_the_others_are_on_disk() {
    locally(async {
        let bench = bench(3);
        let all = (0..60).map(|number| bench.publisher.ask(sale(number), WITHIN));
        let answers = futures_util::future::join_all(all).await;

        let refused = answers.iter().filter(|answer| **answer == Ok(Err(PublishError::Overloaded))).count();
        let taken = answers.iter().filter(|answer| **answer == Ok(Ok(()))).count();
        assert!(refused > 0 && taken >= 3, "{refused} refused, {taken} taken");
        assert_eq!((refused + taken, bench.depth(AGGREGATION_QUEUE)), (60, taken as u64));
        bench.publish(60..70).await;
    })
    .await;
}

#[tokio::test]
async fn what_no_queue_takes_and_what_is_too_large_is_refused_by_its_name() {
    locally(async {
        let bench = bench(4096);
        let lost = PublishMessage { topic: "nobody/listens".to_owned(), ..sale(1) };
        let answer = bench.publisher.ask(lost, WITHIN).await.unwrap();
        assert_eq!(answer, Err(PublishError::NoSubscriber("nobody/listens".to_owned())));

        let large = PublishMessage { payload: vec![0; 5 << 20].into(), ..sale(2) };
        assert_eq!(bench.publisher.ask(large, WITHIN).await.unwrap(), Err(PublishError::TooLarge));
    })
    .await;
}

#[tokio::test]
async fn a_killed_publisher_comes_back_and_publishes() {
    locally(async {
        let bench = bench(4096);
        until("the leg is up", || bench.health.get(Leg::Publish) == LegState::Up).await;
        bench.root.inject("root.publisher", Fault::Panic).unwrap();
        bench.publish(0..3).await;
        assert_eq!(bench.depth(AGGREGATION_QUEUE), 3);
    })
    .await;
}

#[tokio::test]
async fn a_closed_broker_is_reported_by_everybody_who_needs_it() {
    locally(async {
        let bench = bench(4096);
        let (_flow, seen) = bench.flow(1000);
        until("bound", || seen.epochs() == [1]).await;

        assert!(timeout(WITHIN, bench.broker.close()).await.is_ok(), "the broker never closes");

        assert!(matches!(bench.publisher.ask(sale(1), WITHIN).await.unwrap(), Err(PublishError::Down(_))));
        until("the consumer is told", || !seen.lost.lock().unwrap().is_empty()).await;
        until("the flow's leg is down", || matches!(bench.health.get(Leg::ConsumeSales), LegState::Down(_))).await;
    })
    .await;
}

#[tokio::test]
async fn a_queue_that_is_shut_refuses_sales_and_says_so_and_goes_on_when_it_is_open() {
    locally(async {
        let bench = bench(4096);
        let (_flow, seen) = bench.flow(1000);
        until("bound", || seen.epochs() == [1]).await;
        for side in [Side::Incoming, Side::Outgoing] {
            bench.broker.shut(AGGREGATION_QUEUE, side).unwrap();
        }

        let refused = bench.publisher.ask(sale(1), WITHIN).await.unwrap();
        let reason = "its incoming side is shut".to_owned();
        assert_eq!(refused, Err(PublishError::Refused { queue: AGGREGATION_QUEUE.to_owned(), reason }));
        assert_eq!(bench.depth(LEDGER_QUEUE), 0);
        let down =
            |state| matches!(state, LegState::Down(why) if why.contains("until its outgoing side is open again"));
        until("the leg is down", || down(bench.health.get(Leg::ConsumeSales))).await;

        for side in [Side::Incoming, Side::Outgoing] {
            bench.broker.reopen(AGGREGATION_QUEUE, side).unwrap();
        }
        bench.publish(2..3).await;
        until("the next sale comes", || seen.payloads() == [2]).await;
        assert_eq!((seen.epochs(), bench.health.get(Leg::ConsumeSales)), (vec![1, 2], LegState::Up));
    })
    .await;
}

#[tokio::test]
async fn a_leg_that_an_abandoned_incarnation_reports_late_is_soon_right_again() {
    locally(async {
        let bench = bench(10);
        let (_flow, seen) = bench.flow(10);
        until("the flow is bound", || !seen.epochs().is_empty()).await;

        for leg in [Leg::Publish, Leg::ConsumeSales] {
            bench.health.set(leg, LegState::Down("written by a thread that was blocked".to_owned()));

            until("the leg stands again", || bench.health.get(leg) == LegState::Up).await;
        }
    })
    .await;
}
