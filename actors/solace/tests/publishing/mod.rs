//! What the publisher's tests share: a publisher under its supervisor, and waiting.
//! In real time, because the library has threads of its own: tests wait for what must come, never for how long.

#![allow(dead_code, reason = "each test file uses what it needs")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tillstream_messages::{
    HealthBoard, Leg, LegState, PublishError, PublishMessage, SecretEntry, SecretTree, SecretsChanged,
};
use tillstream_solace::{Access, AccessBook, PublisherWiring, SolacePublisher, SolaceSettings};
use tillstream_supervision::{ActorSpec, Handle, Intensity, Place, Strategy, Supervisor, SupervisorSpec};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::scripted::{Script, ScriptedBroker, SeenMessage};

/// Longer than anything takes that works.
pub const WITHIN: Duration = Duration::from_secs(30);
/// Where the secret tree has the publisher's user.
pub const CREDS: &str = "message-broker/creds/validation-service";

/// A publisher under its supervisor and the broker that it uses.
pub struct Bench {
    pub broker: ScriptedBroker,
    pub root: Supervisor,
    pub publisher: Handle<SolacePublisher>,
    pub health: HealthBoard,
    pub settings: SolaceSettings,
}

pub fn quick() -> SolaceSettings {
    SolaceSettings {
        backoff_min: Duration::from_millis(10),
        backoff_max: Duration::from_millis(50),
        ..SolaceSettings::default()
    }
}

pub fn tree(username: &str, password: &str) -> SecretTree {
    let entry = |keys: &[(&str, &str)]| {
        let keys = keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned().into())).collect();
        SecretEntry::new(1, chrono::DateTime::UNIX_EPOCH, keys)
    };
    let user = entry(&[("username", username), ("password", password)]);
    let broker = entry(&[("msg_vpn", "tills"), ("smf_protocol", "tcp"), ("smf_host", "nowhere"), ("smf_port", "1")]);
    SecretTree { entries: [(CREDS.to_owned(), user), ("message-broker/config".to_owned(), broker)].into() }
}

impl Bench {
    pub fn new(script: Script) -> Self {
        Self::with(script, quick())
    }

    pub fn with(script: Script, settings: SolaceSettings) -> Self {
        Self::at(&Place::here(), script, settings)
    }

    /// On a thread of its own the publisher can hang, and the test goes on.
    pub fn at(place: &Place, script: Script, settings: SolaceSettings) -> Self {
        let broker = ScriptedBroker::start(script);
        let settings = SolaceSettings { host: settings.host.or_else(|| Some(broker.url())), ..settings };
        let intensity = Intensity { max: 100, within: Duration::from_secs(10) };
        let spec = SupervisorSpec { intensity, ..SupervisorSpec::new("root", Strategy::OneForOne) };
        let root = Supervisor::root(spec, &Place::here());
        let health = HealthBoard::default();
        let wiring = PublisherWiring {
            access: AccessBook::new(Access::of(&settings, &tree("till", "first"), CREDS).unwrap()),
            creds_path: CREDS.to_owned(),
            settings: settings.clone(),
            health: health.clone(),
            leg: Leg::Publish,
            probe_topic: "sale/pos/transaction/check/validation-service".to_owned(),
        };
        let factory = move || SolacePublisher::new(wiring.clone());
        let publisher = root.spawn(ActorSpec::new("publisher", "publisher").mailbox(8192), place, factory).unwrap();
        Self { broker, root, publisher, health, settings }
    }

    pub async fn up(&self) {
        until("the leg is up", || self.state() == LegState::Up).await;
    }

    pub fn state(&self) -> LegState {
        self.health.get(Leg::Publish)
    }

    pub fn is_down_with(&self, part: &str) -> bool {
        matches!(self.state(), LegState::Down(reason) if reason.contains(part))
    }

    pub async fn publish(&self, number: u32) -> Result<(), PublishError> {
        self.publisher.ask(sale(number), WITHIN).await.expect("the publisher answers")
    }

    /// All at once; the answers in the order of the numbers.
    pub async fn publish_all(&self, numbers: impl Iterator<Item = u32>) -> Vec<Result<(), PublishError>> {
        let asked = numbers.map(|number| self.publisher.ask(sale(number), WITHIN));
        join_all(asked).await.into_iter().map(|answer| answer.expect("the publisher answers")).collect()
    }

    pub fn rotate(&self, username: &str, password: &str) {
        let tree = Arc::new(tree(username, password));
        self.publisher.tell(SecretsChanged { tree, changed: vec![CREDS.to_owned()] }).unwrap();
    }
}

pub fn sale(number: u32) -> PublishMessage {
    let topic = format!("sale/pos/transaction/receipt/STORE_1/{number}");
    PublishMessage::new(topic, Uuid::from_u128(number.into()), number.to_string(), 1)
}

pub fn numbers(messages: &[SeenMessage]) -> Vec<u32> {
    let number = |seen: &SeenMessage| seen.published.content.topic.rsplit('/').next().unwrap().parse().unwrap();
    messages.iter().map(number).collect()
}

pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(WITHIN, waiting).await.is_ok(), "never came true: {what}");
}

/// Beyond every wait of a test, each of which names what it waits for.
pub async fn locally(test: impl Future<Output = ()>) {
    let ended = timeout(10 * WITHIN, LocalSet::new().run_until(test)).await;
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(ended.is_ok(), "{name} is stuck outside of its waits");
}
