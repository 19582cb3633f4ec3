//! A flow under its supervisor, through the official client library, on a scripted broker.
//! Publishes nothing; the broker's queue is filled by the test.

use std::sync::Arc;
use std::time::Duration;

use tillstream_messages::{AcknowledgeDeliveries, HealthBoard, Leg, LegState, SecretEntry, SecretTree, SecretsChanged};
use tillstream_solace::{Access, AccessBook, SolaceFlow, SolaceFlowWiring, SolaceSettings};
use tillstream_supervision::{ActorSpec, Handle, Place, Strategy, Supervisor, SupervisorSpec};

use super::notebook::{Seen, notebook};
use super::server::{QUEUE, Server};
use super::until;

const CREDS: &str = "message-broker/creds/aggregation-service";
/// The leg that the flow is.
pub const LEG: Leg = Leg::ConsumeSales;

/// A flow under its supervisor on a scripted broker.
pub struct Bench {
    /// The flow is `root.flow`.
    pub root: Supervisor,
    /// The broker.
    pub server: Server,
    /// Where the leg is reported.
    pub health: HealthBoard,
    /// The flow.
    pub flow: Handle<SolaceFlow>,
    /// What its consumer has seen.
    pub seen: Arc<Seen>,
}

fn settings(server: &Server) -> SolaceSettings {
    SolaceSettings {
        host: Some(server.host()),
        vpn: Some("default".to_owned()),
        connect_within: Duration::from_secs(2),
        backoff_min: Duration::from_millis(20),
        backoff_max: Duration::from_millis(200),
        ..SolaceSettings::default()
    }
}

fn tree(password: &str) -> SecretTree {
    let keys = [("username", "aggregation"), ("password", password)];
    let keys = keys.map(|(key, value)| (key.to_owned(), value.to_owned().into()));
    let entry = SecretEntry::new(1, chrono::Utc::now(), keys.into());
    SecretTree { entries: [(CREDS.to_owned(), entry)].into() }
}

/// A flow that may hold `max_unacked`, on a broker that is prepared before.
pub async fn bench(max_unacked: usize, prepare: impl FnOnce(&Server)) -> Bench {
    bench_at(&Place::here(), max_unacked, prepare).await
}

/// With the flow at this place; everything else is here.
pub async fn bench_at(flow_place: &Place, max_unacked: usize, prepare: impl FnOnce(&Server)) -> Bench {
    let server = Server::start().await;
    prepare(&server);
    let settings = SolaceSettings { max_unacked, ..settings(&server) };
    let place = Place::here();
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
    let health = HealthBoard::default();
    health.set(Leg::Publish, LegState::Up);
    let (consumer, seen) = notebook(&root, &place, "consumer");
    let access = Access::of(&settings, &tree("first"), CREDS).unwrap();
    let wiring = SolaceFlowWiring {
        access: AccessBook::new(access),
        creds_path: CREDS.to_owned(),
        settings,
        queue: QUEUE.to_owned(),
        consumer,
        leg: LEG,
        publish_leg: Leg::Publish,
        health: health.clone(),
        epochs: Arc::default(),
        hands: Default::default(),
    };
    let factory = move || SolaceFlow::new(wiring.clone());
    let flow = root.spawn(ActorSpec::new("flow", "flow"), flow_place, factory).unwrap();
    Bench { root, server, health, flow, seen }
}

impl Bench {
    /// The leg is up.
    pub async fn up(&self) {
        until("the leg is up", || self.health.get(LEG) == LegState::Up).await;
    }

    /// The leg is down, and says so.
    pub async fn down(&self, because: &str) {
        let so = || matches!(self.health.get(LEG), LegState::Down(why) if why.contains(because));
        until(&format!("the leg is down because `{because}`"), so).await;
    }

    /// So many messages were delivered, repetitions among them.
    pub async fn delivered(&self, count: usize) {
        until(&format!("{count} are delivered"), || self.seen.numbers().len() >= count).await;
    }

    /// Acknowledges deliveries by their place.
    pub fn acknowledge(&self, range: std::ops::Range<usize>) {
        self.flow.tell(AcknowledgeDeliveries { tags: self.seen.tags()[range].to_vec() }).unwrap();
    }

    /// What the secrets actor tells.
    pub fn change_password(&self, password: &str) {
        let tree = Arc::new(tree(password));
        self.flow.tell(SecretsChanged { tree, changed: vec![CREDS.to_owned()] }).unwrap();
    }

    /// Why bindings were lost.
    pub fn lost(&self) -> Vec<String> {
        self.seen.lost.lock().unwrap().clone()
    }
}
