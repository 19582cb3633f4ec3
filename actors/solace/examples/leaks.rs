//! Sessions in a loop, for a leak checker: log in, publish, consume, lose the connection, come back, go.
//! Prints the resident memory after each round; valgrind or a reader judges it.
//!
//! usage: leaks [ROUNDS] [SALES]
//!
//! ```sh
//! cargo build --package tillstream-solace --example leaks
//! valgrind --leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \
//!   --suppressions=actors/solace/examples/leaks.supp --error-exitcode=1 --num-callers=30 target/debug/examples/leaks 3 50
//! ```
//!
//! It takes about a minute and exits with 0 when nothing is lost and no byte was used that must not be.
//! Broker and listener run in the same process, behind a proxy that cuts. Whatever belongs to a round is dropped with it; the
//! client library itself is never taken down, so what it keeps for the process's life is still reachable and no leak.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]
#![expect(clippy::unwrap_used, reason = "whatever goes wrong here ends the run, which is the verdict")]

use std::collections::BTreeSet;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, Handler};
use tillstream_broker::{Broker, BrokerSettings, QueueSpec, WhenFull};
use tillstream_listener::{Account, Accounts, Consume, ListenerSettings, ListenerWiring, Rights, SmfListener};
use tillstream_messages::{
    AcknowledgeDeliveries, FlowBound, FlowLost, HealthBoard, Leg, MessagesDelivered, PublishMessage, SecretEntry,
    SecretTree,
};
use tillstream_session::FlowConsumer;
use tillstream_solace::{
    Access, AccessBook, PublisherWiring, SolaceFlow, SolaceFlowWiring, SolacePublisher, SolaceSettings,
};
use tillstream_supervision::{
    ActorSpec, Handle, Place, Port, Strategy, SupervisedContext, Supervisor, SupervisorSpec, supervised,
};
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

#[path = "../tests/support/proxy.rs"]
#[expect(dead_code, reason = "tests hold connections as well")]
mod proxy;

use proxy::Proxy;

const QUEUE: &str = "sales";
const CREDS: &str = "creds";
/// Valgrind makes everything fifty times slower.
const PATIENCE: Duration = Duration::from_secs(300);

/// Acknowledges whatever it gets.
struct Consumer {
    seen: Arc<Mutex<BTreeSet<u128>>>,
    acknowledge: Port<AcknowledgeDeliveries>,
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u32>().unwrap());
    let (rounds, sales) = (arguments.next().unwrap_or(20), arguments.next().unwrap_or(500));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(LocalSet::new().run_until(run(rounds, sales)));
}

async fn run(rounds: u32, sales: u32) {
    let directory = tempfile::tempdir().unwrap();
    let broker = open(directory.path());
    let place = Place::here();
    let root = Supervisor::root(SupervisorSpec::new("broker", Strategy::OneForOne), &place);
    let proxy = Proxy::start(listen(&root, &place, &broker)).await;
    for number in 1..=rounds {
        let round = Round::start(&proxy);
        round.publish(0..sales).await;
        proxy.cut();
        round.publish(sales..2 * sales).await;
        round.end().await;
        println!("round {number}: {} KiB resident", resident_kib());
    }
    root.shutdown().await;
    broker.close().await;
}

/// A publisher and a consumer, from their login to the close of their sessions.
struct Round {
    root: Supervisor,
    publisher: Handle<SolacePublisher>,
    seen: Arc<Mutex<BTreeSet<u128>>>,
}

// === impl Round ===

impl Round {
    fn start(proxy: &Proxy) -> Self {
        let settings = SolaceSettings {
            host: Some(format!("tcp://{}", proxy.address)),
            vpn: Some("default".to_owned()),
            connect_within: PATIENCE,
            // Under valgrind an answer may take longer than three of the usual second.
            keep_alive: Duration::from_secs(20),
            ..SolaceSettings::default()
        };
        let place = Place::here();
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
        let (health, seen) = (HealthBoard::default(), Arc::default());
        let publisher = spawn_publisher(&root, &place, &settings, &health);
        spawn_consumer(&root, &place, &settings, &health, &seen);
        Self { root, publisher, seen }
    }

    /// Every sale, until the broker has it and it has come back.
    async fn publish(&self, numbers: std::ops::Range<u32>) {
        for number in numbers.clone() {
            patiently("a sale is taken", async { while !self.is_taken(number).await {} }).await;
        }
        let all = || numbers.clone().all(|number| self.seen.lock().unwrap().contains(&number.into()));
        until("all sales have come back", all).await;
    }

    async fn is_taken(&self, number: u32) -> bool {
        let id = Uuid::from_u128(number.into());
        let order = PublishMessage::new(format!("sale/{number}"), id, vec![b'x'; 300], 1);
        let taken = matches!(self.publisher.ask(order, PATIENCE).await, Ok(Ok(())));
        if !taken {
            sleep(Duration::from_millis(20)).await;
        }
        taken
    }

