//! Sales and the documents in which they lie on the queue.
//! Knows no time but what it is given.

use bytes::Bytes;
use chrono::DateTime;
use tillstream_domain::{Money, Sale, StoreId, TransactionId, rfc3339};
use uuid::Uuid;

pub fn store(number: u32) -> StoreId {
    StoreId::from_number(number).unwrap()
}

pub fn sale_at(number: u128, of: u32, timestamp_ms: i64, accepted_ms: i64, cents: i64) -> Sale {
    Sale {
        id: TransactionId::new(Uuid::from_u128(number)),
        store: store(of),
        timestamp: DateTime::from_timestamp_millis(timestamp_ms).unwrap(),
        accepted_at: DateTime::from_timestamp_millis(accepted_ms).unwrap(),
        amount: Money::from_cents(cents),
    }
}

pub fn payload(sale: &Sale) -> Bytes {
    let (timestamp, accepted_at) = (rfc3339(sale.timestamp), rfc3339(sale.accepted_at));
    let text = format!(
        r#"{{"transaction_id":"{}","customer_id":"CUST_1","timestamp":"{timestamp}","store_id":"{}","items":[],"total_amount":{},"payment_status":"success","accepted_at":"{accepted_at}"}}"#,
        sale.id, sale.store, sale.amount
    );
    Bytes::from(text)
}
