//! A window's turnover as the event that is published.
//! Does not decide when a window is final; it only says which of two events for one window holds.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::json::{Field, Object, Report, Writer};
use crate::rules::{read_store_id, read_time, read_transaction_id, read_window_bound};
use crate::{Money, RuleCode, RuleError, StoreId, rfc3339};

/// Namespace of event ids: UUIDv5 over `store_id/window_start/transaction_count/final`.
const EVENT_NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_5f0c_3a59_5d0e_9a6e_6c1a_7b3e_4d21);

const FIELDS: &[&str; 10] = &[
    "total_amount",
    "event_id",
    "store_id",
    "begin_stream_aggregator",
    "end_stream_aggregator",
    "window_start",
    "window_end",
    "transaction_count",
    "final",
    "currency",
];

/// The turnover of one window of one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AggregatedEvent {
    /// Sum of the window's sales.
    pub total_amount: Money,
    /// Deterministic: the same content has the same id.
    pub event_id: Uuid,
    /// Whose window.
    pub store_id: StoreId,
    /// Earliest event time in the window.
    pub begin_stream_aggregator: DateTime<Utc>,
    /// Latest event time in the window.
    pub end_stream_aggregator: DateTime<Utc>,
    /// Inclusive.
    pub window_start: DateTime<Utc>,
    /// Exclusive.
    pub window_end: DateTime<Utc>,
    /// How many distinct sales.
    pub transaction_count: u64,
    /// No further event for this window follows; later sales are late.
    pub is_final: bool,
    /// ISO 4217.
    pub currency: String,
}

impl AggregatedEvent {
    /// The id that an event of this content must have.
    pub fn id_of(store: StoreId, window_start: DateTime<Utc>, transaction_count: u64, is_final: bool) -> Uuid {
        let name = format!("{store}/{}/{transaction_count}/{is_final}", rfc3339(window_start));
        Uuid::new_v5(&EVENT_NAMESPACE, name.as_bytes())
    }

    /// Of two events for one window the one with the greater rank holds: a window only grows.
    pub const fn rank(&self) -> (bool, u64) {
        (self.is_final, self.transaction_count)
    }

    /// The window's length.
    pub fn size(&self) -> TimeDelta {
        self.window_end - self.window_start
    }

    /// The JSON document that is published: the original's five keys first.
    pub fn to_json(&self) -> Vec<u8> {
        Writer::object(400, |out| {
            out.bare("total_amount", self.total_amount);
            out.plain("event_id", self.event_id.as_hyphenated());
            out.plain("store_id", self.store_id);
            out.plain("begin_stream_aggregator", rfc3339(self.begin_stream_aggregator));
            out.plain("end_stream_aggregator", rfc3339(self.end_stream_aggregator));
            out.plain("window_start", rfc3339(self.window_start));
            out.plain("window_end", rfc3339(self.window_end));
            out.bare("transaction_count", self.transaction_count);
            out.bare("final", self.is_final);
            out.text("currency", &self.currency);
        })
    }

    /// Reads what [`Self::to_json`] writes. All ten keys are required: an event of the original's five says neither
    /// which window it is about nor whether it holds, so nobody could merge it.
    ///
    /// # Errors
    /// Every broken rule at once.
    pub fn from_json(body: &[u8]) -> Result<Self, Vec<RuleError>> {
        let mut report = Report::default();
        let event = Object::of_document(body, FIELDS, &mut report).and_then(|json| Self::read(&json, &mut report));
        report.verdict(event)
    }

