//! Measures the broker alone: publishers that each wait for their sync, one consumer per queue that acknowledges, and
//! consumers that stand in line.
//! Not a test; `cargo run --release -p tillstream-broker --example throughput -- [publishers] [seconds] [dir]`.
#![allow(clippy::print_stdout, reason = "a measurement is for reading")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tillstream_broker::{Broker, BrokerSettings, OutboundMessage, QueueSpec, WhenFull};
use uuid::Uuid;

/// As long as a recorded sale.
const PAYLOAD_BYTES: usize = 950;
const QUEUES: [&str; 2] = ["aggregation", "ledger"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let publishers: usize = args.next().map_or(Ok(64), |arg| arg.parse())?;
    let seconds: u64 = args.next().map_or(Ok(5), |arg| arg.parse())?;
    let dir = args.next().unwrap_or_else(|| "throughput-data".to_owned());
    throughput(Path::new(&dir), publishers, Duration::from_secs(seconds)).await?;
    hand_overs(Path::new(&dir), 1_000).await?;
    backlog(Path::new(&dir), 1_000_000).await?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// Publish, deliver and acknowledge at the same time, as fast as it goes.
async fn throughput(dir: &Path, publishers: usize, duration: Duration) -> Result<(), Box<dyn std::error::Error>> {
    let broker = Broker::open(dir, BrokerSettings::default(), specs())?;
    for name in QUEUES {
        let mut flow = broker.bind(name, 50_000)?;
        tokio::spawn(async move {
            while let Ok(batch) = flow.next_batch(512).await {
                flow.acknowledge(&batch.iter().map(|one| one.id).collect::<Vec<_>>());
                tokio::task::yield_now().await;
            }
        });
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (cpu, began) = (cpu_seconds(), Instant::now());
    let tasks: Vec<_> = (0..publishers).map(|_| tokio::spawn(publish(broker.clone(), Arc::clone(&stop)))).collect();
    tokio::time::sleep(duration).await;
    stop.store(true, Ordering::Relaxed);
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await?);
    }
    let (rate, used) = (waits.len() as f64 / began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    println!(
        "{publishers} publishers: {rate:.0} synced msgs/s, p50 {:?}, p99 {:?}, max {:?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    println!("  {:.1} us of CPU per message (publishers and consumers included)", used * 1e6 / waits.len() as f64);
    println!("  left in the queues: {:?}", broker.stats().iter().map(|one| one.depth).collect::<Vec<_>>());
    broker.close().await;
    Ok(())
}

/// Consumers in line for one queue, each of which goes as soon as it has been served.
async fn hand_overs(dir: &Path, standbys: u32) -> Result<(), Box<dyn std::error::Error>> {
    let broker = Broker::open(dir, BrokerSettings::default(), specs())?;
    let active = broker.bind(QUEUES[0], 1)?;
    let line: Vec<_> = (0..standbys).map(|_| tokio::spawn(broker.line_up(QUEUES[0], 1))).collect();
    tokio::task::yield_now().await;
    let began = Instant::now();
    drop(active);
    for standby in line {
        drop(standby.await??);
    }
    println!("{standbys} consumers in line, one after the other: {:?} each", began.elapsed() / standbys);
    broker.close().await;
    Ok(())
}

/// A backlog: its memory, and how long opening takes with it.
async fn backlog(dir: &Path, messages: u64) -> Result<(), Box<dyn std::error::Error>> {
    let broker = Broker::open(dir, BrokerSettings::default(), specs())?;
    let left = Arc::new(AtomicU64::new(messages));
    let began = Instant::now();
    let fill = (0..256).map(|_| tokio::spawn(publish_some(broker.clone(), Arc::clone(&left))));
    for task in fill.collect::<Vec<_>>() {
        task.await?;
    }
    println!("{messages} messages stored in {:?}, resident {} MB", began.elapsed(), resident_mb());
    let mut flow = broker.bind(QUEUES[0], messages as usize)?;
    let began = Instant::now();
    let mut taken = 0;
    while taken < messages {
        taken += flow.next_batch(512).await?.len() as u64;
    }
    println!("  delivered and not acknowledged after {:?}, resident {} MB", began.elapsed(), resident_mb());
    drop(flow);
    broker.close().await;
    drop(broker);
    let began = Instant::now();
    let broker = Broker::open(dir, BrokerSettings::default(), specs())?;
    println!("  opened again in {:?}", began.elapsed());
    broker.close().await;
    Ok(())
}

async fn publish(broker: Broker, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let payload = Bytes::from(vec![b'x'; PAYLOAD_BYTES]);
    let mut waits = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        if broker.publish(sale(&payload)).await.is_ok() {
            waits.push(began.elapsed());
        }
    }
    waits
}

async fn publish_some(broker: Broker, left: Arc<AtomicU64>) {
    let payload = Bytes::from(vec![b'x'; PAYLOAD_BYTES]);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        if let Err(error) = broker.publish(sale(&payload)).await {
            println!("refused: {error}");
        }
    }
}

fn sale(payload: &Bytes) -> OutboundMessage {
    let topic = "sale/pos/transaction/receipt/STORE_1/CASHIER_2/cash/success/2024-11-15T10:00:00Z/\
                 3fa85f64-5717-4562-b3fc-2c963f66afa6/2.58/r1/CUSTOMER_9";
    let (properties, payload) = (Bytes::new(), payload.clone());
    OutboundMessage { topic: topic.to_owned(), message_id: Uuid::nil(), properties, payload }
}

fn specs() -> Vec<QueueSpec> {
    let spec = |name: &str| QueueSpec {
        name: name.to_owned(),
        subscriptions: vec!["sale/pos/transaction/receipt/>".to_owned()],
        max_redelivery: None,
        dead_message_queue: None,
        ttl: None,
        quota_bytes: u64::MAX,
        when_full: WhenFull::RefusePublisher,
    };
    QUEUES.into_iter().map(spec).collect()
}

/// User and system time of this process, in clock ticks of 10 ms as Linux reports them.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}
