//! A validator in front of the real embedded broker, killed with a sale on its way to it.
//! It answers again when the sale is durable, so a sync of the disk is part of every figure.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tillstream_broker::Broker;
use tillstream_domain::TopicPrefix;
use tillstream_embedded::{EmbeddedBrokerSettings, EmbeddedPublisher, embedded_queues};
use tillstream_messages::{HealthBoard, PublishMessage, ValidateSale, WallClock};
use tillstream_supervision::{ActorSpec, Fault, Place, Port, Strategy, Supervisor, SupervisorSpec};
use tillstream_validator::{ValidationSettings, ValidatorPool, ValidatorSettings, ValidatorWiring, spawn_validators};

const STORES: u32 = 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// Answer times without a kill, and from a kill on. Every validator is killed once, so that no backoff is part of it.
pub fn kill(kills: u64) -> (Vec<Duration>, Vec<Duration>) {
    actix_rt::System::new().block_on(measure(kills))
}

async fn measure(kills: u64) -> (Vec<Duration>, Vec<Duration>) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = EmbeddedBrokerSettings::default();
    let queues = embedded_queues(TopicPrefix::default().as_str(), STORES, &settings);
    let broker = Broker::open(folder.path(), settings.broker(), queues).expect("the broker opens");
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::arbiter("control"));
    let publisher = publisher(&root, &broker, settings.publish_window);
    let place = [Place::arbiter("validation")];

    let (mut undisturbed, mut killed) = (Vec::new(), Vec::new());
    for number in 0..kills {
        let name = format!("validation-{number}");
        let supervisor = root.supervisor(SupervisorSpec::new(&name, Strategy::OneForOne)).expect("the name is free");
        let pool = spawn(&supervisor, &place, publisher.clone());
        // The first answer of a pool waits for its start.
        answer(&pool, number * 3).await;
        undisturbed.push(answer(&pool, number * 3 + 1).await);
        killed.push(kill_one(&supervisor, &name, &pool, number * 3 + 2).await);
        assert_eq!(supervisor.tree().children[0].restarts, 1, "the kill is one restart");
        root.remove(&name).await;
    }
    root.shutdown().await;
    (undisturbed, killed)
}

async fn kill_one(supervisor: &Supervisor, name: &str, pool: &ValidatorPool, number: u64) -> Duration {
    let began = Instant::now();
    supervisor.inject(&format!("root.{name}.validator-1"), Fault::Panic).expect("the actor is there");
    answer(pool, number).await;
    began.elapsed()
}

async fn answer(pool: &ValidatorPool, number: u64) -> Duration {
    let body = body(number);
    let began = Instant::now();
    let accepted =
        pool.ask(ValidateSale::new(body), PATIENCE).await.expect("a restart loses no question in the mailbox");
    accepted.expect("the sale is valid and the broker takes it");
    began.elapsed()
}

fn publisher(root: &Supervisor, broker: &Broker, window: usize) -> Port<PublishMessage> {
    let broker = broker.clone();
    let factory = move || EmbeddedPublisher::new(broker.clone(), window, HealthBoard::default());
    let spec = ActorSpec::new("publisher", "publisher");
    root.spawn(spec, &Place::arbiter("session"), factory).expect("the name is free").port()
}

fn spawn(supervisor: &Supervisor, place: &[Place], publisher: Port<PublishMessage>) -> ValidatorPool {
    let validation = ValidationSettings { pool: 1, ..ValidationSettings::default() };
    let settings = ValidatorSettings { validation, ..ValidatorSettings::default() };
    let wiring = ValidatorWiring {
        publisher,
        prefix: TopicPrefix::default(),
        clock: WallClock::default(),
        health: HealthBoard::default(),
    };
    spawn_validators(supervisor, place, &settings, &wiring).expect("the name is free")
}

fn body(number: u64) -> Bytes {
    let time = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let (id, store) = (format!("00000000-0000-4000-8000-{number:012x}"), number % u64::from(STORES) + 1);
    Bytes::from(format!(
        r#"{{"transaction_id":"{id}","timestamp":"{time}","store_id":"STORE_{store}","cashier_id":"CASHIER_1","items":[{{"item_id":"milk-1l","name":"Milk 1 l","quantity":2,"price_per_unit":1.29,"total_price":2.58}}],"total_amount":2.58,"payment_method":"cash","payment_status":"success","customer_id":"CUSTOMER_1","loyalty_points_earned":0,"receipt":{{"receipt_id":"receipt-{number}","date":"{time}","total_amount":2.58,"payment_method":"cash","transaction_id":"{id}"}}}}"#
    ))
}
