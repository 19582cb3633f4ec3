//! One window as it is stored: the event that holds, its late sales, and when it last changed.
//! Does not decide which event holds for another room; `AggregatedEvent::rank` does.

use chrono::{DateTime, Utc};
use tillstream_domain::{AggregatedEvent, Money};
use tillstream_messages::TurnoverRow;
use uuid::Uuid;

use super::keys::RowKey;
use crate::storage::Fields;

/// First byte of a record; another shape gets another number.
const VERSION: u8 = 1;
const HAS_EVENT: u8 = 1;
const IS_FINAL: u8 = 2;

/// A stored window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Row {
    /// The event with the greatest rank; a window of late sales only never had one.
    pub(crate) event: Option<AggregatedEvent>,
    /// Number of late sales.
    pub(crate) late_count: u64,
    /// Their money.
    pub(crate) late_cents: i64,
    /// Exclusive end of the window, as the last message said it, in microseconds since the epoch.
    pub(crate) window_end: i64,
    /// The day since the epoch on which it last changed; retention counts from there.
    pub(crate) touched_day: u32,
}

impl Row {
    /// As it is stored.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let flags = self.event.as_ref().map_or(0, |event| HAS_EVENT | if event.is_final { IS_FINAL } else { 0 });
        let mut record = Vec::with_capacity(112);
        record.extend([VERSION, flags]);
        record.extend(self.touched_day.to_be_bytes());
        record.extend(self.late_count.to_be_bytes());
        record.extend(self.late_cents.to_be_bytes());
        record.extend(self.window_end.to_be_bytes());
        if let Some(event) = &self.event {
            encode_event(&mut record, event);
        }
        record
    }

    /// Reads what [`Self::encode`] wrote for this key; `None` when damaged.
    pub(crate) fn decode(key: RowKey, record: &[u8]) -> Option<Self> {
        let mut fields = Fields(record);
        let [version, flags] = fields.array()?;
        if version != VERSION {
            return None;
        }
        let mut row = Self {
            event: None,
            touched_day: fields.u32()?,
            late_count: fields.u64()?,
            late_cents: fields.i64()?,
            window_end: fields.i64()?,
        };
        if flags & HAS_EVENT != 0 {
            row.event = Some(decode_event(key, &row, flags & IS_FINAL != 0, &mut fields)?);
        }
        Some(row)
    }

    /// As reporting answers it. A window of late sales only is final and empty: no sale came in time.
    pub(crate) fn answer(self, key: RowKey, currency: &str) -> Option<TurnoverRow> {
        let event = match self.event {
            Some(event) => event,
            None => empty_final_event(key, self.window_end, currency)?,
        };
        Some(TurnoverRow { event, late_amount: Money::from_cents(self.late_cents), late_count: self.late_count })
    }
}

fn encode_event(record: &mut Vec<u8>, event: &AggregatedEvent) {
    record.extend(event.transaction_count.to_be_bytes());
    record.extend(event.total_amount.cents().to_be_bytes());
    record.extend(event.event_id.as_bytes());
    for time in [event.begin_stream_aggregator, event.end_stream_aggregator] {
        record.extend(time.timestamp().to_be_bytes());
        record.extend(time.timestamp_subsec_nanos().to_be_bytes());
    }
    record.extend(event.currency.as_bytes());
}

fn decode_event(key: RowKey, row: &Row, is_final: bool, fields: &mut Fields<'_>) -> Option<AggregatedEvent> {
    Some(AggregatedEvent {
        store_id: key.store(),
        window_start: DateTime::from_timestamp_micros(key.window_start())?,
        window_end: DateTime::from_timestamp_micros(row.window_end)?,
        is_final,
        transaction_count: fields.u64()?,
        total_amount: Money::from_cents(fields.i64()?),
        event_id: Uuid::from_bytes(fields.array()?),
        begin_stream_aggregator: decode_time(fields)?,
        end_stream_aggregator: decode_time(fields)?,
        currency: String::from_utf8(fields.0.to_vec()).ok()?,
    })
}

fn decode_time(fields: &mut Fields<'_>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(fields.i64()?, fields.u32()?)
}

fn empty_final_event(key: RowKey, window_end: i64, currency: &str) -> Option<AggregatedEvent> {
    let window_start = DateTime::from_timestamp_micros(key.window_start())?;
    Some(AggregatedEvent {
        total_amount: Money::ZERO,
        event_id: AggregatedEvent::id_of(key.store(), window_start, 0, true),
        store_id: key.store(),
        begin_stream_aggregator: window_start,
        end_stream_aggregator: window_start,
        window_start,
        window_end: DateTime::from_timestamp_micros(window_end)?,
        transaction_count: 0,
        is_final: true,
        currency: currency.to_owned(),
    })
}
