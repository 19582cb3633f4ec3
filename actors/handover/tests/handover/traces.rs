//! The trace of a window on its way to a validation in another process.

use tillstream_domain::fixtures::sample_aggregate;
use tillstream_messages::{PublishAggregate, TraceContext};
use tillstream_traces::testing::{keep_spans, sent_context, spans_of};
use tokio::task::LocalSet;

use crate::server::{Reaction, Request, Service};
use crate::{TAKEN, WITHIN, bench};

/// Hands one window over that is refused twice for now, and returns what the service was sent.
async fn handed_over(trace: Option<TraceContext>) -> Vec<Request> {
    keep_spans(0.0);
    LocalSet::new()
        .run_until(async {
            let busy = Reaction::Answer(503, "");
            let service = Service::start(move |number, _| if number < 2 { busy.clone() } else { TAKEN }).await;
            let order = PublishAggregate { event: sample_aggregate(), trace };
            assert_eq!(bench(&service).handover.ask(order, WITHIN).await, Ok(Ok(())));
            service.requests()
        })
        .await
}

#[tokio::test]
async fn every_attempt_is_a_span_below_the_windows_emission_and_the_service_is_told_of_it() {
    let emission = TraceContext::parse(&sent_context(true).traceparent(), "till=1").unwrap();

    let requests = handed_over(Some(emission.clone())).await;

    let spans = spans_of(emission.ids().trace);
    assert_eq!(spans.len(), 3, "{spans:#?}");
    for (before, (span, request)) in spans.iter().zip(&requests).enumerate() {
        let told = TraceContext::parse(&request.traceparent, &request.tracestate).unwrap();
        assert_eq!((told.ids(), told.tracestate()), (span.ids, Some("till=1")));
        assert_eq!((span.name.as_str(), span.kind, span.parent), ("POST", "client", Some(emission.ids().span)));
        let resent = if before == 0 { String::new() } else { before.to_string() };
        assert_eq!(span.says("http.request.resend_count"), resent);
        assert_eq!(span.says("url.template"), "/api/v1/pos/amount-per-store");
        assert_eq!(span.is_failed, before < 2);
    }
}

#[tokio::test]
async fn a_trace_that_is_not_kept_is_passed_on_without_a_span_and_a_window_without_one_says_nothing() {
    let emission = sent_context(false);

    let requests = handed_over(Some(emission.clone())).await;

    assert!(requests.iter().all(|request| request.traceparent == emission.traceparent()), "{requests:?}");
    assert!(spans_of(emission.ids().trace).is_empty());
    assert!(handed_over(None).await.iter().all(|request| request.traceparent.is_empty()));
}
