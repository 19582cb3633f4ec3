//! A queue and a publisher in memory, as the room sees them through its ports.
//! Decides nothing: what is refused, lost or killed is asked of the random numbers that the test has put in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tillstream_domain::{AggregatedEvent, LateSale, RejectedMessage, Sale, StoreId, TransactionId};
use tillstream_messages::{
    AcknowledgeDeliveries, AggregateRefused, DeliveryTag, EnvironmentFaults, HealthBoard, PublishAggregate,
    PublishError, PublishMessage, TraceContext,
};
use tillstream_supervision::Port;
use tillstream_window::AggregationPorts;
use tokio::time::Instant;

use crate::lives::{Life, Point};
use crate::random::Random;
use crate::receipts::Published;

/// An event that is not a message, and when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emission {
    pub at: Duration,
    pub event: AggregatedEvent,
    pub trace: Option<TraceContext>,
}

pub struct Broker {
    pub queue: VecDeque<(Bytes, bool)>,
    pub unacknowledged: BTreeMap<u64, Bytes>,
    pub epoch: u32,
    pub next_number: u64,
    pub limit: usize,
    pub rebind: bool,
    /// Everything that was ever published, in order.
    pub published: Published,
    /// The same aggregates, with their times.
    pub emissions: Vec<Emission>,
    /// The best event per store and window start.
    pub rows: BTreeMap<(StoreId, i64), AggregatedEvent>,
    pub late: BTreeMap<TransactionId, LateSale>,
    pub rejected: BTreeSet<Bytes>,
    /// Which trace the message of a document belongs to.
    pub traces: BTreeMap<Bytes, TraceContext>,
    /// How often messages of a trace were delivered.
    pub deliveries: BTreeMap<u128, usize>,
    /// Traces of late and rejected sales as their consumers hear of them.
    pub message_traces: Vec<Option<TraceContext>>,
    rejected_ids: BTreeSet<TransactionId>,
    /// Publications that fail before they reach the broker, in percent; as many fail behind it.
    pub refuse_percent: u32,
    pub peak_unacknowledged: usize,
    /// Acknowledged before anything durable could cover it.
    pub acknowledged_too_early: Vec<String>,
    /// Whether `acknowledged_too_early` is looked for: a journalled sale is acknowledged without being published.
    pub strict: bool,
    /// Acknowledgements of the last half second: a broker that dies with the room may not have them on disk.
    lately: BTreeMap<u64, Bytes>,
    pub random: Random,
    pub began: Instant,
}

// === impl Broker ===

impl Broker {
    pub fn new(limit: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            unacknowledged: BTreeMap::new(),
            epoch: 0,
            next_number: 0,
            limit,
            rebind: false,
            published: Published::default(),
            emissions: Vec::new(),
            rows: BTreeMap::new(),
            late: BTreeMap::new(),
            rejected: BTreeSet::new(),
            traces: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            message_traces: Vec::new(),
            rejected_ids: BTreeSet::new(),
            refuse_percent: 0,
            peak_unacknowledged: 0,
            acknowledged_too_early: Vec::new(),
            strict: limit > 10_000,
            lately: BTreeMap::new(),
            random: Random::default(),
            began: Instant::now(),
        }
    }

    /// Gives everything unacknowledged back, in order.
    pub fn give_back(&mut self) {
        for payload in std::mem::take(&mut self.unacknowledged).into_values().rev() {
            self.queue.push_front((payload, true));
        }
        self.lately.clear();
    }

    /// Dies together with the room: half of the newest acknowledgements are lost, and their messages come again.
    pub fn crash(&mut self) {
        for (number, payload) in std::mem::take(&mut self.lately) {
            if self.random.percent(50) {
                self.unacknowledged.insert(number, payload);
            }
        }
        self.give_back();
    }

    /// Half a second is over: what is acknowledged is on disk.
    pub fn sync(&mut self) {
        self.lately.clear();
    }

    fn acknowledge(&mut self, tag: DeliveryTag) {
        if tag.epoch != self.epoch {
            return;
        }
        let Some(payload) = self.unacknowledged.remove(&tag.number) else { return };
        self.lately.insert(tag.number, payload.clone());
        let Ok(sale) = Sale::from_payload(&payload) else { return };
        if self.strict && !self.is_published(&sale) && !self.has_another(&sale) {
            self.acknowledged_too_early.push(format!("{} of {}", sale.id, sale.store));
        }
    }

    fn is_published(&self, sale: &Sale) -> bool {
        let start = window_start(sale);
        let in_final = self.rows.get(&(sale.store, start)).is_some_and(|row| row.is_final);
        in_final || self.late.contains_key(&sale.id) || self.rejected_ids.contains(&sale.id)
    }

    /// Whether another delivery of the sale holds its place on the queue.
    fn has_another(&self, sale: &Sale) -> bool {
        let same = |payload: &Bytes| Sale::from_payload(payload).is_ok_and(|other| other.id == sale.id);
        self.unacknowledged.values().any(same)
    }

    /// Whether any of these is acknowledged because it is in the journal: no event tells of it yet.
    fn are_journalled(&self, tags: &[DeliveryTag]) -> bool {
        let payloads = tags.iter().filter_map(|tag| self.unacknowledged.get(&tag.number));
        let mut sales = payloads.filter_map(|payload| Sale::from_payload(payload).ok());
        sales.any(|sale| !self.is_published(&sale))
    }

    /// The trace of a message that is delivered now.
    pub fn trace_of(&mut self, payload: &Bytes) -> Option<TraceContext> {
        let trace = self.traces.get(payload)?.clone();
        *self.deliveries.entry(trace.ids().trace).or_default() += 1;
        Some(trace)
    }

    fn publish(&mut self, event: AggregatedEvent, trace: Option<TraceContext>) {
        let key = (event.store_id, event.window_start.timestamp_millis());
        self.published.aggregates.push(event.to_json());
        self.emissions.push(Emission { at: self.began.elapsed(), event: event.clone(), trace });
        if self.rows.get(&key).is_none_or(|row| row.rank() <= event.rank()) {
            self.rows.insert(key, event);
        }
    }

    fn publish_message(&mut self, message: &PublishMessage) {
        self.message_traces.push(message.trace.clone());
        match is_rejection(&message.payload) {
            true => {
                self.rejected.insert(message.payload.clone());
                self.rejected_ids.insert(TransactionId::new(message.message_id));
                self.published.rejected.push(message.payload.to_vec());
            }
            false => {
                let late = LateSale::from_json(&message.payload).unwrap();
                self.late.insert(late.sale.id, late);
                self.published.late.push(message.payload.to_vec());
            }
        }
    }

    fn has_event(&self, event: &AggregatedEvent) -> bool {
        let row = self.rows.get(&(event.store_id, event.window_start.timestamp_millis()));
        row.is_some_and(|row| row.is_final)
    }

    fn has_message(&self, message: &PublishMessage) -> bool {
        self.rejected.contains(&message.payload) || self.late.contains_key(&TransactionId::new(message.message_id))
    }
}