    async fn end(self) {
        self.root.shutdown().await;
        until("all sessions are closed", || sessions() == 0).await;
    }
}

supervised!(Consumer);

impl Actor for Consumer {
    type Context = SupervisedContext<Self>;
}

impl Handler<FlowBound> for Consumer {
    type Result = ();
    fn handle(&mut self, _: FlowBound, _: &mut Self::Context) {}
}

impl Handler<FlowLost> for Consumer {
    type Result = ();
    fn handle(&mut self, _: FlowLost, _: &mut Self::Context) {}
}

impl Handler<MessagesDelivered> for Consumer {
    type Result = ();
    fn handle(&mut self, fact: MessagesDelivered, _: &mut Self::Context) {
        let number = |topic: &str| topic.rsplit('/').next().unwrap().parse::<u128>().unwrap();
        self.seen.lock().unwrap().extend(fact.messages.iter().map(|message| number(&message.topic)));
        let tags = fact.messages.iter().map(|message| message.tag).collect();
        self.acknowledge.push(AcknowledgeDeliveries { tags }).unwrap();
    }
}

fn spawn_publisher(
    root: &Supervisor,
    place: &Place,
    settings: &SolaceSettings,
    health: &HealthBoard,
) -> Handle<SolacePublisher> {
    let wiring = PublisherWiring {
        access: AccessBook::new(access(settings)),
        creds_path: CREDS.to_owned(),
        settings: settings.clone(),
        health: health.clone(),
        leg: Leg::Publish,
        probe_topic: "check/nobody".to_owned(),
    };
    let factory = move || SolacePublisher::new(wiring.clone());
    root.spawn(ActorSpec::new("publisher", "publisher"), place, factory).unwrap()
}

fn spawn_consumer(
    root: &Supervisor,
    place: &Place,
    settings: &SolaceSettings,
    health: &HealthBoard,
    seen: &Arc<Mutex<BTreeSet<u128>>>,
) {
    let (acknowledge, to_come) = Port::deferred();
    let seen = Arc::clone(seen);
    let factory = move || Consumer { seen: Arc::clone(&seen), acknowledge: acknowledge.clone() };
    let consumer = root.spawn(ActorSpec::new("consumer", "consumer"), place, factory).unwrap();
    let wiring = SolaceFlowWiring {
        access: AccessBook::new(access(settings)),
        creds_path: CREDS.to_owned(),
        settings: settings.clone(),
        queue: QUEUE.to_owned(),
        consumer: FlowConsumer { bound: consumer.port(), lost: consumer.port(), delivered: consumer.port() },
        leg: Leg::ConsumeSales,
        publish_leg: Leg::Publish,
        health: health.clone(),
        epochs: Arc::default(),
        hands: Default::default(),
    };
    let flow = root.spawn(ActorSpec::new("flow", "flow"), place, move || SolaceFlow::new(wiring.clone())).unwrap();
    to_come.bind(flow.port());
}

fn access(settings: &SolaceSettings) -> Access {
    let keys = ["username", "password"].map(|key| (key.to_owned(), key.to_owned().into()));
    let entry = SecretEntry::new(1, chrono::Utc::now(), keys.into());
    Access::of(settings, &SecretTree { entries: [(CREDS.to_owned(), entry)].into() }, CREDS).unwrap()
}

fn open(directory: &Path) -> Broker {
    let queue = QueueSpec {
        name: QUEUE.to_owned(),
        subscriptions: vec!["sale/>".to_owned()],
        max_redelivery: None,
        dead_message_queue: None,
        ttl: None,
        quota_bytes: u64::MAX,
        when_full: WhenFull::RefusePublisher,
    };
    Broker::open(directory, BrokerSettings { reserve_bytes: 0, ..BrokerSettings::default() }, vec![queue]).unwrap()
}

fn listen(root: &Supervisor, place: &Place, broker: &Broker) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let rights = Rights {
        publish: vec!["sale/>".to_owned(), "check/>".to_owned()],
        consume: Consume::All,
        subscribe: Vec::new(),
    };
    let accounts = Accounts::default();
    accounts.replace([("username".to_owned(), Account { password: "password".into(), rights })].into());
    let wiring = ListenerWiring {
        broker: broker.clone(),
        socket: Arc::new(socket),
        accounts,
        settings: ListenerSettings { login_within: PATIENCE, ..ListenerSettings::default() },
        memory: Default::default(),
    };
    root.spawn(ActorSpec::new("smf", "smf"), place, move || SmfListener::new(wiring.clone())).unwrap();
    address
}

fn sessions() -> i64 {
    let gauge = prometheus::gather().into_iter().find(|family| family.name() == "solace_sessions");
    gauge.map_or(0, |family| family.get_metric()[0].get_gauge().get_value() as i64)
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn until(what: &str, mut so: impl FnMut() -> bool) {
    patiently(what, async {
        while !so() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn patiently(what: &str, wait: impl Future<Output = ()>) {
    assert!(timeout(PATIENCE, wait).await.is_ok(), "not within {PATIENCE:?}: {what}");
}
