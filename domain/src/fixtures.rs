//! Test support: sample bodies as a till would send them, and the transactions that come of them.
//! Does not belong into a running service: only compiled for tests (cargo feature `fixtures`).

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::json::Writer;
use crate::{AggregatedEvent, Checked, Money, Rules, StoreId, TransactionId, rfc3339};

/// A till's body under construction; the default is one valid sale of two lines over 7.57.
#[derive(Debug, Clone)]
pub struct SampleBody {
    /// The transaction's id.
    pub id: TransactionId,
    /// Number of the store.
    pub store: u32,
    /// Number of the cashier.
    pub cashier: u32,
    /// Event time.
    pub timestamp: DateTime<Utc>,
    /// Quantity and price per unit in cents of each line.
    pub lines: Vec<(u32, i64)>,
    /// What the till says is the total; `None` for the right sum.
    pub total: Option<Money>,
    /// `success` or `failed`.
    pub status: &'static str,
    /// Who bought.
    pub customer: String,
}

impl Default for SampleBody {
    fn default() -> Self {
        Self {
            id: sample_id(1),
            store: 1,
            cashier: 2,
            timestamp: sample_time(0),
            lines: vec![(2, 129), (1, 499)],
            total: None,
            status: "success",
            customer: "CUSTOMER_9".to_owned(),
        }
    }
}

impl SampleBody {
    /// The body as JSON, compact, in the original's order of fields.
    ///
    /// # Panics
    /// Never: JSON of strings and numbers is text.
    pub fn to_json(&self) -> String {
        let sum: i64 = self.lines.iter().map(|(quantity, cents)| i64::from(*quantity) * cents).sum();
        let total = self.total.unwrap_or(Money::from_cents(sum));
        let json = Writer::object(1_024, |out| {
            out.plain("transaction_id", self.id);
            out.plain("timestamp", rfc3339(self.timestamp));
            out.plain("store_id", format_args!("STORE_{}", self.store));
            out.plain("cashier_id", format_args!("CASHIER_{}", self.cashier));
            out.list("items", &self.lines, write_line);
            out.bare("total_amount", total);
            out.plain("payment_method", "cash");
            out.text("payment_status", self.status);
            out.text("customer_id", &self.customer);
            out.bare("loyalty_points_earned", 3);
            out.nested("receipt", |receipt| self.write_receipt(receipt, total));
        });
        String::from_utf8(json).expect("JSON of strings and numbers is text")
    }

    fn write_receipt(&self, out: &mut Writer, total: Money) {
        out.plain("receipt_id", "r-4711");
        out.plain("date", rfc3339(self.timestamp));
        out.bare("total_amount", total);
        out.plain("payment_method", "cash");
        out.plain("transaction_id", self.id);
    }

    /// The body checked by the default rules, at the sale's own time.
    ///
    /// # Panics
    /// The body is not valid.
    pub fn checked(&self) -> Checked {
        let rules = Rules { max_store: u32::MAX, max_cashier: u32::MAX, ..Rules::default() };
        rules.check(self.to_json().as_bytes(), self.timestamp).expect("the sample is a valid body")
    }

    /// The payload that would be published of it, accepted a second after the sale.
    ///
    /// # Panics
    /// The body is not valid.
    pub fn payload(&self) -> Vec<u8> {
        self.checked().to_payload(self.timestamp + TimeDelta::seconds(1))
    }
}

fn write_line(out: &mut Writer, (quantity, cents): &(u32, i64)) {
    out.plain("item_id", format_args!("item-{cents}"));
    out.text("name", "Bio-Vollmilch 1 l");
    out.bare("quantity", quantity);
    out.bare("price_per_unit", Money::from_cents(*cents));
    out.bare("total_price", Money::from_cents(i64::from(*quantity) * cents));
}

/// The `n`th id: the same `n`, the same id.
pub fn sample_id(n: u64) -> TransactionId {
    TransactionId::new(Uuid::new_v5(&Uuid::NAMESPACE_OID, &n.to_be_bytes()))
}

/// 2024-11-15T10:00:00Z and this many milliseconds.
pub fn sample_time(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_731_664_800_000 + milliseconds).expect("a few years around 2024 fit")
}

/// A valid body: its `n` is its id, its store is one of ten.
pub fn sample_body(n: u32) -> Vec<u8> {
    let id = sample_id(n.into());
    SampleBody { id, store: n % 10 + 1, cashier: n % 8 + 1, ..SampleBody::default() }.to_json().into_bytes()
}

/// A first event of `STORE_1`: three sales over 12.34 in the ten seconds from [`sample_time`] zero.
///
/// # Panics
/// Never: 1 is a store's number.
pub fn sample_aggregate() -> AggregatedEvent {
    let store_id = StoreId::from_number(1).expect("1 is a store's number");
    let (window_start, window_end) = (sample_time(0), sample_time(10_000));
    AggregatedEvent {
        total_amount: Money::from_cents(1_234),
        event_id: AggregatedEvent::id_of(store_id, window_start, 3, false),
        store_id,
        begin_stream_aggregator: window_start,
        end_stream_aggregator: sample_time(9_500),
        window_start,
        window_end,
        transaction_count: 3,
        is_final: false,
        currency: "EUR".to_owned(),
    }
}
