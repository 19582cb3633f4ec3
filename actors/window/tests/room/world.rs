//! A queue, a publisher and a reporting table in memory, and the loop that drives the room with them.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use tillstream_domain::{AggregatedEvent, LateSale, Money, Sale, StoreId, Topics, TransactionId, rfc3339};
use tillstream_messages::{
    AggregateRefused, DeliveryTag, FlowBound, HealthBoard, InboundMessage, MessagesDelivered, PublishError,
};
use tillstream_supervision::{Fault, Intensity, Place, Port, Strategy, Supervisor, SupervisorSpec};
use tillstream_window::{
    Aggregation, AggregationError, AggregationPlaces, AggregationPorts, AggregationSettings, DedupSettings,
    WindowSettings, spawn_aggregation,
};
use uuid::Uuid;

pub const STEP: Duration = Duration::from_millis(500);

/// Wall time of the tills when a test begins.
pub const EPOCH_MS: i64 = 1_700_000_000_000;

#[derive(Default)]
pub struct Broker {
    pub queue: VecDeque<(Bytes, bool)>,
    pub unacknowledged: BTreeMap<u64, Bytes>,
    pub epoch: u32,
    pub next_number: u64,
    pub limit: usize,
    pub rebind: bool,
    /// The best event per store and window start.
    pub rows: BTreeMap<(StoreId, i64), AggregatedEvent>,
    pub finals: BTreeMap<(StoreId, i64), HashSet<Vec<u8>>>,
    pub late: HashMap<TransactionId, LateSale>,
    pub rejected: usize,
    /// Publications that fail before they reach the broker, in percent.
    pub refuse_percent: u32,
    pub peak_unacknowledged: usize,
    /// Acknowledged before anything durable could cover it.
    pub acknowledged_too_early: Vec<String>,
    /// Whether `acknowledged_too_early` is looked for: a journalled sale is acknowledged without being published.
    pub strict: bool,
    pub random: fastrand_for_test::Random,
}

/// A small generator, so that a failing seed repeats.
pub mod fastrand_for_test {
    #[derive(Clone)]
    pub struct Random(u64);

    impl Default for Random {
        fn default() -> Self {
            Self(0x9e37_79b9_7f4a_7c15)
        }
    }

    impl Random {
        pub fn seeded(seed: u64) -> Self {
            Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
        }

        pub fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
        }

        pub fn percent(&mut self, percent: u32) -> bool {
            self.below(100) < u64::from(percent)
        }
    }
}

impl Broker {
    fn acknowledge(&mut self, tag: DeliveryTag) {
        if tag.epoch != self.epoch {
            return;
        }
        let Some(payload) = self.unacknowledged.remove(&tag.number) else { return };
        let Ok(sale) = Sale::from_payload(&payload) else { return };
        if self.strict && !self.is_published(&sale) {
            self.acknowledged_too_early.push(format!("{} of {}", sale.id, sale.store));
        }
    }

    fn is_published(&self, sale: &Sale) -> bool {
        let start = window_start(sale);
        let in_final = self.rows.get(&(sale.store, start)).is_some_and(|row| row.is_final);
        in_final || self.late.contains_key(&sale.id) || self.rejected > 0 || !self.unique(sale)
    }

    /// Whether no other delivery of the sale holds its place on the queue.
    fn unique(&self, sale: &Sale) -> bool {
        let same = |payload: &Bytes| Sale::from_payload(payload).is_ok_and(|other| other.id == sale.id);
        !self.unacknowledged.values().any(same)
    }

    fn publish(&mut self, event: AggregatedEvent) {
        let key = (event.store_id, event.window_start.timestamp_millis());
        if event.is_final {
            self.finals.entry(key).or_default().insert(event.to_json());
        }
        if self.rows.get(&key).is_none_or(|row| row.rank() <= event.rank()) {
            self.rows.insert(key, event);
        }
    }

    fn give_back(&mut self) {
        for payload in std::mem::take(&mut self.unacknowledged).into_values().rev() {
            self.queue.push_front((payload, true));
        }
    }
}

pub fn window_start(sale: &Sale) -> i64 {
    let millis = sale.timestamp.timestamp_millis();
    millis - millis.rem_euclid(10_000)
}

pub struct World {
    pub broker: Arc<Mutex<Broker>>,
    dir: tempfile::TempDir,
    running: Option<Running>,
    pub now_ms: i64,
    /// How many messages the flow delivers at once.
    pub batch: usize,
    pub health: HealthBoard,
    /// Distinct sales on the broker, by id.
    pub truth: BTreeMap<TransactionId, Sale>,
}

struct Running {
    root: Supervisor,
    room: Aggregation,
}

