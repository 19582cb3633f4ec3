//! The embedded broker behind its listener, with the queues of the contract: a test shuts queues, or opens the broker
//! without them.
//! Its clients are let in with the one password and may do everything.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tillstream_broker::{Broker, BrokerSettings, QueueStats, Side};
use tillstream_embedded::{EmbeddedBrokerSettings, embedded_queues};
use tillstream_listener::{Account, Accounts, Consume, ListenerSettings, ListenerWiring, Rights, SmfListener};
use tillstream_messages::{HealthBoard, Leg, SecretEntry, SecretTree};
use tillstream_solace::{
    Access, AccessBook, PublisherWiring, SolaceFlow, SolaceFlowWiring, SolacePublisher, SolaceSettings,
};
use tillstream_supervision::{ActorSpec, Handle, Place, Strategy, Supervisor, SupervisorSpec};

use super::notebook::{Seen, notebook};

/// Where the secret tree has everybody's credentials.
pub const CREDS: &str = "message-broker/creds/all-services";
/// What topics begin with.
pub const PREFIX: &str = "sale/pos/transaction";
/// The leg that a flow is.
pub const FLOW: Leg = Leg::ConsumeSales;
const STORES: u32 = 1;

/// A broker that can be opened anew with other queues while its address stays.
pub struct Embedded {
    directory: TempDir,
    socket: Arc<TcpListener>,
    open: Mutex<Option<(Broker, Supervisor)>>,
}

// === impl Embedded ===

impl Embedded {
    /// With all queues.
    pub fn start() -> Self {
        let socket = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let embedded = Self { directory: tempfile::tempdir().unwrap(), socket, open: Mutex::default() };
        embedded.open(&[]);
        embedded
    }

    /// Ends it and starts it without these queues, as if an operator had deleted them.
    pub async fn start_again_without(&self, missing: &[&str]) {
        let (broker, root) = self.open.lock().unwrap().take().unwrap();
        root.shutdown().await;
        broker.close().await;
        drop(broker);
        self.open(missing);
    }

    fn open(&self, missing: &[&str]) {
        let mut queues = embedded_queues(PREFIX, STORES, &EmbeddedBrokerSettings::default());
        queues.retain(|queue| !missing.contains(&queue.name.as_str()));
        let settings = BrokerSettings { reserve_bytes: 0, ..BrokerSettings::default() };
        let broker = Broker::open(self.directory.path(), settings, queues).unwrap();
        let place = Place::here();
        let root = Supervisor::root(SupervisorSpec::new("broker", Strategy::OneForOne), &place);
        let wiring = ListenerWiring {
            broker: broker.clone(),
            socket: Arc::clone(&self.socket),
            accounts: everybody(),
            settings: ListenerSettings::default(),
            memory: Default::default(),
        };
        drop(root.spawn(ActorSpec::new("smf", "smf"), &place, move || SmfListener::new(wiring.clone())).unwrap());
        *self.open.lock().unwrap() = Some((broker, root));
    }

    /// Impatient settings for clients of this broker.
    pub fn settings(&self) -> SolaceSettings {
        SolaceSettings {
            host: Some(format!("tcp://{}", self.socket.local_addr().unwrap())),
            vpn: Some("default".to_owned()),
            backoff_min: std::time::Duration::from_millis(10),
            backoff_max: std::time::Duration::from_millis(50),
            ..SolaceSettings::default()
        }
    }

    /// Everybody's way in.
    pub fn access(&self) -> Access {
        let keys = ["username", "password"].map(|key| (key.to_owned(), key.to_owned().into()));
        let entry = SecretEntry::new(1, chrono::Utc::now(), keys.into());
        Access::of(&self.settings(), &SecretTree { entries: [(CREDS.to_owned(), entry)].into() }, CREDS).unwrap()
    }

    /// A publisher through the client library.
    pub fn publisher(&self, root: &Supervisor, place: &Place, health: &HealthBoard) -> Handle<SolacePublisher> {
        let wiring = PublisherWiring {
            access: AccessBook::new(self.access()),
            creds_path: CREDS.to_owned(),
            settings: self.settings(),
            health: health.clone(),
            leg: Leg::Publish,
            probe_topic: format!("{PREFIX}/check/validation"),
        };
        let spec = ActorSpec::new("publisher", "publisher").mailbox(8192);
        root.spawn(spec, place, move || SolacePublisher::new(wiring.clone())).unwrap()
    }

    /// A flow of this queue through the client library, and what its consumer has seen.
    pub fn flow(
        &self,
        root: &Supervisor,
        place: &Place,
        health: &HealthBoard,
        queue: &str,
    ) -> (Handle<SolaceFlow>, Arc<Seen>) {
        let (consumer, seen) = notebook(root, place, "consumer");
        let wiring = SolaceFlowWiring {
            access: AccessBook::new(self.access()),
            creds_path: CREDS.to_owned(),
            settings: self.settings(),
            queue: queue.to_owned(),
            consumer,
            leg: FLOW,
            publish_leg: Leg::Publish,
            health: health.clone(),
            epochs: Arc::default(),
            hands: Default::default(),
        };
        (root.spawn(ActorSpec::new("flow", "flow"), place, move || SolaceFlow::new(wiring.clone())).unwrap(), seen)
    }

    /// The broker as long as it is open.
    pub fn broker(&self) -> Broker {
        self.with(Broker::clone)
    }

    /// Shuts a side of a queue.
    pub fn shut(&self, queue: &str, side: Side) {
        self.with(|broker| broker.shut(queue, side).unwrap());
    }

    /// Opens it again.
    pub fn reopen(&self, queue: &str, side: Side) {
        self.with(|broker| broker.reopen(queue, side).unwrap());
    }

    /// What a queue holds.
    pub fn stats(&self, queue: &str) -> QueueStats {
        self.with(|broker| broker.stats().into_iter().find(|stats| stats.name == queue).unwrap())
    }

    fn with<T>(&self, ask: impl FnOnce(&Broker) -> T) -> T {
        ask(&self.open.lock().unwrap().as_ref().unwrap().0)
    }
}

fn everybody() -> Accounts {
    let rights = Rights { publish: vec![">".to_owned()], consume: Consume::All, subscribe: Vec::new() };
    let accounts = Accounts::default();
    accounts.replace([("username".to_owned(), Account { password: "password".into(), rights })].into());
    accounts
}
