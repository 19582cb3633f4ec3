//! Bodies that the page to try it starts with; they pass every rule as they stand.
//! Not part of any answer.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tillstream_domain::{AggregatedEvent, Money, StoreId};

/// 2026-01-31T12:00:00Z.
const NOON: DateTime<Utc> = DateTime::from_timestamp_secs(1_769_860_800).expect("the constant is a time");

/// One paid sale of two loaves.
pub fn transaction() -> Value {
    let transaction_id = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
    json!({
        "transaction_id": transaction_id,
        "timestamp": NOON,
        "store_id": "STORE_1",
        "cashier_id": "CASHIER_2",
        "items": [{ "item_id": "bread", "name": "Bread", "quantity": 2, "price_per_unit": 1.29, "total_price": 2.58 }],
        "total_amount": 2.58,
        "payment_method": "cash",
        "payment_status": "success",
        "customer_id": "CUSTOMER_9",
        "loyalty_points_earned": 1,
        "receipt": {
            "receipt_id": "R-1",
            "date": NOON,
            "total_amount": 2.58,
            "payment_method": "cash",
            "transaction_id": transaction_id,
        },
    })
}

/// One open window that holds this sale.
pub fn aggregate() -> Value {
    let store_id = StoreId::from_number(1).expect("1 is a store");
    let event = AggregatedEvent {
        total_amount: Money::from_cents(258),
        event_id: AggregatedEvent::id_of(store_id, NOON, 1, false),
        store_id,
        begin_stream_aggregator: NOON,
        end_stream_aggregator: NOON,
        window_start: NOON,
        window_end: NOON + TimeDelta::seconds(10),
        transaction_count: 1,
        is_final: false,
        currency: "EUR".to_owned(),
    };
    serde_json::from_slice(&event.to_json()).expect("an event is written as JSON")
}

#[cfg(test)]
mod tests {
    use tillstream_domain::Rules;

    use super::*;

    #[test]
    fn the_examples_pass_every_rule() {
        let sale = Rules::default().check(transaction().to_string().as_bytes(), NOON);
        assert!(sale.is_ok_and(|checked| checked.corrections.is_empty()));
        assert!(AggregatedEvent::from_json(aggregate().to_string().as_bytes()).is_ok());
    }
}
