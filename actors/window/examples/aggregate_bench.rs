//! How many sales per second the room takes on one thread: stored payload bytes in memory → emitted windows, with
//! parsing, the duplicate check, folding and the index write synced.
//! Prints figures; asserts only that nothing was lost.
//!
//! usage: aggregate_bench [SALES] [STORES] [ROUNDS] [BATCH] [idle]
#![expect(clippy::print_stdout, reason = "a benchmark's output is its purpose")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tillstream_domain::Topics;
use tillstream_domain::fixtures::{SampleBody, sample_id, sample_time};
use tillstream_messages::{DeliveryTag, EnvironmentFaults, FlowBound, HealthBoard, InboundMessage, MessagesDelivered};
use tillstream_supervision::{Place, Port, Strategy, Supervisor, SupervisorSpec};
use tillstream_window::{
    AggregationPlaces, AggregationPorts, AggregationSettings, DedupSettings, WindowSettings, spawn_aggregation,
};

/// Sales per millisecond of event time, over all stores.
const PER_MILLISECOND: u64 = 10;

/// What is fed, and how.
struct Load {
    payloads: Payloads,
    /// Without those that only close windows.
    sales: u64,
    batch: usize,
}

/// Stored payloads, end to end in one block: the block can be subtracted from the resident memory to the byte.
struct Payloads {
    block: Bytes,
    ends: Vec<usize>,
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let (sales, stores) = (arguments.next().unwrap_or(1_000_000), arguments.next().unwrap_or(10));
    let (rounds, batch) = (arguments.next().unwrap_or(3), arguments.next().unwrap_or(2_048));
    let batch = usize::try_from(batch).unwrap_or(2_048);
    let load = Load { payloads: Payloads::made(sales, stores), sales, batch };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for _ in 0..rounds {
        let (wall, core) = tokio::task::LocalSet::new().block_on(&runtime, round(&load));
        let (rate, core) = (sales as f64 / wall, sales as f64 / core);
        let peak = peak_mb().saturating_sub(load.payloads.megabytes());
        println!(
            "{sales} sales, {stores} stores: {rate:.0} sales/s, {core:.0} per second of processor time, {peak} MB at most besides the payloads"
        );
    }
}

impl Payloads {
    /// What validation publishes of 10,000 sales a second in event time, spread over the stores; and then, a minute later,
    /// one more per store, so that every window of the others becomes final.
    fn made(sales: u64, stores: u64) -> Self {
        let mut block = Vec::with_capacity(usize::try_from(sales).unwrap_or_default() * 768);
        let mut ends = Vec::with_capacity(usize::try_from(sales).unwrap_or_default());
        for number in 0..sales + stores {
            let pause = if number < sales { 0 } else { 60_000 };
            let milliseconds = i64::try_from(number / PER_MILLISECOND + pause).expect("less than an age of sales");
            let body = SampleBody {
                id: sample_id(number),
                store: u32::try_from(1 + number % stores).expect("fewer stores than that"),
                timestamp: sample_time(milliseconds),
                ..SampleBody::default()
            };
            block.extend(body.payload());
            ends.push(block.len());
        }
        Self { block: Bytes::from(block), ends }
    }

    fn get(&self, position: usize) -> Bytes {
        let start = position.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.block.slice(start..self.ends[position])
    }

    fn megabytes(&self) -> u64 {
        (self.block.len() + self.ends.len() * size_of::<usize>()) as u64 >> 20
    }
}

async fn round(Load { payloads, sales, batch }: &Load) -> (f64, f64) {
    let dir = tempfile::tempdir().expect("a directory");
    let (counted, acknowledged) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
    let places = AggregationPlaces { windows: Place::here(), outbox: Place::here() };
    let settings = AggregationSettings {
        window: WindowSettings::default(),
        dedup: DedupSettings::default(),
        topics: Topics::default(),
        data_dir: dir.path().to_owned(),
        windows: SupervisorSpec::new("windows", Strategy::OneForOne),
    };
    let room = spawn_aggregation(&root, &places, settings, ports(&counted, &acknowledged)).expect("it starts");
    room.flow_bound.push(FlowBound { epoch: 1, window: 10_000_000 }).expect("intake");

    let (began, used) = (Instant::now(), processor_seconds());
    feed(&room.messages, payloads, *batch).await;
    // Every window is final, published and acknowledged.
    while acknowledged.load(Ordering::Relaxed) < *sales {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let spent = (began.elapsed().as_secs_f64(), processor_seconds() - used);
    if std::env::args().any(|argument| argument == "idle") {
        idle(&room.messages).await;
    }
    assert!(counted.load(Ordering::Relaxed) >= *sales);
    root.shutdown().await;
    spent
}

/// What the room takes while every store is known and none sells.
async fn idle(room: &Port<MessagesDelivered>) {
    let mut used = 0.0;
    for quarter in 0..320 {
        if quarter == 240 {
            // A minute of heartbeats has closed what was open.
            used = processor_seconds();
        }
        insist(room, Vec::new()).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    println!("idle: {:.2} % of a core", (processor_seconds() - used) / 20.0 * 100.0);
}

/// As the flow does it: a full mailbox means later, not never.
async fn insist(room: &Port<MessagesDelivered>, messages: Vec<InboundMessage>) {
    let delivered = |messages| MessagesDelivered { epoch: 1, messages };
    while room.ask(delivered(messages.clone()), Duration::from_secs(30)).await.is_err() {
        tokio::task::yield_now().await;
    }
}

async fn feed(room: &Port<MessagesDelivered>, payloads: &Payloads, batch: usize) {
    let topic: Arc<str> = "sale/pos/transaction/receipt".into();
    let mut messages = Vec::with_capacity(batch);
    for position in 0..payloads.ends.len() {
        let tag = DeliveryTag { epoch: 1, number: position as u64 + 1 };
        let (topic, payload) = (Arc::clone(&topic), payloads.get(position));
        messages.push(InboundMessage { tag, topic, payload, redelivered: false, trace: None });
        if messages.len() == batch || position + 1 == payloads.ends.len() {
            let full = std::mem::replace(&mut messages, Vec::with_capacity(batch));
            insist(room, full).await;
        }
    }
}

fn ports(counted: &Arc<AtomicU64>, acknowledged: &Arc<AtomicU64>) -> AggregationPorts {
    let (counted, acknowledged) = (Arc::clone(counted), Arc::clone(acknowledged));
    AggregationPorts {
        aggregates: Port::from_fn(move |order: tillstream_messages::PublishAggregate| {
            if order.event.is_final {
                counted.fetch_add(order.event.transaction_count, Ordering::Relaxed);
            }
            Ok(())
        }),
        messages: Port::from_fn(|_: tillstream_messages::PublishMessage| Ok(())),
        acknowledge: Port::from_fn(move |order: tillstream_messages::AcknowledgeDeliveries| {
            acknowledged.fetch_add(order.tags.len() as u64, Ordering::Relaxed);
        }),
        rebind: Port::from_fn(|_: tillstream_messages::RebindFlow| ()),
        health: HealthBoard::default(),
        faults: EnvironmentFaults::default(),
    }
}

/// The most that has ever been resident.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|text| text.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    kilobytes.unwrap_or_default() >> 10
}

/// Of all threads, in the kernel and outside; the clock ticks a hundred times a second.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}