    fn read(json: &Object<'_, '_, 10>, report: &mut Report) -> Option<Self> {
        let total_amount = report.sum(&json.field("total_amount"), "Total amount");
        let id_field = json.field("event_id");
        let event_id = read_transaction_id(&id_field, report);
        let store_id = read_store_id(&json.field("store_id"), report);
        let begin = read_time(&json.field("begin_stream_aggregator"), report);
        let end = read_time(&json.field("end_stream_aggregator"), report);
        let window_start = read_window_bound(&json.field("window_start"), report);
        let end_field = json.field("window_end");
        let window_end = read_window_bound(&end_field, report);
        let count_message = "Transaction count must be positive";
        let transaction_count = report.integer(&json.field("transaction_count"), 1..=u32::MAX, count_message);
        let is_final = report.boolean(&json.field("final"));
        let currency = read_currency(&json.field("currency"), report);
        let event = Self {
            total_amount: total_amount?,
            event_id: event_id?.uuid(),
            store_id: store_id?,
            begin_stream_aggregator: begin?,
            end_stream_aggregator: end?,
            window_start: window_start?,
            window_end: window_end?,
            transaction_count: transaction_count?.into(),
            is_final: is_final?,
            currency: currency?,
        };
        event.check_window(&end_field, report);
        event.check_id(&id_field, report);
        Some(event)
    }

    fn check_window(&self, window_end: &Field<'_, '_>, report: &mut Report) {
        let (begin, end) = (self.begin_stream_aggregator, self.end_stream_aggregator);
        let contains = self.window_start <= begin && begin <= end && end < self.window_end;
        if !contains {
            let message = "Window must contain its sales: start <= begin <= end < window end";
            report.add(&window_end.place, RuleCode::WindowInvalid, message);
        } else if !self.is_aligned() {
            let message = "Window must be aligned to the Unix epoch by its own length";
            report.add(&window_end.place, RuleCode::WindowInvalid, message);
        }
    }

    fn is_aligned(&self) -> bool {
        let (start, size) = (self.window_start.timestamp_nanos_opt(), self.size().num_nanoseconds());
        start.zip(size).is_some_and(|(start, size)| size > 0 && start.rem_euclid(size) == 0)
    }

    fn check_id(&self, event_id: &Field<'_, '_>, report: &mut Report) {
        let expected = Self::id_of(self.store_id, self.window_start, self.transaction_count, self.is_final);
        if self.event_id != expected {
            let message = "Event id must be the UUIDv5 of store_id/window_start/transaction_count/final";
            report.add(&event_id.place, RuleCode::EventIdMismatch, message);
        }
    }
}

