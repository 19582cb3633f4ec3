//! Writes rows of turnover as JSON, CSV or NDJSON.
//! Does not fetch them.

use std::io::Write;

use serde::Serialize;
use tillstream_domain::rfc3339;
use tillstream_messages::TurnoverRow;

use crate::http::amount::Amount;
use crate::http::negotiate::RowFormat;

/// First line of the CSV form; no value ever needs quoting.
const CSV_HEADING: &str = "store_id,window_start,window_end,total_amount,late_amount,transaction_count,late_count,final,currency,event_id,begin_stream_aggregator,end_stream_aggregator\n";

/// One window: the aggregated event that holds, and its late sales. `total_amount + late_amount` is the truth.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct WindowAnswer {
    /// Sum of the window's sales.
    total_amount: Amount,
    /// The same content has the same id.
    #[schema(format = "uuid")]
    event_id: String,
    /// Whose window.
    store_id: String,
    /// Earliest event time in the window.
    #[schema(format = "date-time")]
    begin_stream_aggregator: String,
    /// Latest event time in the window.
    #[schema(format = "date-time")]
    end_stream_aggregator: String,
    /// Inclusive.
    #[schema(format = "date-time")]
    window_start: String,
    /// Exclusive.
    #[schema(format = "date-time")]
    window_end: String,
    /// How many distinct sales.
    transaction_count: u64,
    /// No further event for this window follows.
    r#final: bool,
    /// ISO 4217.
    currency: String,
    /// Money of sales that came when the window was final.
    late_amount: Amount,
    /// Their number.
    late_count: u64,
}

/// Writes one answer, page by page.
pub struct Renderer {
    format: RowFormat,
    rows: usize,
    opened: bool,
}

impl Renderer {
    /// An empty answer.
    pub const fn new(format: RowFormat) -> Self {
        Self { format, rows: 0, opened: false }
    }

    /// The next piece of the answer.
    pub fn page(&mut self, rows: &[TurnoverRow]) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + rows.len() * 400);
        self.open(&mut out);
        for row in rows {
            self.row(&mut out, row);
        }
        out
    }

    /// What closes the answer.
    pub fn end(&self) -> Vec<u8> {
        if self.format == RowFormat::Json { b"]".to_vec() } else { Vec::new() }
    }

    fn open(&mut self, out: &mut Vec<u8>) {
        if self.opened {
            return;
        }
        self.opened = true;
        match self.format {
            RowFormat::Json => out.push(b'['),
            RowFormat::Csv => out.extend_from_slice(CSV_HEADING.as_bytes()),
            RowFormat::NdJson => {}
        }
    }

    fn row(&mut self, out: &mut Vec<u8>, row: &TurnoverRow) {
        if self.format == RowFormat::Csv {
            return csv(out, row);
        }
        if self.format == RowFormat::Json && self.rows > 0 {
            out.push(b',');
        }
        self.rows += 1;
        serde_json::to_writer(&mut *out, &WindowAnswer::from(row)).expect("plain fields into memory cannot fail");
        if self.format == RowFormat::NdJson {
            out.push(b'\n');
        }
    }
}

fn csv(out: &mut Vec<u8>, row: &TurnoverRow) {
    let event = &row.event;
    let (start, end) = (rfc3339(event.window_start), rfc3339(event.window_end));
    let (first, last) = (rfc3339(event.begin_stream_aggregator), rfc3339(event.end_stream_aggregator));
    writeln!(
        out,
        "{},{start},{end},{},{},{},{},{},{},{},{first},{last}",
        event.store_id,
        event.total_amount,
        row.late_amount,
        event.transaction_count,
        row.late_count,
        event.is_final,
        event.currency,
        event.event_id
    )
    .expect("writing into memory cannot fail");
}

impl From<&TurnoverRow> for WindowAnswer {
    fn from(row: &TurnoverRow) -> Self {
        let event = &row.event;
        Self {
            total_amount: Amount(event.total_amount),
            event_id: event.event_id.to_string(),
            store_id: event.store_id.to_string(),
            begin_stream_aggregator: rfc3339(event.begin_stream_aggregator),
            end_stream_aggregator: rfc3339(event.end_stream_aggregator),
            window_start: rfc3339(event.window_start),
            window_end: rfc3339(event.window_end),
            transaction_count: event.transaction_count,
            r#final: event.is_final,
            currency: event.currency.clone(),
            late_amount: Amount(row.late_amount),
            late_count: row.late_count,
        }
    }
}

#[cfg(test)]
pub use tests::row_for_test;

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use tillstream_domain::{AggregatedEvent, Money, StoreId};

    use super::*;

    /// A final window of two sales and one late sale.
    pub fn row_for_test(store: u32, window_start: DateTime<Utc>, total_amount: Money) -> TurnoverRow {
        let store_id = StoreId::from_number(store).unwrap();
        let event = AggregatedEvent {
            total_amount,
            event_id: AggregatedEvent::id_of(store_id, window_start, 2, true),
            store_id,
            begin_stream_aggregator: window_start,
            end_stream_aggregator: window_start + TimeDelta::milliseconds(9_500),
            window_start,
            window_end: window_start + TimeDelta::seconds(10),
            transaction_count: 2,
            is_final: true,
            currency: "EUR".to_owned(),
        };
        TurnoverRow { event, late_amount: Money::from_cents(5), late_count: 1 }
    }

    fn render(format: RowFormat) -> String {
        let start = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let rows = [1, 2].map(|store| row_for_test(store, start, Money::from_cents(120)));
        let mut renderer = Renderer::new(format);
        let pieces = [renderer.page(&rows[..1]), renderer.page(&rows[1..]), renderer.end()];
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[test]
    fn two_pages_are_one_json_array_with_money_as_numbers_of_two_decimals() {
        let text = render(RowFormat::Json);
        let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(rows.as_array().unwrap().len(), 2);
        assert_eq!(rows[1]["store_id"], "STORE_2");
        assert_eq!(rows[0]["window_end"], "2023-11-14T22:13:30Z");
        assert!(text.contains("\"total_amount\":1.20,") && text.contains("\"late_amount\":0.05,"));
    }

    #[test]
    fn csv_has_one_heading_and_as_many_columns_in_every_line() {
        let text = render(RowFormat::Csv);
        let columns: Vec<_> = text.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(columns, [12, 12, 12]);
        assert!(text.contains("STORE_1,2023-11-14T22:13:20Z,2023-11-14T22:13:30Z,1.20,0.05,2,1,true,EUR,"));
    }

    #[test]
    fn ndjson_is_one_object_per_line() {
        let text = render(RowFormat::NdJson);
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).unwrap().is_object()));
    }

    #[test]
    fn no_rows_are_an_empty_array() {
        let mut renderer = Renderer::new(RowFormat::Json);
        assert_eq!([renderer.page(&[]), renderer.end()].concat(), b"[]");
    }
}
