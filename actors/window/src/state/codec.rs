//! Keys and values of the state store as bytes.
//! Does no I/O; what cannot be read back is `None` and the caller says so.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tillstream_domain::{AggregatedEvent, Money, RejectedMessage, Sale, StoreId, TransactionId};
use tillstream_messages::PublishMessage;
use uuid::Uuid;

use super::Indexed;

/// Names a pending event: deciding the same again gives the same key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PendingKey(Vec<u8>);

/// An event that is decided and not known to be published.
#[derive(Debug, Clone)]
pub(crate) enum PendingEvent {
    /// A final window, published through a validator.
    Aggregate(AggregatedEvent),
    /// A late or rejected sale.
    Message(PublishMessage),
}

impl PendingKey {
    pub(crate) fn of_window(event: &AggregatedEvent) -> Self {
        let start = event.window_start.timestamp_millis().to_be_bytes();
        Self([&b"f"[..], &store_key(event.store_id)[..], &start].concat())
    }

    /// Names an event that is not final and never stored.
    pub(crate) fn of_emission(event: &AggregatedEvent) -> Self {
        let start = event.window_start.timestamp_millis().to_be_bytes();
        Self([&b"e"[..], &store_key(event.store_id)[..], &start].concat())
    }

    /// Whether the event is on disk until it is published.
    pub(crate) fn is_stored(&self) -> bool {
        self.0.first() != Some(&b'e')
    }

    /// Whether it names a late sale.
    pub(crate) fn is_late(&self) -> bool {
        self.0.first() == Some(&b'l')
    }

    pub(crate) fn of_late(id: TransactionId) -> Self {
        Self([&b"l"[..], &id.uuid().as_bytes()[..]].concat())
    }

    /// A conflict has the id of another sale, so store and amount belong to its name.
    pub(crate) fn of_rejected(message: &RejectedMessage) -> Self {
        let store = message.store.map_or(0, StoreId::number).to_be_bytes();
        let cents = message.amount.map_or(0, Money::cents).to_be_bytes();
        Self([&b"r"[..], &message.message_id.as_bytes()[..], &store, &cents].concat())
    }

    pub(super) fn from_bytes(key: &[u8]) -> Self {
        Self(key.to_vec())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl PendingEvent {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Aggregate(event) => event_bytes(event),
            Self::Message(message) => message_bytes(message),
        }
    }

    pub(super) fn from_bytes(value: &[u8]) -> Option<Self> {
        match value.split_first()? {
            (b'a', rest) => read_event(rest).map(Self::Aggregate),
            (b'm', rest) => read_message(rest).map(Self::Message),
            _ => None,
        }
    }
}

/// Not the published JSON: that is read with rules, and what was decided must come back whatever the rules are then.
fn event_bytes(event: &AggregatedEvent) -> Vec<u8> {
    let numbers = (event.total_amount.cents().to_be_bytes(), event.transaction_count.to_be_bytes());
    let sales = (time_bytes(event.begin_stream_aggregator), time_bytes(event.end_stream_aggregator));
    let window = (time_bytes(event.window_start), time_bytes(event.window_end));
    [
        &[b'a', u8::from(event.is_final)],
        &store_key(event.store_id)[..],
        event.event_id.as_bytes(),
        &numbers.0,
        &numbers.1,
        &sales.0,
        &sales.1,
        &window.0,
        &window.1,
        event.currency.as_bytes(),
    ]
    .concat()
}

fn read_event(bytes: &[u8]) -> Option<AggregatedEvent> {
    let (is_final, rest) = bytes.split_first()?;
    let (store, rest) = rest.split_first_chunk::<4>()?;
    let (event_id, rest) = rest.split_first_chunk::<16>()?;
    let (total, rest) = rest.split_first_chunk::<8>()?;
    let (count, rest) = rest.split_first_chunk::<8>()?;
    let (begin, rest) = rest.split_first_chunk::<12>()?;
    let (end, rest) = rest.split_first_chunk::<12>()?;
    let (window_start, rest) = rest.split_first_chunk::<12>()?;
    let (window_end, currency) = rest.split_first_chunk::<12>()?;
    Some(AggregatedEvent {
        total_amount: Money::from_cents(i64::from_be_bytes(*total)),
        event_id: Uuid::from_bytes(*event_id),
        store_id: StoreId::from_number(u32::from_be_bytes(*store))?,
        begin_stream_aggregator: read_time(begin)?,
        end_stream_aggregator: read_time(end)?,
        window_start: read_time(window_start)?,
        window_end: read_time(window_end)?,
        transaction_count: u64::from_be_bytes(*count),
        is_final: *is_final == 1,
        currency: String::from_utf8(currency.to_vec()).ok()?,
    })
}

