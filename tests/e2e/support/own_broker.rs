//! The embedded broker and its listener in the test's own process: a test shuts queues, or opens it without some of them.
//! Everybody whom the secrets know may do everything here; who may do what is shown elsewhere.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tillstream_broker::{Broker, BrokerSettings, QueueStats, Side};
use tillstream_embedded::{EmbeddedBrokerSettings, embedded_queues};
use tillstream_listener::{Account, Accounts, Consume, ListenerSettings, ListenerWiring, Rights, SmfListener};
use tillstream_secrets::load_or_create;
use tillstream_supervision::{ActorSpec, Place, Strategy, Supervisor, SupervisorSpec};

use super::Setup;

/// What topics begin with.
const PREFIX: &str = "sale/pos/transaction";
const STORES: u32 = 10;

/// A broker whose address stays while it is opened again.
pub struct OwnBroker {
    directory: PathBuf,
    socket: Arc<TcpListener>,
    accounts: Accounts,
    place: Place,
    open: Mutex<Option<(Broker, Supervisor)>>,
}

// === impl OwnBroker ===

impl OwnBroker {
    /// With all queues, for the users of the setup's secrets.
    pub fn of(setup: &Setup) -> Self {
        std::fs::create_dir_all(setup.data_dir()).unwrap();
        let broker = Self {
            directory: setup.home().join("own-broker"),
            socket: Arc::new(TcpListener::bind("127.0.0.1:0").unwrap()),
            accounts: everybody(setup),
            place: Place::arbiter("own-broker"),
            open: Mutex::default(),
        };
        broker.open_without(&[]);
        broker
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// Ends it and opens it without these queues, as if an operator had deleted them; what they hold comes back with them.
    pub async fn lacks(&self, missing: &[&str]) {
        let (broker, root) = self.open.lock().unwrap().take().unwrap();
        root.shutdown().await;
        broker.close().await;
        drop(broker);
        self.open_without(missing);
    }

    fn open_without(&self, missing: &[&str]) {
        let mut queues = embedded_queues(PREFIX, STORES, &EmbeddedBrokerSettings::default());
        queues.retain(|queue| !missing.contains(&queue.name.as_str()));
        let settings = BrokerSettings { reserve_bytes: 0, ..BrokerSettings::default() };
        let broker = Broker::open(&self.directory, settings, queues).unwrap();
        let root = Supervisor::root(SupervisorSpec::new("broker", Strategy::OneForOne), &self.place);
        let wiring = ListenerWiring {
            broker: broker.clone(),
            socket: Arc::clone(&self.socket),
            accounts: self.accounts.clone(),
            settings: ListenerSettings::default(),
            memory: Default::default(),
        };
        drop(root.spawn(ActorSpec::new("smf", "smf"), &self.place, move || SmfListener::new(wiring.clone())).unwrap());
        *self.open.lock().unwrap() = Some((broker, root));
    }

    /// Shuts a side of a queue.
    pub fn shut(&self, queue: &str, side: Side) {
        self.ask(|broker| broker.shut(queue, side).unwrap());
    }

    /// Opens it again.
    pub fn reopen(&self, queue: &str, side: Side) {
        self.ask(|broker| broker.reopen(queue, side).unwrap());
    }

    /// What a queue holds.
    pub fn stats(&self, queue: &str) -> QueueStats {
        self.ask(|broker| broker.stats().into_iter().find(|stats| stats.name == queue).unwrap())
    }

    fn ask<T>(&self, question: impl FnOnce(&Broker) -> T) -> T {
        question(&self.open.lock().unwrap().as_ref().unwrap().0)
    }
}

fn everybody(setup: &Setup) -> Accounts {
    let tree = load_or_create(&setup.secrets_file()).unwrap();
    let users = tree.entries.iter().filter(|(path, _)| path.starts_with("message-broker/creds/"));
    let users = users.filter_map(|(_, entry)| {
        let rights = Rights { publish: vec![">".to_owned()], consume: Consume::All, subscribe: Vec::new() };
        let account = Account { password: entry.get("password")?.clone(), rights };
        Some((entry.expose("username")?.to_owned(), account))
    });
    let accounts = Accounts::default();
    accounts.replace(users.collect::<BTreeMap<_, _>>());
    accounts
}
