//! Flows through the official client library on the embedded broker and its listener, with a proxy between them that cuts.
//! In real time, because library and broker work on threads of their own: tests wait for what must come.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests; a seed is for whoever repeats a run")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, Handler};
use futures_util::future::join_all;
use support::notebook::number;
use support::proxy::Proxy;
use support::{locally, until};
use tempfile::TempDir;
use tillstream_broker::{Broker, BrokerSettings, OutboundMessage, QueueSpec, QueueStats, WhenFull};
use tillstream_listener::{Account, Accounts, Consume, ListenerSettings, ListenerWiring, Rights, SmfListener};
use tillstream_messages::{
    AcknowledgeDeliveries, DeliveryTag, FlowBound, FlowLost, HealthBoard, Leg, LegState, MessagesDelivered, RebindFlow,
    SecretEntry, SecretTree,
};
use tillstream_session::FlowConsumer;
use tillstream_solace::{Access, AccessBook, SolaceFlow, SolaceFlowWiring, SolaceSettings};
use tillstream_supervision::{
    ActorSpec, Place, Port, Strategy, SupervisedContext, Supervisor, SupervisorSpec, supervised,
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

const QUEUE: &str = "sales";
const CREDS: &str = "message-broker/creds/aggregation-service";

/// What a consumer has seen and acknowledged, by the number in the payload.
#[derive(Default)]
struct Book {
    seen: BTreeSet<u32>,
    /// Held back: the newest tag of each.
    held: BTreeMap<u32, DeliveryTag>,
    acknowledged: BTreeSet<u32>,
    again: usize,
    bindings: usize,
    /// How many it may hold before it acknowledges the oldest.
    hold: usize,
    most_held: usize,
}

/// Keeps what it gets, like a consumer whose windows are open, and acknowledges the oldest when it holds too much.
struct Keeper {
    book: Arc<Mutex<Book>>,
    acknowledge: Port<AcknowledgeDeliveries>,
}

supervised!(Keeper);

impl Actor for Keeper {
    type Context = SupervisedContext<Self>;
}

impl Handler<FlowBound> for Keeper {
    type Result = ();
    fn handle(&mut self, _: FlowBound, _: &mut Self::Context) {
        let mut book = self.book.lock().unwrap();
        book.bindings += 1;
        // Everything that is not acknowledged comes again, under tags of the new epoch.
        book.held.clear();
    }
}

impl Handler<FlowLost> for Keeper {
    type Result = ();
    fn handle(&mut self, _: FlowLost, _: &mut Self::Context) {}
}

impl Handler<MessagesDelivered> for Keeper {
    type Result = ();
    fn handle(&mut self, fact: MessagesDelivered, _: &mut Self::Context) {
        let mut book = self.book.lock().unwrap();
        for message in &fact.messages {
            let number = number(message);
            if !book.seen.insert(number) {
                book.again += 1;
                assert!(message.redelivered, "{number} came again and does not say so");
            }
            book.held.insert(number, message.tag);
        }
        book.most_held = book.most_held.max(book.held.len());
        let due = book.held.len().saturating_sub(book.hold);
        let due: Vec<(u32, DeliveryTag)> = book.held.iter().take(due).map(|(number, tag)| (*number, *tag)).collect();
        for (number, _) in &due {
            book.held.remove(number);
            book.acknowledged.insert(*number);
        }
        let tags = due.into_iter().map(|(_, tag)| tag).collect();
        self.acknowledge.push(AcknowledgeDeliveries { tags }).unwrap();
    }
}

struct Bench {
    broker: Broker,
    proxy: Proxy,
    health: HealthBoard,
    book: Arc<Mutex<Book>>,
    rebind: Port<RebindFlow>,
    _root: Supervisor,
    _directory: TempDir,
}

fn broker(directory: &TempDir) -> Broker {
    let queue = QueueSpec {
        name: QUEUE.to_owned(),
        subscriptions: vec!["sale/>".to_owned()],
        max_redelivery: None,
        dead_message_queue: None,
        ttl: None,
        quota_bytes: u64::MAX,
        when_full: WhenFull::RefusePublisher,
    };
    let settings = BrokerSettings { reserve_bytes: 0, ..BrokerSettings::default() };
    Broker::open(directory.path(), settings, vec![queue]).unwrap()
}

fn listen(root: &Supervisor, place: &Place, broker: &Broker, max_unacked: usize) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let accounts = Accounts::default();
    let rights = Rights { consume: Consume::All, ..Rights::default() };
    let account = Account { password: "secret".into(), rights };
    accounts.replace([("aggregation".to_owned(), account)].into());
    let wiring = ListenerWiring {
        broker: broker.clone(),
        socket: Arc::new(socket),
        accounts,
        settings: ListenerSettings { max_unacked, ..ListenerSettings::default() },
        memory: Default::default(),
    };
    root.spawn(ActorSpec::new("smf", "smf"), place, move || SmfListener::new(wiring.clone())).unwrap();
    address
}

fn access(settings: &SolaceSettings) -> Access {
    let keys = [("username", "aggregation"), ("password", "secret")];
    let keys = keys.map(|(key, value)| (key.to_owned(), value.to_owned().into()));
    let entry = SecretEntry::new(1, chrono::Utc::now(), keys.into());
    Access::of(settings, &SecretTree { entries: [(CREDS.to_owned(), entry)].into() }, CREDS).unwrap()
}