fn message_bytes(message: &PublishMessage) -> Vec<u8> {
    let topic_len = u16::try_from(message.topic.len()).expect("a topic has at most 250 bytes");
    let head = (topic_len.to_be_bytes(), message.partition_key.to_be_bytes());
    [&b"m"[..], &head.0[..], message.topic.as_bytes(), message.message_id.as_bytes(), &head.1, &message.payload]
        .concat()
}

fn read_message(bytes: &[u8]) -> Option<PublishMessage> {
    let (topic_len, rest) = bytes.split_first_chunk::<2>()?;
    let (topic, rest) = rest.split_at_checked(u16::from_be_bytes(*topic_len).into())?;
    let (message_id, rest) = rest.split_first_chunk::<16>()?;
    let (partition_key, payload) = rest.split_first_chunk::<4>()?;
    let topic = String::from_utf8(topic.to_vec()).ok()?;
    let (message_id, payload) = (Uuid::from_bytes(*message_id), Bytes::copy_from_slice(payload));
    Some(PublishMessage::new(topic, message_id, payload, u32::from_be_bytes(*partition_key)))
}

pub(super) fn store_key(store: StoreId) -> [u8; 4] {
    store.number().to_be_bytes()
}

pub(super) fn read_millis(value: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(value.try_into().ok()?))
}

/// Twelve bytes: short enough for the storage engine to keep them inline.
pub(super) fn indexed_bytes(store: StoreId, amount: Money) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&store_key(store));
    bytes[4..].copy_from_slice(&amount.cents().to_be_bytes());
    bytes
}

pub(super) fn read_indexed(value: &[u8]) -> Option<Indexed> {
    let (store, cents) = value.split_first_chunk::<4>()?;
    let store = StoreId::from_number(u32::from_be_bytes(*store))?;
    Some(Indexed { store, amount: Money::from_cents(read_millis(cents)?) })
}

/// A journalled sale; times with their nanoseconds, because events tell the earliest and the latest exactly.
pub(super) fn sale_bytes(sale: &Sale) -> Vec<u8> {
    let times = (time_bytes(sale.timestamp), time_bytes(sale.accepted_at));
    let cents = sale.amount.cents().to_be_bytes();
    [&sale.id.uuid().as_bytes()[..], &store_key(sale.store), &times.0, &times.1, &cents].concat()
}

pub(super) fn read_sale(bytes: &[u8]) -> Option<Sale> {
    let (id, rest) = bytes.split_first_chunk::<16>()?;
    let (store, rest) = rest.split_first_chunk::<4>()?;
    let (timestamp, rest) = rest.split_first_chunk::<12>()?;
    let (accepted_at, cents) = rest.split_first_chunk::<12>()?;
    Some(Sale {
        id: TransactionId::new(Uuid::from_bytes(*id)),
        store: StoreId::from_number(u32::from_be_bytes(*store))?,
        timestamp: read_time(timestamp)?,
        accepted_at: read_time(accepted_at)?,
        amount: Money::from_cents(read_millis(cents)?),
    })
}

fn time_bytes(time: DateTime<Utc>) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&time.timestamp().to_be_bytes());
    bytes[8..].copy_from_slice(&time.timestamp_subsec_nanos().to_be_bytes());
    bytes
}

fn read_time(bytes: &[u8; 12]) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = bytes.split_first_chunk::<8>()?;
    DateTime::from_timestamp(i64::from_be_bytes(*seconds), u32::from_be_bytes(nanos.try_into().ok()?))
}
