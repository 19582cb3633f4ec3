//! Which trace a sale begins, what each attempt to post it says about that, and which spans are left.

use tillstream_messages::TraceContext;
use tillstream_traces::testing::{EndedSpan, keep_spans, spans_of};

use super::*;
use crate::testing::{Reaction, TestServer};

const WITHIN: Duration = Duration::from_secs(60);
/// Of so many sales at least one is kept and one is not; the odds against it have thirty digits.
const MANY: usize = 100;

/// Posts one sale after the other, each of them in as many attempts as the script has reactions.
async fn sell(script: &'static [Reaction], sales: usize) -> Vec<Vec<TraceContext>> {
    keep_spans(0.5);
    let server = TestServer::start(move |number, _: &str| script[number % script.len()]).await;
    let client = server.client(None);
    for _ in 0..sales {
        let posting = client.post_until_known(Bytes::from_static(b"{}"));
        let posted = tokio::time::timeout(WITHIN, posting).await.expect("stuck: the client has no answer");
        assert!(posted.expect("answered").is_accepted());
    }
    let said: Vec<_> = server.traceparents().iter().filter_map(|parent| TraceContext::parse(parent, "")).collect();
    assert_eq!(said.len(), sales * script.len(), "each attempt says its trace: {:?}", server.traceparents());
    said.chunks(script.len()).map(<[_]>::to_vec).collect()
}

fn kept(mut sales: Vec<Vec<TraceContext>>) -> Vec<TraceContext> {
    sales.retain(|attempts| attempts[0].is_sampled());
    sales.pop().expect("one of many is kept")
}

fn said_by(spans: &[EndedSpan], attribute: &str) -> Vec<String> {
    spans.iter().map(|span| span.says(attribute).to_owned()).collect()
}

#[tokio::test]
async fn a_repetition_is_another_span_of_the_same_trace_and_says_how_often_the_sale_was_sent_before() {
    let script = &[Reaction::Status(503), Reaction::Status(429), Reaction::Status(200)];
    let attempts = kept(sell(script, MANY).await);

    let spans = spans_of(attempts[0].ids().trace);

    let ids: Vec<_> = attempts.iter().map(TraceContext::ids).collect();
    assert_eq!(
        spans.iter().map(|span| span.ids).collect::<Vec<_>>(),
        ids,
        "the service was told each attempt's own span"
    );
    let first = Some(ids[0].span);
    assert_eq!(spans.iter().map(|span| span.parent).collect::<Vec<_>>(), [None, first, first]);
    assert!(spans.iter().all(|span| (span.name.as_str(), span.kind) == ("POST", "client")));
    assert!(spans.iter().all(|span| span.says("url.template") == "/api/v1/pos/validate_transaction"));
    assert_eq!(said_by(&spans, "http.request.resend_count"), ["", "1", "2"]);
    assert_eq!(said_by(&spans, "http.response.status_code"), ["503", "429", "200"]);
    assert_eq!(spans.iter().map(|span| span.is_failed).collect::<Vec<_>>(), [true, true, false]);
}

#[tokio::test]
async fn an_attempt_without_an_answer_says_whether_it_was_cut_or_took_too_long() {
    let script = &[Reaction::Cut, Reaction::Silence, Reaction::Status(200)];
    let attempts = loop {
        let sold = sell(script, 1).await.remove(0);
        if sold[0].is_sampled() {
            break sold;
        }
    };

    let spans = spans_of(attempts[0].ids().trace);

    assert_eq!(said_by(&spans, "error.type"), ["connection", "timeout", ""]);
}

#[tokio::test]
async fn a_sale_that_is_not_kept_has_no_span_and_the_service_hears_that_nobody_else_is_to_keep_it() {
    let sales = sell(&[Reaction::Status(503), Reaction::Status(200)], MANY).await;

    let kept: Vec<bool> = sales.iter().map(|attempts| attempts[0].is_sampled()).collect();

    assert!(kept.contains(&true) && kept.contains(&false), "{kept:?}");
    for attempts in &sales {
        let (first, second) = (&attempts[0], &attempts[1]);
        assert_eq!((first.ids().trace, first.is_sampled()), (second.ids().trace, second.is_sampled()));
        assert_eq!(spans_of(first.ids().trace).len(), if first.is_sampled() { 2 } else { 0 });
    }
}
