//! Test support: messages as the queues deliver them, and a plan in a directory of its own.

use std::path::Path;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use tillstream_domain::fixtures::{SampleBody, sample_id, sample_time};
use tillstream_domain::{AggregatedEvent, LateSale, Money, Sale, StoreId, Topics};
use tillstream_messages::{DeliveryTag, InboundMessage};

use crate::settings::ReportingPlan;

/// One sale of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TestSale {
    pub(crate) id: u64,
    pub(crate) store: u32,
    pub(crate) cents: i64,
    /// Event time in seconds after the tests' beginning.
    pub(crate) second: i64,
}

pub(crate) fn plan_for_test(directory: &Path) -> ReportingPlan {
    ReportingPlan::new(directory)
}

pub(crate) fn store_for_test(number: u32) -> StoreId {
    StoreId::from_number(number).expect("in range")
}

/// The start of the window of this second.
pub(crate) fn window_for_test(second: i64) -> DateTime<Utc> {
    sample_time(second.div_euclid(10) * 10_000)
}

pub(crate) fn inbound_for_test(number: u64, topic: &str, payload: impl Into<Bytes>) -> InboundMessage {
    let tag = DeliveryTag { epoch: 1, number };
    InboundMessage { tag, topic: topic.into(), payload: payload.into(), redelivered: false, trace: None }
}

impl TestSale {
    /// As validation publishes it.
    pub(crate) fn receipt(self, number: u64) -> InboundMessage {
        let checked = self.body("success").checked().transaction;
        let topic = Topics::default().receipt(&checked);
        inbound_for_test(number, &topic, checked.to_payload(sample_time(self.second * 1_000)))
    }

    /// As validation publishes it when the payment failed.
    pub(crate) fn failed(self, number: u64) -> InboundMessage {
        let checked = self.body("failed").checked().transaction;
        let topic = Topics::default().failed(&checked);
        inbound_for_test(number, &topic, checked.to_payload(sample_time(self.second * 1_000)))
    }

    /// As aggregation publishes it when its window is final.
    pub(crate) fn late(self, number: u64) -> InboundMessage {
        let sale = Sale {
            id: sample_id(self.id),
            store: store_for_test(self.store),
            timestamp: sample_time(self.second * 1_000),
            accepted_at: sample_time(self.second * 1_000),
            amount: Money::from_cents(self.cents),
        };
        let window_start = window_for_test(self.second);
        let late = LateSale { sale, window_start, window_end: window_start + TimeDelta::seconds(10) };
        inbound_for_test(number, &Topics::default().late(sale.store, sale.id), late.to_json())
    }

    fn body(self, status: &'static str) -> SampleBody {
        SampleBody {
            id: sample_id(self.id),
            store: self.store,
            timestamp: sample_time(self.second * 1_000),
            lines: vec![(1, self.cents)],
            status,
            ..SampleBody::default()
        }
    }
}

/// The event of these sales, which must be of one window of one store.
pub(crate) fn event_for_test(sales: &[TestSale], is_final: bool) -> AggregatedEvent {
    let first = sales.first().expect("a window has sales");
    let (store_id, window_start) = (store_for_test(first.store), window_for_test(first.second));
    let seconds = sales.iter().map(|sale| sale.second);
    AggregatedEvent {
        total_amount: Money::from_cents(sales.iter().map(|sale| sale.cents).sum()),
        event_id: AggregatedEvent::id_of(store_id, window_start, sales.len() as u64, is_final),
        store_id,
        begin_stream_aggregator: sample_time(seconds.clone().min().unwrap_or(0) * 1_000),
        end_stream_aggregator: sample_time(seconds.max().unwrap_or(0) * 1_000),
        window_start,
        window_end: window_start + TimeDelta::seconds(10),
        transaction_count: sales.len() as u64,
        is_final,
        currency: "EUR".to_owned(),
    }
}

/// As validation publishes an event.
pub(crate) fn aggregation_for_test(number: u64, event: &AggregatedEvent) -> InboundMessage {
    inbound_for_test(number, &Topics::default().aggregation(event), event.to_json())
}
