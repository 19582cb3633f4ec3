//! What the broker's tests share: a disk that loses power, a clock that is set by hand, and short ways to say things.
//! Does not test anything itself.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod sim_disk;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tillstream_broker::{Broker, BrokerSettings, Clock, Delivery, Flow, OutboundMessage, QueueSpec, WhenFull};
use uuid::Uuid;

/// A clock that stands until it is told to move.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A queue without any limit.
pub fn queue(name: &str, subscriptions: &[&str]) -> QueueSpec {
    QueueSpec {
        name: name.to_owned(),
        subscriptions: subscriptions.iter().map(|one| (*one).to_owned()).collect(),
        max_redelivery: None,
        dead_message_queue: None,
        ttl: None,
        quota_bytes: u64::MAX,
        when_full: WhenFull::RefusePublisher,
    }
}

/// Settings for a small disk.
pub fn settings() -> BrokerSettings {
    BrokerSettings { reserve_bytes: 0, ..BrokerSettings::default() }
}

pub fn message(topic: &str, number: u64) -> OutboundMessage {
    message_of(topic, number, 40)
}

/// The number is the message id and the beginning of the payload.
pub fn message_of(topic: &str, number: u64, len: usize) -> OutboundMessage {
    let mut payload = number.to_string().into_bytes();
    payload.resize(len.max(payload.len()), b'.');
    OutboundMessage {
        topic: topic.to_owned(),
        message_id: Uuid::from_u128(u128::from(number)),
        properties: Bytes::new(),
        payload: Bytes::from(payload),
    }
}

/// What a publisher says about the message with this number, if it says anything.
pub fn properties_of(number: u64) -> Bytes {
    Bytes::from(format!("{number:>30} is what this is about"))
}

/// Makes sure that everything else belongs to it.
pub fn number(delivery: &Delivery) -> u64 {
    let number = delivery.message_id.as_u128() as u64;
    assert!(delivery.payload.starts_with(number.to_string().as_bytes()), "payload and id belong together");
    number
}

pub fn numbers(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(number).collect()
}

pub fn ids(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}

/// Publishes one after another and expects each to be stored.
pub async fn publish_all(broker: &Broker, topic: &str, numbers: impl IntoIterator<Item = u64>) {
    for one in numbers {
        broker.publish(message(topic, one)).await.expect("stored");
    }
}

/// The next `count` messages; hangs when they do not come, so give the test a deadline.
pub async fn take(flow: &mut Flow, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(flow.next_batch(count - taken.len()).await.expect("open"));
    }
    taken
}

/// Fails, naming what hangs, instead of hanging.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap_or_else(|_| panic!("{what} takes for ever"))
}

pub fn depth_of(broker: &Broker, queue: &str) -> u64 {
    stats_of(broker, queue).depth
}

pub fn stats_of(broker: &Broker, queue: &str) -> tillstream_broker::QueueStats {
    broker.stats().into_iter().find(|stats| stats.name == queue).expect("queue exists")
}

pub fn manual_clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::default())
}