fn read_currency(field: &Field<'_, '_>, report: &mut Report) -> Option<String> {
    let text = report.string(field)?;
    if text.len() != 3 || !text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return report.refuse(field, RuleCode::CurrencyInvalid, "Currency must be three capital letters such as EUR");
    }
    Some(text.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{sample_aggregate, sample_time};

    fn codes(event: &AggregatedEvent) -> Vec<&'static str> {
        let errors = AggregatedEvent::from_json(&event.to_json()).unwrap_err();
        errors.into_iter().map(|error| error.code).collect()
    }

    #[test]
    fn an_event_opens_with_the_five_keys_of_the_original() {
        let json = String::from_utf8(sample_aggregate().to_json()).unwrap();
        let id = sample_aggregate().event_id;
        let expected = format!(
            concat!(
                r#"{{"total_amount":12.34,"event_id":"{}","store_id":"STORE_1","#,
                r#""begin_stream_aggregator":"2024-11-15T10:00:00Z","#,
                r#""end_stream_aggregator":"2024-11-15T10:00:09.500Z","#,
                r#""window_start":"2024-11-15T10:00:00Z","window_end":"2024-11-15T10:00:10Z","#,
                r#""transaction_count":3,"final":false,"currency":"EUR"}}"#
            ),
            id
        );
        assert_eq!(json, expected);
    }

    #[test]
    fn an_event_of_the_original_s_five_keys_is_refused_with_all_that_it_lacks() {
        let full = String::from_utf8(sample_aggregate().to_json()).unwrap();
        let five = format!("{}}}", full.split_once(r#","window_start""#).unwrap().0);
        let errors = AggregatedEvent::from_json(five.as_bytes()).unwrap_err();
        assert_eq!(errors.iter().filter(|error| error.code == "field_missing").count(), 5);
    }

    #[test]
    fn an_invented_turnover_is_refused() {
        let event = sample_aggregate();
        let (window, id) = ("window_invalid", "event_id_mismatch");
        assert_eq!(codes(&AggregatedEvent { transaction_count: 4, ..event.clone() }), [id]);
        assert_eq!(codes(&AggregatedEvent { is_final: true, ..event.clone() }), [id]);
        assert_eq!(codes(&AggregatedEvent { window_end: sample_time(0), ..event.clone() }), [window]);
        assert_eq!(codes(&AggregatedEvent { window_end: sample_time(9_500), ..event.clone() }), [window]);
        assert_eq!(codes(&AggregatedEvent { begin_stream_aggregator: sample_time(-1), ..event.clone() }), [window]);
        let shifted = AggregatedEvent { window_start: sample_time(-1), window_end: sample_time(9_999), ..event };
        assert_eq!(codes(&shifted), [window, id]);
    }

    #[test]
    fn a_window_may_begin_before_the_years_of_its_sales() {
        let time = |text| crate::time::parse_rfc3339(text).unwrap();
        let in_window = |start, end, sale| {
            let id = AggregatedEvent::id_of(sample_aggregate().store_id, time(start), 3, false);
            let event = AggregatedEvent {
                event_id: id,
                window_start: time(start),
                window_end: time(end),
                ..sample_aggregate()
            };
            AggregatedEvent { begin_stream_aggregator: time(sale), end_stream_aggregator: time(sale), ..event }
        };
        // 946 684 800 s are no multiple of 7 s.
        let first = in_window("1999-12-31T23:59:55Z", "2000-01-01T00:00:02Z", "2000-01-01T00:00:01Z");
        assert_eq!(AggregatedEvent::from_json(&first.to_json()), Ok(first));
        let older = in_window("1999-12-31T23:59:55Z", "2000-01-01T00:00:02Z", "1999-12-31T23:59:59Z");
        assert_eq!(codes(&older), ["timestamp_out_of_range"; 2]);
    }

    #[test]
    fn a_turnover_above_a_single_amount_is_an_event_like_any_other() {
        let rich = AggregatedEvent { total_amount: Money::from_cents(99_999_999_999_999_999), ..sample_aggregate() };
        assert_eq!(AggregatedEvent::from_json(&rich.to_json()), Ok(rich));
    }

    #[test]
    fn the_final_and_then_the_greater_event_holds() {
        let event = sample_aggregate();
        let more = AggregatedEvent { transaction_count: 4, ..event.clone() };
        let last = AggregatedEvent { is_final: true, ..event.clone() };
        assert!(event.rank() < more.rank() && more.rank() < last.rank());
    }

    proptest! {
        #[test]
        fn an_event_survives_its_document(
            (store, cents, count) in (1_u32..=999_999, 1_i64..100_000_000_000_000_000, 1_u64..=u64::from(u32::MAX)),
            (window, size, is_final) in (0_i64..10_000, 1_i64..100_000, any::<bool>()),
        ) {
            let store_id = StoreId::from_number(store).unwrap();
            // The first of them may begin before the first year in which tills exist.
            let (first, start) = (946_684_800_000, (946_684_800_000 / size + window) * size);
            let time = |milliseconds| DateTime::from_timestamp_millis(milliseconds).unwrap();
            let event = AggregatedEvent {
                total_amount: Money::from_cents(cents),
                event_id: AggregatedEvent::id_of(store_id, time(start), count, is_final),
                store_id,
                begin_stream_aggregator: time(start.max(first)),
                end_stream_aggregator: time(start + size - 1),
                window_start: time(start),
                window_end: time(start + size),
                transaction_count: count,
                is_final,
                currency: "EUR".to_owned(),
            };
            prop_assert_eq!(AggregatedEvent::from_json(&event.to_json()), Ok(event));
        }
    }
}
