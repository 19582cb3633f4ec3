//! Which trace the flow says of a message: its publisher's, a client's, or none.
//! Shares its bench with the rest of the session's tests.

use tillstream_broker::{OutboundMessage, TraceNote};
use tillstream_messages::{PublishMessage, RebindFlow, TraceContext, TraceIds};

use crate::{WITHIN, bench, locally, sale, until};

#[tokio::test]
async fn a_trace_comes_out_with_its_message_and_again_whenever_that_does() {
    locally(async {
        let bench = bench(4096);
        let (flow, seen) = bench.flow(1000);
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let traces = [TraceContext::parse(parent, "rojo=1"), None, TraceContext::parse(parent, "")];
        for (number, trace) in (0..).zip(traces.clone()) {
            bench.publisher.ask(PublishMessage { trace, ..sale(number) }, WITHIN).await.unwrap().unwrap();
        }
        until("delivered", || seen.payloads().len() == 3).await;

        flow.tell(RebindFlow).unwrap();
        until("delivered again", || seen.payloads().len() == 6).await;

        assert_eq!(seen.traces(), [traces.clone(), traces].concat());
    })
    .await;
}

#[tokio::test]
async fn what_a_client_and_older_versions_left_behind_is_of_the_trace_that_it_says() {
    locally(async {
        let bench = bench(4096);
        let note = TraceNote { trace: 1, span: 2, flags: 1, state: "" }.alone();
        let noted = [&note[..], b"\x01\x01\x00\x00"].concat();
        for (number, properties) in (0..).zip([&noted[..], b"\x01\x01\x00\x00", b"", &note[..9]]) {
            let PublishMessage { topic, message_id, payload, .. } = sale(number);
            let properties = properties.to_vec().into();
            bench.broker.publish(OutboundMessage { topic, message_id, properties, payload }).await.unwrap();
        }

        let (_flow, seen) = bench.flow(1000);
        until("delivered", || seen.payloads().len() == 4).await;

        let ids = TraceIds { trace: 1, span: 2 };
        assert_eq!(seen.traces(), [TraceContext::new(ids, true), None, None, None]);
    })
    .await;
}
