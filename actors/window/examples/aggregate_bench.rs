//! How many sales per second the room takes on one thread: stored payload bytes in memory → emitted windows, with
//! parsing, the duplicate check, folding and the index write synced.
//! Prints figures; asserts only that nothing was lost.
//!
//! usage: aggregate_bench [SALES] [STORES] [ROUNDS]
#![expect(clippy::print_stdout, reason = "a benchmark's output is its purpose")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::DateTime;
use tillstream_domain::{Topics, rfc3339};
use tillstream_messages::{DeliveryTag, FlowBound, HealthBoard, InboundMessage, MessagesDelivered};
use tillstream_supervision::{Place, Port, Strategy, Supervisor, SupervisorSpec};
use tillstream_window::{
    AggregationPlaces, AggregationPorts, AggregationSettings, DedupSettings, WindowSettings, spawn_aggregation,
};
use uuid::Uuid;

const BATCH: usize = 2_048;

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let (sales, stores) = (arguments.next().unwrap_or(1_000_000), arguments.next().unwrap_or(10));
    let rounds = arguments.next().unwrap_or(3);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for _ in 0..rounds {
        let payloads = payloads(sales, stores);
        let rate = tokio::task::LocalSet::new().block_on(&runtime, round(&payloads));
        println!("{sales} sales, {stores} stores: {rate:.0} sales/s, {} MB resident", resident_mb());
    }
}

/// About what a till sends: 10,000 sales a second in event time, spread over the stores.
fn payloads(sales: u64, stores: u64) -> Vec<Bytes> {
    let payload = |number: u64| {
        let time = rfc3339(DateTime::from_timestamp_millis(1_700_000_000_000 + number as i64 / 10).expect("in range"));
        let (id, store, cents) = (Uuid::new_v4(), 1 + number % stores, 1 + number % 9_000);
        Bytes::from(format!(
            r#"{{"transaction_id":"{id}","customer_id":"CUST_{number}","timestamp":"{time}","store_id":"STORE_{store}","cashier_id":"CASHIER_3","items":[{{"product_id":"P17","product_name":"Oat milk","quantity":2,"price_per_unit":1.29,"total_price":2.58}},{{"product_id":"P4","product_name":"Bread","quantity":1,"price_per_unit":4.99,"total_price":4.99}}],"total_amount":{}.{:02},"payment_method":"credit_card","payment_status":"success","receipt":{{"receipt_id":"R{number}","total_amount":7.57}},"accepted_at":"{time}"}}"#,
            cents / 100,
            cents % 100
        ))
    };
    (0..sales).map(payload).collect()
}

async fn round(payloads: &[Bytes]) -> f64 {
    let dir = tempfile::tempdir().expect("a directory");
    let (counted, acknowledged) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
    let places = AggregationPlaces { windows: Place::here(), outbox: Place::here() };
    let settings = AggregationSettings {
        window: WindowSettings::default(),
        dedup: DedupSettings::default(),
        topics: Topics::default(),
        data_dir: dir.path().to_owned(),
    };
    let room = spawn_aggregation(&root, &places, settings, ports(&counted, &acknowledged)).expect("it starts");
    room.flow_bound.push(FlowBound { epoch: 1, window: 10_000_000 }).expect("intake");

    let began = Instant::now();
    let mut number = 0;
    for batch in payloads.chunks(BATCH) {
        let messages = batch.iter().map(|payload| {
            number += 1;
            let tag = DeliveryTag { epoch: 1, number };
            InboundMessage {
                tag,
                topic: "sale/pos/transaction/receipt".into(),
                payload: payload.clone(),
                redelivered: false,
            }
        });
        let delivered = MessagesDelivered { epoch: 1, messages: messages.collect() };
        room.messages.ask(delivered, Duration::from_secs(30)).await.expect("taken");
    }
    // The last 31 s of event time stay open: everything older must be final, published and acknowledged.
    let due = (payloads.len() as u64).saturating_sub(420_000);
    while acknowledged.load(Ordering::Relaxed) < due {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let rate = payloads.len() as f64 / began.elapsed().as_secs_f64();
    assert!(counted.load(Ordering::Relaxed) >= due);
    root.shutdown().await;
    rate
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
    }
}

fn resident_mb() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1).and_then(|field| field.parse::<u64>().ok()));
    pages.unwrap_or_default() * 4 / 1_024
}