impl World {
    pub async fn start(limit: usize) -> Self {
        let broker = Broker { limit, strict: limit > 10_000, ..Broker::default() };
        let dir = tempfile::tempdir().unwrap();
        let (broker, health) = (Arc::new(Mutex::new(broker)), HealthBoard::default());
        let mut world =
            Self { broker, dir, running: None, now_ms: EPOCH_MS, batch: 40, health, truth: BTreeMap::new() };
        world.boot().await;
        world
    }

    pub fn broker(&self) -> MutexGuard<'_, Broker> {
        self.broker.lock().unwrap()
    }

    pub fn put(&mut self, sale: Sale) {
        self.broker().queue.push_back((payload(&sale), false));
        self.truth.entry(sale.id).or_insert(sale);
    }

    pub fn sale(&self, number: u128, store: u32, lag_ms: i64, cents: i64) -> Sale {
        sale_at(number, store, self.now_ms - lag_ms, self.now_ms, cents)
    }

    /// Lets half a second pass: delivers what may be delivered, or sends the heartbeat.
    pub async fn step(&mut self, connected: bool) {
        self.now_ms += 500;
        if connected {
            self.bind_if_asked();
            self.deliver();
        }
        tokio::time::sleep(STEP).await;
    }

    /// A step in which an actor fails when the others have been polled so often since the delivery.
    pub async fn step_with_fault(&mut self, actor: &str, fault: Fault, polls: usize) {
        self.now_ms += 500;
        self.bind_if_asked();
        self.deliver();
        for _ in 0..polls {
            tokio::task::yield_now().await;
        }
        self.inject(actor, fault);
        tokio::time::sleep(STEP).await;
    }

    pub async fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step(true).await;
        }
    }

    /// Steps until nothing is waiting anywhere; panics when that takes for ever.
    pub async fn settle(&mut self) {
        for _ in 0..1_500 {
            self.step(true).await;
            if self.is_drained() {
                // Journalled sales are acknowledged while their windows are open: an idle store ahead of its tills' clock
                // needs all of 59 s + 10 s + 30 s, and idle time begins anew after a restart.
                return self.steps(260).await;
            }
        }
        let broker = self.broker();
        panic!("{} queued and {} unacknowledged for ever", broker.queue.len(), broker.unacknowledged.len());
    }

    fn is_drained(&self) -> bool {
        let broker = self.broker();
        broker.queue.is_empty() && broker.unacknowledged.is_empty()
    }

    pub fn inject(&self, actor: &str, fault: Fault) {
        // A store that has no actor yet cannot fail.
        let _ = self.running.as_ref().unwrap().root.inject(&format!("root.{actor}"), fault);
    }

    pub async fn restart_process(&mut self) {
        let Running { root, room } = self.running.take().unwrap();
        root.shutdown().await;
        drop((root, room));
        self.boot().await;
    }

    /// Ends the room and counts what is left in its journal on disk.
    pub async fn journalled_after_the_end(&mut self) -> usize {
        let Running { root, room } = self.running.take().unwrap();
        root.shutdown().await;
        drop((root, room));
        let state = self.dir.path().join("aggregation");
        let database = loop {
            match fjall::Database::builder(&state).open() {
                Err(fjall::Error::Locked) => tokio::time::sleep(Duration::from_millis(10)).await,
                opened => break opened.unwrap(),
            }
        };
        database.keyspace("journal", Default::default).unwrap().iter().count()
    }

    pub fn room(&self) -> &Aggregation {
        &self.running.as_ref().unwrap().room
    }

    /// Totals per store and window: the row that holds, plus late sales.
    pub fn counted(&self) -> BTreeMap<(StoreId, i64), i64> {
        let broker = self.broker();
        let mut totals: BTreeMap<_, i64> =
            broker.rows.iter().map(|(&key, row)| (key, row.total_amount.cents())).collect();
        for late in broker.late.values() {
            *totals.entry((late.sale.store, window_start(&late.sale))).or_default() += late.sale.amount.cents();
        }
        totals
    }

    pub fn expected(&self) -> BTreeMap<(StoreId, i64), i64> {
        let mut totals = BTreeMap::new();
        for sale in self.truth.values() {
            *totals.entry((sale.store, window_start(sale))).or_default() += sale.amount.cents();
        }
        totals
    }

    pub fn assert_everything_is_counted_once(&self, context: &str) {
        assert_eq!(self.counted(), self.expected(), "{context}");
        let broker = self.broker();
        assert!(broker.acknowledged_too_early.is_empty(), "{context}: {:?}", broker.acknowledged_too_early);
        let twice = broker.finals.iter().find(|(_, events)| events.len() > 1);
        assert!(twice.is_none(), "{context}: two final events for {:?}", twice.map(|(key, _)| key));
    }

    async fn boot(&mut self) {
        self.broker().give_back();
        self.broker().rebind = true;
        let mut spec = SupervisorSpec::new("root", Strategy::OneForOne);
        spec.intensity = Intensity { max: 100_000, within: Duration::from_secs(1) };
        let root = Supervisor::root(spec, &Place::here());
        let room = loop {
            match self.spawn(&root, self.dir.path()) {
                Ok(room) => break room,
                // The last incarnation's blocking writes still hold the lock.
                Err(AggregationError::State(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(error) => panic!("{error}"),
            }
        };
        self.running = Some(Running { root, room });
    }

    fn spawn(&self, root: &Supervisor, dir: &Path) -> Result<Aggregation, AggregationError> {
        let places = AggregationPlaces { windows: Place::here(), outbox: Place::here() };
        let settings = AggregationSettings {
            window: WindowSettings::default(),
            dedup: DedupSettings::default(),
            topics: Topics::default(),
            data_dir: dir.to_owned(),
        };
        spawn_aggregation(root, &places, settings, self.ports())
    }

    fn ports(&self) -> AggregationPorts {
        let broker = || Arc::clone(&self.broker);
        let (aggregates, messages, acknowledge, rebind) = (broker(), broker(), broker(), broker());
        AggregationPorts {
            aggregates: Port::from_fn(move |order: tillstream_messages::PublishAggregate| {
                let mut broker = aggregates.lock().unwrap();
                let percent = broker.refuse_percent;
                if broker.random.percent(percent) {
                    return Err(AggregateRefused::Unavailable(PublishError::Overloaded));
                }
                broker.publish(order.event);
                // The broker has it, but its word is lost.
                let lost = broker.random.percent(percent);
                if lost { Err(AggregateRefused::Unavailable(PublishError::Overloaded)) } else { Ok(()) }
            }),
            messages: Port::from_fn(move |message: tillstream_messages::PublishMessage| {
                let mut broker = messages.lock().unwrap();
                let percent = broker.refuse_percent;
                if broker.random.percent(percent) {
                    return Err(PublishError::Overloaded);
                }
                match LateSale::from_json(&message.payload) {
                    Ok(late) => drop(broker.late.insert(late.sale.id, late)),
                    Err(_) => broker.rejected += 1,
                }
                Ok(())
            }),
            acknowledge: Port::from_fn(move |order: tillstream_messages::AcknowledgeDeliveries| {
                let mut broker = acknowledge.lock().unwrap();
                order.tags.into_iter().for_each(|tag| broker.acknowledge(tag));
            }),
            rebind: Port::from_fn(move |_: tillstream_messages::RebindFlow| rebind.lock().unwrap().rebind = true),
            health: self.health.clone(),
        }
    }

    fn bind_if_asked(&self) {
        let mut broker = self.broker();
        if !std::mem::take(&mut broker.rebind) {
            return;
        }
        broker.give_back();
        broker.epoch += 1;
        broker.next_number = 1;
        let bound = FlowBound { epoch: broker.epoch, window: broker.limit };
        drop(broker);
        self.room().flow_bound.push(bound).unwrap();
    }

    fn deliver(&self) {
        let mut broker = self.broker();
        let free = broker.limit.saturating_sub(broker.unacknowledged.len());
        if free == 0 {
            return;
        }
        let count = free.min(self.batch).min(broker.queue.len());
        let mut messages = Vec::new();
        for (payload, redelivered) in broker.queue.drain(..count).collect::<Vec<_>>() {
            let tag = DeliveryTag { epoch: broker.epoch, number: broker.next_number };
            broker.next_number += 1;
            broker.unacknowledged.insert(tag.number, payload.clone());
            messages.push(InboundMessage { tag, topic: "receipt".into(), payload, redelivered });
        }
        broker.peak_unacknowledged = broker.peak_unacknowledged.max(broker.unacknowledged.len());
        let epoch = broker.epoch;
        drop(broker);
        self.room().messages.push(MessagesDelivered { epoch, messages }).unwrap();
    }
}

pub fn sale_at(number: u128, store: u32, timestamp_ms: i64, accepted_ms: i64, cents: i64) -> Sale {
    Sale {
        id: TransactionId::new(Uuid::from_u128(number)),
        store: StoreId::from_number(store).unwrap(),
        timestamp: DateTime::from_timestamp_millis(timestamp_ms).unwrap(),
        accepted_at: DateTime::from_timestamp_millis(accepted_ms).unwrap(),
        amount: Money::from_cents(cents),
    }
}

pub fn payload(sale: &Sale) -> Bytes {
    let (timestamp, accepted_at) = (rfc3339(sale.timestamp), rfc3339(sale.accepted_at));
    let text = format!(
        r#"{{"transaction_id":"{}","customer_id":"CUST_1","timestamp":"{timestamp}","store_id":"{}","items":[],"total_amount":{},"payment_status":"success","accepted_at":"{accepted_at}"}}"#,
        sale.id, sale.store, sale.amount
    );
    Bytes::from(text)
}

/// Runs a test's future where actors may live, on a paused clock.
pub fn run<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}
