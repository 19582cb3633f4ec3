//! Which spans both consumers leave of sampled messages: each lasts from its delivery until it is on disk.

use tillstream_messages::TraceContext;
use tillstream_traces::testing::{EndedSpan, keep_spans, sent_context, spans_of};

use super::*;

const LEDGER: &str = "process sale_pos_transaction_ledger.q";
const REPORTING: &str = "process sale_pos_transaction_reporting.q";

/// The message in a trace of its own.
fn traced(message: InboundMessage, sampled: bool) -> (InboundMessage, TraceContext) {
    keep_spans(0.0);
    let trace = sent_context(sampled);
    (InboundMessage { trace: Some(trace.clone()), ..message }, trace)
}

fn only(trace: &TraceContext) -> EndedSpan {
    let spans = spans_of(trace.ids().trace);
    assert_eq!(spans.len(), 1, "{spans:#?}");
    spans[0].clone()
}

/// What is said about sales; no span of this room may say more.
fn said(span: &EndedSpan) -> Vec<(&str, &str)> {
    assert!(!format!("{span:?}").contains("CASHIER"), "{span:#?}");
    assert!(!format!("{span:?}").contains("CUST"), "{span:#?}");
    let about_sales = span.attributes.iter().filter(|(key, _)| key.starts_with("pos."));
    about_sales.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

#[tokio::test]
async fn a_sampled_message_is_a_span_of_its_trace_that_says_which_sale_or_window_and_no_other_message_is_one() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let directory = tempfile::tempdir().expect("a directory");
            let bench = Bench::start(directory.path());
            let sales = sales_for_test();
            let of_store: Vec<_> = sales.iter().copied().filter(|sale| sale.store == 1).collect();
            let event = event_for_test(&of_store, true);
            bind(&bench.reporting.ledger_consumer, 1).await;
            bind(&bench.reporting.turnover_consumer, 1).await;

            let (receipt, of_receipt) = traced(sales[0].receipt(1), true);
            let (other, of_other) = traced(sales[1].receipt(2), false);
            deliver(&bench.reporting.ledger_consumer, 1, vec![receipt, other, sales[2].receipt(3)]).await;
            let (window, of_window) = traced(aggregation_for_test(1, &event), true);
            let (late, of_late) = traced(sales[3].late(2), true);
            let (failed, of_failed) = traced(sales[4].failed(3), true);
            deliver(&bench.reporting.turnover_consumer, 1, vec![window, late, failed]).await;
            until("ledger or turnover does not acknowledge all", || {
                bench.ledger_flow.acknowledged().len() == 3 && bench.turnover_flow.acknowledged().len() == 3
            })
            .await;

            assert!(spans_of(of_other.ids().trace).is_empty());
            let expected =
                [(&of_receipt, LEDGER), (&of_window, REPORTING), (&of_late, REPORTING), (&of_failed, REPORTING)];
            for (trace, name) in expected {
                let span = only(trace);
                assert_eq!((span.name.as_str(), span.kind, span.parent), (name, "consumer", Some(trace.ids().span)));
                assert!(!span.is_failed);
            }
            let id = |number: usize| tillstream_domain::fixtures::sample_id(sales[number].id).to_string();
            let bounds = [event.window_start, event.window_end].map(tillstream_domain::rfc3339);
            let window = [("pos.window.end", bounds[1].as_str()), ("pos.window.start", bounds[0].as_str())];
            assert_eq!(said(&only(&of_receipt)), [("pos.store.id", "STORE_2"), ("pos.transaction.id", &*id(0))]);
            let of_event = [("pos.store.id", "STORE_1"), window[0], ("pos.window.sales", "3"), window[1]];
            assert_eq!(said(&only(&of_window)), of_event);
            let of_sale = [("pos.store.id", "STORE_1"), ("pos.transaction.id", &*id(3)), window[0], window[1]];
            assert_eq!(said(&only(&of_late)), of_sale);
            assert_eq!(said(&only(&of_failed)), [("pos.store.id", "STORE_2"), ("pos.transaction.id", &*id(4))]);
            bench.stop().await;
        })
        .await;
}

#[tokio::test]
async fn a_span_ends_when_its_message_is_on_disk_and_not_before() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let directory = tempfile::tempdir().expect("a directory");
            let bench = Bench::start(directory.path());
            bind(&bench.reporting.ledger_consumer, 1).await;
            until("ledger or turnover does not report that its state is usable", || {
                bench.health.get(Leg::ReportingState) == LegState::Up
            })
            .await;
            bench.disk.set(Some(StorageTrouble::Full));
            let (receipt, trace) = traced(sales_for_test()[0].receipt(1), true);
            deliver(&bench.reporting.ledger_consumer, 1, vec![receipt]).await;
            until("readiness does not say why", || bench.health.get(Leg::ReportingState) != LegState::Up).await;
            assert!(spans_of(trace.ids().trace).is_empty());

            bench.disk.set(None);
            until("the ledger does not acknowledge", || bench.ledger_flow.acknowledged() == [1]).await;

            assert!(!only(&trace).is_failed);
            bench.stop().await;
        })
        .await;
}

#[tokio::test]
async fn a_message_that_a_new_binding_brings_again_is_another_span_and_the_first_says_that_it_came_to_nothing() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let directory = tempfile::tempdir().expect("a directory");
            let obstacle = directory.path().join("ledger");
            std::fs::write(&obstacle, "in the way").expect("written");
            let bench = Bench::start(directory.path());
            bind(&bench.reporting.ledger_consumer, 1).await;
            let (receipt, trace) = traced(sales_for_test()[0].receipt(1), true);
            deliver(&bench.reporting.ledger_consumer, 1, vec![receipt.clone()]).await;

            bind(&bench.reporting.ledger_consumer, 2).await;
            assert!(only(&trace).is_failed);
            deliver(&bench.reporting.ledger_consumer, 2, vec![receipt]).await;
            std::fs::remove_file(&obstacle).expect("removed");
            until("the ledger does not acknowledge", || bench.ledger_flow.acknowledged() == [1]).await;

            let spans = spans_of(trace.ids().trace);
            assert_eq!(spans.iter().map(|span| span.is_failed).collect::<Vec<_>>(), [true, false]);
            bench.stop().await;
        })
        .await;
}

#[tokio::test]
async fn a_rejected_message_is_published_below_its_own_span_and_each_attempt_is_one() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let directory = tempfile::tempdir().expect("a directory");
            let bench = Bench::start(directory.path());
            bench.refusals.store(1, Ordering::Relaxed);
            let (poison, trace) = traced(inbound_for_test(1, "sale/pos/transaction/receipt/x", "not a sale"), true);
            bind(&bench.reporting.ledger_consumer, 1).await;

            deliver(&bench.reporting.ledger_consumer, 1, vec![poison]).await;
            until("the ledger does not acknowledge", || bench.ledger_flow.acknowledged() == [1]).await;

            let spans = spans_of(trace.ids().trace);
            let names: Vec<_> = spans.iter().map(|span| (span.name.as_str(), span.is_failed)).collect();
            assert_eq!(names, [(LEDGER, false), ("send rejected", true), ("send rejected", false)]);
            assert_eq!(said(&spans[0]), [("pos.outcome", "rejected")]);
            assert!(spans[1..].iter().all(|attempt| attempt.parent == Some(spans[0].ids.span)), "{spans:#?}");
            let published = bench.published.lock().expect("not poisoned")[0].trace.as_ref().map(TraceContext::ids);
            assert_eq!(published, Some(spans[2].ids));
            bench.stop().await;
        })
        .await;
}
