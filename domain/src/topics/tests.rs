//! Every topic is a row of valid levels within the broker's limit, whatever the sale holds.
//! Does not publish anything.

use chrono::DateTime;
use proptest::prelude::*;

use super::*;
use crate::fixtures::{SampleBody, sample_time};
use crate::{Money, TransactionId};

fn topics() -> Topics {
    Topics::new(TopicPrefix::default(), true)
}

#[test]
fn a_sale_has_the_thirteen_levels_of_the_contract() {
    let sale = SampleBody { timestamp: sample_time(123), ..SampleBody::default() };
    let topic = topics().receipt(&sale.checked().transaction);
    let id = sale.id;
    let sold = "STORE_1/CASHIER_2/cash/success/2024-11-15T10:00:00.123Z";
    assert_eq!(topic, format!("sale/pos/transaction/receipt/{sold}/{id}/7.57/r-4711/CUSTOMER_9"));
}

// D15
#[test]
fn without_personal_data_nobody_reads_customer_or_amount_from_a_topic() {
    let sale = SampleBody::default();
    let topic = Topics::new(TopicPrefix::default(), false).receipt(&sale.checked().transaction);
    assert!(topic.ends_with(&format!("/{}/-/r-4711/-", sale.id)), "{topic}");
}

#[test]
fn subscriptions_and_queues_are_those_of_the_contract() {
    assert_eq!(topics().all(TopicKind::Receipt), "sale/pos/transaction/receipt/>");
    assert_eq!(topics().all(TopicKind::Aggregation), "sale/pos/transaction/aggregations/>");
    assert_eq!(topics().all(TopicKind::Late), "sale/pos/transaction/late/>");
    assert_eq!(topics().all(TopicKind::Failed), "sale/pos/transaction/failed/>");
    assert_eq!(topics().all(TopicKind::Rejected), "sale/pos/transaction/rejected/>");
    assert_eq!(store_queue(7), "sale_pos_transaction_aggregations_store7.q");
    assert_eq!(dead_message_queue(REPORTING_QUEUE), "sale_pos_transaction_reporting.q.dmq");
}

#[test]
fn a_prefix_that_is_no_row_of_levels_is_refused() {
    for bad in ["", "/", "sale/", "/sale", "sale//pos", "sale/*", "sale/>", "a b", "sale/pos/transaction/eu/west"] {
        assert_eq!(bad.parse::<TopicPrefix>(), Err(InvalidPrefix), "{bad}");
    }
    assert_eq!("sale/pos/transaction".parse(), Ok(TopicPrefix::default()));
}

#[test]
fn a_topic_says_what_its_message_is() {
    let ours = topics();
    assert_eq!(ours.kind_of("sale/pos/transaction/late/STORE_1/x"), TopicKind::Late);
    assert_eq!(ours.kind_of("sale/pos/transaction/rejected/some.q"), TopicKind::Rejected);
    for foreign in ["sale/pos/transaction", "sale/pos/transaction/", "sale/pos/transactions/late/x", "late/x", ""] {
        assert_eq!(ours.kind_of(foreign), TopicKind::Other, "{foreign}");
    }
}

proptest! {
    // D15
    #[test]
    fn no_sale_makes_a_topic_that_the_broker_refuses(
        prefix in "[A-Za-z0-9_.:-]{1,12}/[A-Za-z0-9_.:-]{11}",
        customer in "[A-Za-z0-9_.:-]{1,48}",
        (store, cashier) in (1_u32..=999_999, 1_u32..=999_999),
        (cents, nanos) in (1_i64..100_000_000_000, 0_i64..7_258_118_400_000_000_000),
        longest in any::<bool>(),
    ) {
        let mut body = SampleBody { store, cashier, lines: vec![(1, cents)], customer, ..SampleBody::default() };
        body.timestamp = DateTime::from_timestamp_nanos(nanos.max(946_684_800_000_000_000));
        if longest {
            (body.store, body.cashier, body.customer) = (999_999, 999_999, "x".repeat(48));
        }
        let receipt = body.customer.clone();
        let mut sale = body.checked().transaction;
        sale.receipt.receipt_id = receipt.parse().unwrap();
        let ours = Topics::new(prefix.parse().unwrap(), true);

        let topic = ours.receipt(&sale);

        prop_assert!(topic.len() <= MAX_TOPIC_BYTES, "{} bytes: {topic}", topic.len());
        prop_assert_eq!(topic.split('/').count(), 2 + 10);
        prop_assert!(topic.split('/').all(|level| !level.is_empty() && level.bytes().all(is_topic_safe)));
        prop_assert_eq!(ours.kind_of(&topic), TopicKind::Receipt);
    }

    #[test]
    fn no_window_late_sale_or_queue_makes_a_topic_that_the_broker_refuses(
        cents in any::<i64>(), store in 1_u32..=999_999, id in any::<u128>(), queue in any::<String>(),
    ) {
        let ours = Topics::new("abcdefghijkl/nopqrstuvwx".parse().unwrap(), true);
        let store_id = StoreId::from_number(store).unwrap();
        let event = AggregatedEvent {
            total_amount: Money::from_cents(cents),
            event_id: uuid::Uuid::from_u128(id),
            store_id,
            begin_stream_aggregator: sample_time(0),
            end_stream_aggregator: sample_time(0),
            window_start: sample_time(0),
            window_end: sample_time(10_000),
            transaction_count: 1,
            is_final: true,
            currency: "EUR".to_owned(),
        };
        let late = ours.late(store_id, TransactionId::new(event.event_id));
        for topic in [ours.aggregation(&event), late, ours.rejected(&queue), ours.rejected(&queue.repeat(50))] {
            prop_assert!(topic.len() <= MAX_TOPIC_BYTES, "{topic}");
            prop_assert!(topic.split('/').all(|level| !level.is_empty() && level.bytes().all(is_topic_safe)));
        }
    }
}

#[test]
fn a_shown_topic_names_no_cashier_and_no_customer_but_how_it_was_paid() {
    let sale = SampleBody::default().checked().transaction;
    let method = Topics::method_of(&topics().receipt(&sale));
    assert_eq!(method, Some(crate::PaymentMethod::Cash));
    let shown = topics().shown_receipt(&sale.sale(sample_time(0)), method);
    let (id, time) = (sale.transaction_id, "2024-11-15T10:00:00Z");
    assert_eq!(shown, format!("sale/pos/transaction/receipt/STORE_1/-/cash/success/{time}/{id}/-/-/-"));
    assert_eq!(Topics::method_of("a/b/c"), None);
}
