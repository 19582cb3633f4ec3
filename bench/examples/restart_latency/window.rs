//! A window actor of the whole aggregation room, killed while its windows hold 10,000 sales.
//! It answers again when its first incarnation's turnover has been published once more, to the last sale.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::DateTime;
use tillstream_domain::{StoreId, Topics, rfc3339};
use tillstream_messages::{
    AcknowledgeDeliveries, DeliveryTag, EnvironmentFaults, FlowBound, HealthBoard, InboundMessage, MessagesDelivered,
    PublishAggregate, PublishMessage, RebindFlow,
};
use tillstream_supervision::{Fault, Place, Port, Strategy, Supervisor, SupervisorSpec};
use tillstream_window::{
    Aggregation, AggregationPlaces, AggregationPorts, AggregationSettings, DedupSettings, WindowSettings,
    spawn_aggregation,
};

/// Sales of each store, all in windows that have ended and are not final.
const SALES_PER_STORE: u64 = 10_000;

/// Time over which a store's sales are spread: four windows, as many as are open in production.
const SPAN_MS: u64 = 40_000;

/// When the first sale was rung up.
const BEGIN_MS: u64 = 1_700_000_000_000;

const BATCH: usize = 512;
const PATIENCE: Duration = Duration::from_secs(60);

/// An event was published: whose, with how many sales, and when.
struct Published {
    store: StoreId,
    sales: u64,
    at: Instant,
}

/// A room that holds 10,000 open sales per store.
struct Room {
    root: Supervisor,
    published: Receiver<Published>,
    /// The state's folder; removed with the room.
    _folder: tempfile::TempDir,
}

/// Kills the window actors of the first `kills` stores one after another; the time that each took to answer.
pub fn kill_each(stores: u32, kills: u32) -> Vec<Duration> {
    let system = actix_rt::System::new();
    let room = system.block_on(Room::fill(stores));
    let times = (1..=kills).map(|number| room.kill(number)).collect();
    assert_eq!(restarts(&room.root.tree()), u64::from(kills), "every kill is one restart of a window actor");
    system.block_on(room.root.shutdown());
    times
}

// === impl Room ===

impl Room {
    async fn fill(stores: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::arbiter("control"));
        let (heard, published) = channel();
        let room = spawn(&root, folder.path(), heard);
        room.flow_bound.push(FlowBound { epoch: 1, window: 10_000_000 }).expect("intake runs");
        for batch in messages(stores).chunks(BATCH) {
            let delivered = MessagesDelivered { epoch: 1, messages: batch.to_vec() };
            room.messages.ask(delivered, PATIENCE).await.expect("intake takes it");
        }
        let room = Self { root, published, _folder: folder };
        room.hear(u64::from(stores) * SALES_PER_STORE, |_| true);
        room
    }

    /// From the order to fail until the fresh incarnation has published all that the store's ended windows hold.
    fn kill(&self, number: u32) -> Duration {
        let store = StoreId::from_number(number).expect("stores count from 1");
        let began = Instant::now();
        self.root.inject(&format!("root.windows.{store}"), Fault::Panic).expect("the actor is there");
        self.hear(SALES_PER_STORE, |published| published.store == store) - began
    }

    /// Waits for events with so many sales in all; when the last came.
    fn hear(&self, sales: u64, counts: impl Fn(&Published) -> bool) -> Instant {
        let mut sum = 0;
        loop {
            let published = self.published.recv_timeout(PATIENCE).expect("windows are published");
            assert!(counts(&published), "nobody else has news");
            sum += published.sales;
            if sum >= sales {
                assert_eq!(sum, sales, "each window is published once and whole");
                return published.at;
            }
        }
    }
}

fn spawn(root: &Supervisor, folder: &std::path::Path, heard: Sender<Published>) -> Aggregation {
    // The threads of production: windows on one, the outbox on another.
    let places = AggregationPlaces { windows: Place::arbiter("aggregation"), outbox: Place::arbiter("outbox") };
    let settings = AggregationSettings {
        window: WindowSettings { allowed_lateness: Duration::from_secs(3_600), ..WindowSettings::default() },
        dedup: DedupSettings::default(),
        topics: Topics::default(),
        data_dir: folder.to_owned(),
        windows: SupervisorSpec::new("windows", Strategy::OneForOne),
    };
    let ports = AggregationPorts {
        aggregates: Port::from_fn(move |order: PublishAggregate| {
            let (store, sales) = (order.event.store_id, order.event.transaction_count);
            // The room is being stopped when nobody listens.
            let _ = heard.send(Published { store, sales, at: Instant::now() });
            Ok(())
        }),
        messages: Port::from_fn(|_: PublishMessage| Ok(())),
        acknowledge: Port::from_fn(|_: AcknowledgeDeliveries| ()),
        rebind: Port::from_fn(|_: RebindFlow| ()),
        health: HealthBoard::default(),
        faults: EnvironmentFaults::default(),
    };
    spawn_aggregation(root, &places, settings, ports).expect("the room starts")
}

/// In the order of time over all stores; one more sale of each comes later and ends the windows before.
fn messages(stores: u32) -> Vec<InboundMessage> {
    let many = u64::from(stores) * SALES_PER_STORE;
    let in_time = (0..many).map(|number| (number, BEGIN_MS + number * SPAN_MS / many));
    let later = (many..many + u64::from(stores)).map(|number| (number, BEGIN_MS + SPAN_MS + 5_000));
    let topic: Arc<str> = "sale/pos/transaction/receipt".into();
    let message = |(number, time_ms): (u64, u64)| InboundMessage {
        tag: DeliveryTag { epoch: 1, number: number + 1 },
        topic: Arc::clone(&topic),
        payload: payload(number, number % u64::from(stores) + 1, time_ms),
        redelivered: false,
        trace: None,
    };
    in_time.chain(later).map(message).collect()
}

fn payload(number: u64, store: u64, time_ms: u64) -> Bytes {
    let time = rfc3339(DateTime::from_timestamp_millis(time_ms.cast_signed()).expect("in range"));
    Bytes::from(format!(
        r#"{{"transaction_id":"00000000-0000-4000-8000-{number:012x}","timestamp":"{time}","store_id":"STORE_{store}","items":[],"total_amount":14.44,"payment_status":"success","accepted_at":"{time}"}}"#
    ))
}

fn restarts(node: &tillstream_supervision::Node) -> u64 {
    node.restarts + node.children.iter().map(restarts).sum::<u64>()
}
