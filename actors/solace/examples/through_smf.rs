//! Measures what the vendor's client library and the SMF listener carry together, all in one process on the same cores:
//! a flow that drains a filled queue, then a million messages published and consumed while memory is looked at.
//! Not a test; `cargo xtask bench` builds it (`-- [messages] [directory]`).
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement is for reading")]

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix::{Actor, Handler};
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tillstream_broker::{Broker, BrokerSettings, OutboundMessage, QueueSpec, WhenFull};
use tillstream_listener::{Account, Accounts, Consume, ListenerSettings, ListenerWiring, Rights, SmfListener};
use tillstream_messages::{
    AcknowledgeDeliveries, FlowBound, FlowLost, HealthBoard, Leg, LegState, MessagesDelivered, PublishMessage,
    SecretEntry, SecretTree,
};
use tillstream_session::FlowConsumer;
use tillstream_solace::{
    Access, AccessBook, PublisherWiring, SolaceFlow, SolaceFlowWiring, SolacePublisher, SolaceSettings,
};
use tillstream_supervision::{
    ActorSpec, Handle, Place, Port, Strategy, SupervisedContext, Supervisor, SupervisorSpec, supervised,
};
use tokio::task::LocalSet;
use tokio::time::sleep;
use uuid::Uuid;

/// As long as a recorded sale.
const PAYLOAD_BYTES: usize = 950;
const QUEUE: &str = "sales";
const USER: &str = "user";
const CREDS: &str = "creds";
/// How many publishes wait at a time; beyond the library's window of 255.
const WAITING: usize = 512;
const WITHIN: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let messages: u64 = arguments.next().map_or(1_000_000, |text| text.parse().unwrap());
    let folder = arguments.next().unwrap_or_else(|| "through-smf-data".to_owned());
    LocalSet::new().run_until(measure(Path::new(&folder), messages)).await;
    std::fs::remove_dir_all(&folder).unwrap();
}

async fn measure(folder: &Path, messages: u64) {
    let broker = Broker::open(folder, BrokerSettings::default(), vec![queue()]).unwrap();
    let control = Place::here();
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &control);
    let session = Session {
        host: listen(&broker, &root),
        root,
        place: Place::arbiter("session"),
        health: HealthBoard::default(),
    };
    session.health.set(Leg::Publish, LegState::Up);

    fill(&broker, messages / 3).await;
    let consumed = session.consume();
    reached(&consumed, 1).await;
    let (began, first) = (Instant::now(), consumed.load(Ordering::Relaxed));
    reached(&consumed, messages / 3).await;
    let rate = (messages / 3 - first) as f64 / began.elapsed().as_secs_f64();
    println!("consumed and acknowledged by a flow: {rate:.0} messages/s of {PAYLOAD_BYTES} bytes");

    println!("published and consumed at the same time, {WAITING} waiting:");
    let publisher = session.publisher().await;
    for tenth in 1..=10 {
        let began = Instant::now();
        publish(&publisher, messages / 10).await;
        let rate = (messages / 10) as f64 / began.elapsed().as_secs_f64();
        println!("- {} messages, {rate:.0}/s, resident {} MB", tenth * messages / 10, resident_mb());
    }
    reached(&consumed, messages / 3 + messages / 10 * 10).await;
}

/// What all parts of the session start from.
struct Session {
    host: String,
    root: Supervisor,
    place: Place,
    health: HealthBoard,
}

impl Session {
    fn settings(&self) -> SolaceSettings {
        SolaceSettings { host: Some(self.host.clone()), vpn: Some("default".to_owned()), ..SolaceSettings::default() }
    }

    fn access(&self) -> AccessBook {
        let keys = [("username", USER), ("password", USER)].map(|(key, value)| (key.to_owned(), value.into()));
        let entry = SecretEntry::new(1, chrono::Utc::now(), keys.into());
        let tree = SecretTree { entries: [(CREDS.to_owned(), entry)].into() };
        AccessBook::new(Access::of(&self.settings(), &tree, CREDS).unwrap())
    }

    /// A flow whose consumer acknowledges everything at once; how much it has got.
    fn consume(&self) -> Arc<AtomicU64> {
        let consumed = Arc::<AtomicU64>::default();
        let (acknowledge, slot) = Port::deferred();
        let (count, to) = (Arc::clone(&consumed), acknowledge);
        let factory = move || Drain { count: Arc::clone(&count), acknowledge: to.clone() };
        let drain: Handle<Drain> = self.root.spawn(ActorSpec::new("drain", "drain"), &self.place, factory).unwrap();
        let wiring = SolaceFlowWiring {
            access: self.access(),
            creds_path: CREDS.to_owned(),
            settings: self.settings(),
            queue: QUEUE.to_owned(),
            consumer: FlowConsumer { bound: drain.port(), lost: drain.port(), delivered: drain.port() },
            leg: Leg::ConsumeSales,
            publish_leg: Leg::Publish,
            health: self.health.clone(),
            epochs: Arc::default(),
            hands: Default::default(),
        };
        let factory = move || SolaceFlow::new(wiring.clone());
        let flow = self.root.spawn(ActorSpec::new("flow", "flow"), &self.place, factory).unwrap();
        slot.bind(flow.port());
        consumed
    }