/// A flow that may hold `max_unacked`, and a consumer that acknowledges the oldest when it holds more than `hold`.
async fn bench(max_unacked: usize, hold: usize) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let broker = broker(&directory);
    let place = Place::here();
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
    let proxy = Proxy::start(listen(&root, &place, &broker, max_unacked)).await;
    let health = HealthBoard::default();
    health.set(Leg::Publish, LegState::Up);
    let settings = SolaceSettings {
        host: Some(format!("tcp://{}", proxy.address)),
        vpn: Some("default".to_owned()),
        max_unacked,
        backoff_min: Duration::from_millis(10),
        backoff_max: Duration::from_millis(50),
        ..SolaceSettings::default()
    };
    let book = Arc::new(Mutex::new(Book { hold, ..Book::default() }));
    let (acknowledge, to_come) = Port::deferred();
    let notes = Arc::clone(&book);
    let factory = move || Keeper { book: Arc::clone(&notes), acknowledge: acknowledge.clone() };
    let keeper = root.spawn(ActorSpec::new("keeper", "keeper"), &place, factory).unwrap();
    let wiring = SolaceFlowWiring {
        access: AccessBook::new(access(&settings)),
        creds_path: CREDS.to_owned(),
        settings,
        queue: QUEUE.to_owned(),
        consumer: FlowConsumer { bound: keeper.port(), lost: keeper.port(), delivered: keeper.port() },
        leg: Leg::ConsumeSales,
        publish_leg: Leg::Publish,
        health: health.clone(),
        epochs: Arc::default(),
        hands: Default::default(),
    };
    let flow = root.spawn(ActorSpec::new("flow", "flow"), &place, move || SolaceFlow::new(wiring.clone())).unwrap();
    to_come.bind(flow.port());
    Bench { broker, proxy, health, book, rebind: flow.port(), _root: root, _directory: directory }
}

impl Bench {
    async fn publish(&self, numbers: std::ops::Range<u32>) {
        let published = numbers.map(|number| {
            self.broker.publish(OutboundMessage {
                topic: format!("sale/{number}"),
                message_id: Uuid::from_u128(number.into()),
                properties: bytes::Bytes::new(),
                payload: format!("{number} {}", "x".repeat(300)).into(),
            })
        });
        for outcome in join_all(published).await {
            outcome.unwrap();
        }
    }

    fn stats(&self) -> QueueStats {
        self.broker.stats().into_iter().find(|stats| stats.name == QUEUE).unwrap()
    }

    fn seen(&self) -> usize {
        self.book.lock().unwrap().seen.len()
    }
}

/// When to cut; the same seed cuts after the same pauses.
fn seed() -> u64 {
    let given = std::env::var("TILLSTREAM_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("TILLSTREAM_TEST_SEED={seed}");
    seed
}

#[tokio::test]
async fn a_hundred_thousand_sales_are_seen_through_a_hundred_cuts_and_none_is_acknowledged_unasked() {
    const SALES: u32 = 100_000;
    const HELD: usize = 500;
    locally(async {
        let seed = seed();
        let mut dice = fastrand::Rng::with_seed(seed);
        let bench = bench(10_000, HELD).await;
        let started = Instant::now();

        for start in (0..SALES).step_by(1000) {
            bench.publish(start..start + 1000).await;
            sleep(Duration::from_millis(dice.u64(0..30))).await;
            bench.proxy.cut();
            let (stored, acknowledged) = (bench.stats().depth, bench.book.lock().unwrap().acknowledged.len());
            let unasked = u64::from(start + 1000) - stored;
            assert!(unasked <= acknowledged as u64, "{unasked} gone, {acknowledged} acknowledged");
        }

        until("all are seen", || bench.seen() == SALES as usize).await;
        until("all but the held ones are gone", || bench.stats().depth == HELD as u64).await;
        let book = bench.book.lock().unwrap();
        println!("{} bindings, {} came again, {:?}", book.bindings, book.again, started.elapsed());
        assert!(book.bindings > 20, "only {} bindings: the cuts did not hit", book.bindings);
        let held: BTreeSet<u32> = (0..SALES).filter(|number| !book.acknowledged.contains(number)).collect();
        assert_eq!((held.len(), held), (HELD, book.held.keys().copied().collect()));
    })
    .await;
}

#[tokio::test]
async fn with_room_for_a_hundred_no_more_than_a_hundred_are_ever_open_and_nothing_starves() {
    const SALES: u32 = 5_000;
    locally(async {
        let bench = bench(100, 80).await;

        bench.publish(0..SALES).await;
        until("all are seen", || {
            assert!(bench.stats().unacknowledged <= 100);
            bench.seen() == SALES as usize
        })
        .await;

        until("the rest is held", || bench.stats().depth == 80).await;
        assert!(bench.book.lock().unwrap().most_held <= 100);
        bench.rebind.push(RebindFlow).unwrap();
        until("the held ones came again", || bench.book.lock().unwrap().again == 80).await;
        assert_eq!(bench.health.get(Leg::ConsumeSales), LegState::Up);
    })
    .await;
}

#[tokio::test]
async fn a_silent_connection_is_noticed_and_replaced() {
    locally(async {
        let bench = bench(100, 10).await;
        bench.publish(0..5).await;
        until("all are seen", || bench.seen() == 5).await;

        bench.proxy.hold(true);
        let down = || matches!(bench.health.get(Leg::ConsumeSales), LegState::Down(_));
        until("the leg is down", down).await;
        bench.publish(5..10).await;
        bench.proxy.hold(false);

        until("all are seen", || bench.seen() == 10).await;
        until("the leg is up", || bench.health.get(Leg::ConsumeSales) == LegState::Up).await;
    })
    .await;
}