pub fn window_start(sale: &Sale) -> i64 {
    let millis = sale.timestamp.timestamp_millis();
    millis - millis.rem_euclid(10_000)
}

fn is_rejection(payload: &Bytes) -> bool {
    RejectedMessage::from_json(payload).is_ok()
}

/// What one life of the room has of the broker.
#[derive(Clone)]
struct Line {
    broker: Arc<Mutex<Broker>>,
    life: Life,
}

/// The room's ports: they lead to the broker for as long as the life lasts.
pub fn ports(
    broker: &Arc<Mutex<Broker>>,
    life: &Life,
    health: HealthBoard,
    faults: EnvironmentFaults,
) -> AggregationPorts {
    let line = || Line { broker: Arc::clone(broker), life: life.clone() };
    let (aggregates, messages, acknowledge, rebind) = (line(), line(), line(), line());
    AggregationPorts {
        aggregates: Port::from_fn(move |order: PublishAggregate| {
            aggregates.publish_aggregate(order).map_err(AggregateRefused::Unavailable)
        }),
        messages: Port::from_fn(move |message: PublishMessage| messages.publish_message(&message)),
        acknowledge: Port::from_fn(move |order: AcknowledgeDeliveries| acknowledge.acknowledge(&order.tags)),
        rebind: Port::from_fn(move |_: tillstream_messages::RebindFlow| {
            if !rebind.life.is_dead() {
                rebind.broker().rebind = true;
            }
        }),
        health,
        faults,
    }
}

// === impl Line ===

impl Line {
    fn broker(&self) -> MutexGuard<'_, Broker> {
        self.broker.lock().unwrap()
    }

    /// The broker refuses, or has the event and its word is lost: nobody in the room can tell.
    fn fails(&self) -> bool {
        let mut broker = self.broker();
        let percent = broker.refuse_percent;
        broker.random.percent(percent)
    }

    fn publish_aggregate(&self, order: PublishAggregate) -> Result<(), PublishError> {
        let PublishAggregate { event, trace } = order;
        let is_final = event.is_final;
        let before = if is_final { Point::FinalDecidedNotPublished } else { Point::ToldNotDecided };
        let again = is_final && self.broker().has_event(&event);
        let after = if again { Point::PublishedAgainNotAnswered } else { Point::FinalPublishedNotAnswered };
        let tell = || self.broker().publish(event, trace);
        self.publish(before, is_final.then_some(after), tell)
    }

    fn publish_message(&self, message: &PublishMessage) -> Result<(), PublishError> {
        let again = self.broker().has_message(message);
        let (before, first) = match is_rejection(&message.payload) {
            true => (Point::RejectedDecidedNotPublished, Point::RejectedPublishedNotAnswered),
            false => (Point::LateDecidedNotPublished, Point::LatePublishedNotAnswered),
        };
        let after = if again { Point::PublishedAgainNotAnswered } else { first };
        self.publish(before, Some(after), || self.broker().publish_message(message))
    }

    fn publish(&self, before: Point, after: Option<Point>, tell: impl FnOnce()) -> Result<(), PublishError> {
        if !self.life.survives(before) || self.fails() {
            return Err(PublishError::Overloaded);
        }
        tell();
        if after.is_some_and(|point| !self.life.survives(point)) || self.fails() {
            return Err(PublishError::Overloaded);
        }
        Ok(())
    }

    fn acknowledge(&self, tags: &[DeliveryTag]) {
        let journalled = self.broker().are_journalled(tags);
        let (before, after) = match journalled {
            true => (Point::JournalledNotAcknowledged, Point::JournalledAndAcknowledged),
            false => (Point::SettledNotAcknowledged, Point::AcknowledgedNotForgotten),
        };
        if !self.life.survives(before) {
            return;
        }
        let (first, second) = tags.split_at(tags.len() / 2);
        first.iter().for_each(|&tag| self.broker().acknowledge(tag));
        if !first.is_empty() && !self.life.survives(Point::HalfAcknowledged) {
            return;
        }
        second.iter().for_each(|&tag| self.broker().acknowledge(tag));
        self.life.survives(after);
    }
}