    async fn publisher(&self) -> Port<PublishMessage> {
        let wiring = PublisherWiring {
            access: self.access(),
            creds_path: CREDS.to_owned(),
            settings: self.settings(),
            health: self.health.clone(),
            leg: Leg::Publish,
            probe_topic: "check/example".to_owned(),
        };
        let spec = ActorSpec::new("publisher", "publisher").mailbox(2 * WAITING);
        let publisher = self.root.spawn(spec, &self.place, move || SolacePublisher::new(wiring.clone())).unwrap();
        let port: Port<PublishMessage> = publisher.port();
        while port.ask(message(), WITHIN).await.is_err() || self.health.get(Leg::Publish) != LegState::Up {
            sleep(Duration::from_millis(50)).await;
        }
        port
    }
}

/// A consumer that is done with everything at once.
struct Drain {
    count: Arc<AtomicU64>,
    acknowledge: Port<AcknowledgeDeliveries>,
}

supervised!(Drain);

impl Actor for Drain {
    type Context = SupervisedContext<Self>;
}

impl Handler<FlowBound> for Drain {
    type Result = ();
    fn handle(&mut self, _: FlowBound, _: &mut Self::Context) {}
}

impl Handler<FlowLost> for Drain {
    type Result = ();
    fn handle(&mut self, lost: FlowLost, _: &mut Self::Context) {
        println!("the flow is lost: {}", lost.reason);
    }
}

impl Handler<MessagesDelivered> for Drain {
    type Result = ();
    fn handle(&mut self, delivered: MessagesDelivered, _: &mut Self::Context) {
        let tags: Vec<_> = delivered.messages.iter().map(|message| message.tag).collect();
        self.count.fetch_add(tags.len() as u64, Ordering::Relaxed);
        self.acknowledge.push(AcknowledgeDeliveries { tags }).unwrap();
    }
}

fn queue() -> QueueSpec {
    QueueSpec {
        name: QUEUE.to_owned(),
        subscriptions: vec!["sales/>".to_owned()],
        max_redelivery: None,
        dead_message_queue: None,
        ttl: None,
        quota_bytes: 10_000 << 20,
        when_full: WhenFull::RefusePublisher,
    }
}

fn listen(broker: &Broker, root: &Supervisor) -> String {
    let socket = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = socket.local_addr().unwrap();
    let all = Rights { publish: vec![">".to_owned()], consume: Consume::All, subscribe: Vec::new() };
    let accounts = Accounts::default();
    accounts.replace([(USER.to_owned(), Account { password: USER.into(), rights: all })].into());
    let (settings, memory) = (ListenerSettings::default(), Default::default());
    let wiring = ListenerWiring { broker: broker.clone(), socket, accounts, settings, memory };
    let place = Place::arbiter("smf");
    root.spawn(ActorSpec::new("smf", "smf"), &place, move || SmfListener::new(wiring.clone())).unwrap();
    format!("tcp://{address}")
}

async fn fill(broker: &Broker, count: u64) {
    let mut waiting = FuturesUnordered::new();
    for _ in 0..count {
        let PublishMessage { topic, message_id, payload, .. } = message();
        waiting.push(broker.publish(OutboundMessage { topic, message_id, properties: Bytes::new(), payload }));
        if waiting.len() > 4 * WAITING {
            waiting.next().await.unwrap().unwrap();
        }
    }
    while let Some(word) = waiting.next().await {
        word.unwrap();
    }
}

async fn publish(publisher: &Port<PublishMessage>, count: u64) {
    let mut waiting = FuturesUnordered::new();
    for _ in 0..count {
        waiting.push(publisher.ask(message(), WITHIN));
        if waiting.len() >= WAITING {
            waiting.next().await.unwrap().unwrap().unwrap();
        }
    }
    while let Some(word) = waiting.next().await {
        word.unwrap().unwrap();
    }
}

fn message() -> PublishMessage {
    let payload = Bytes::from_static(&[b'x'; PAYLOAD_BYTES]);
    PublishMessage::new("sales/a".to_owned(), Uuid::new_v4(), payload, 1)
}

async fn reached(consumed: &AtomicU64, count: u64) {
    while consumed.load(Ordering::Relaxed) < count {
        sleep(Duration::from_millis(5)).await;
    }
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
