//! A listener under its supervisor, on a real broker in a directory of its own.
//! In real time, because the broker works on a thread of its own: tests wait for what must come, never for how long.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tillstream_broker::{Broker, BrokerSettings, QueueSpec, WhenFull};
use tillstream_listener::{
    Account, Accounts, Consume, ListenerMemory, ListenerSettings, ListenerWiring, Rights, SmfListener,
};
use tillstream_supervision::{ActorSpec, Place, Strategy, Supervisor, SupervisorSpec};
use tokio::time::sleep;

use crate::client::WITHIN;

/// The longest payload of these tests.
pub const MAX_MESSAGE: usize = 64 << 10;

pub struct Bench {
    pub address: SocketAddr,
    pub broker: Broker,
    pub accounts: Accounts,
    pub root: Supervisor,
    _directory: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(ListenerSettings::default(), &Place::here())
    }

    pub fn with(settings: ListenerSettings, place: &Place) -> Self {
        Self::build(settings, place, vec![queue("q", "q/>"), queue("other", "other/>"), small_queue()])
    }

    /// With these queues, all of which take the same.
    pub fn with_queues<'a>(names: impl Iterator<Item = &'a str>, subscription: &str) -> Self {
        let queues = names.map(|name| queue(name, subscription)).collect();
        Self::build(ListenerSettings::default(), &Place::here(), queues)
    }

    fn build(settings: ListenerSettings, place: &Place, queues: Vec<QueueSpec>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let broker_settings =
            BrokerSettings { reserve_bytes: 1 << 20, max_message_bytes: MAX_MESSAGE, ..BrokerSettings::default() };
        let broker = Broker::open(directory.path(), broker_settings, queues).unwrap();
        let accounts = Accounts::default();
        accounts.replace(users());
        let socket = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let address = socket.local_addr().unwrap();
        let (own, known) = (broker.clone(), accounts.clone());
        let wiring =
            ListenerWiring { broker: own, socket, accounts: known, settings, memory: ListenerMemory::default() };
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
        let factory = move || SmfListener::new(wiring.clone());
        drop(root.spawn(ActorSpec::new("smf", "smf"), place, factory).unwrap());
        Self { address, broker, accounts, root, _directory: directory }
    }

    pub fn depth(&self, queue: &str) -> u64 {
        self.stats(queue).depth
    }

    pub fn stats(&self, queue: &str) -> tillstream_broker::QueueStats {
        self.broker.stats().into_iter().find(|stats| stats.name == queue).unwrap()
    }

    /// Waits until the queue is as deep as it must be.
    pub async fn deep(&self, queue: &str, depth: u64) {
        until(&format!("queue {queue} holds {depth}"), || self.depth(queue) == depth).await;
    }
}

/// Waits for a condition; fails by its name.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let looks = WITHIN.as_millis() / 5;
    for _ in 0..looks {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("in vain: {what}");
}

fn queue(name: &str, subscription: &str) -> QueueSpec {
    QueueSpec {
        name: name.to_owned(),
        subscriptions: vec![subscription.to_owned()],
        max_redelivery: None,
        dead_message_queue: Some(format!("{name}.dmq")),
        ttl: None,
        quota_bytes: 1 << 30,
        when_full: WhenFull::RefusePublisher,
    }
}

fn small_queue() -> QueueSpec {
    QueueSpec { quota_bytes: 2_000, ..queue("small", "small/>") }
}

/// `all` may do everything, `some` a little, `none` nothing.
pub fn users() -> BTreeMap<String, Account> {
    let all = Rights {
        publish: vec![">".to_owned(), "#P2P/>".to_owned()],
        consume: Consume::All,
        subscribe: vec![">".to_owned()],
    };
    let some = Rights {
        publish: vec!["q/mine/*".to_owned()],
        consume: Consume::Queues(BTreeSet::from(["other".to_owned()])),
        subscribe: vec!["news/>".to_owned()],
    };
    let account = |rights| Account { password: "secret".into(), rights };
    BTreeMap::from([
        ("all".to_owned(), account(all)),
        ("some".to_owned(), account(some)),
        ("none".to_owned(), account(Rights::default())),
    ])
}
