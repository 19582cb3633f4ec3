//! The trace of a message on both sides of the listener: a note in the broker, user properties on the wire.
//! What a real client library makes of them is told by the Solace room's tests.

use bytes::Bytes;
use tillstream_broker::{OutboundMessage, TraceNote};
use tillstream_smf::{Published, RequestBody};
use uuid::Uuid;

use crate::bench::Bench;
use crate::client::Client;
use crate::in_tree;

const ID: Uuid = Uuid::from_u128(0x0b9c4c0e_8e64_4d5e_9b0a_0123456789ab);
const TRACE: TraceNote<'_> =
    TraceNote { trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, span: 0x00f0_67aa_0ba9_02b7, flags: 1, state: "a=1" };
/// Under `p`, behind the message id under `h`: two texts, each with its type, its length and a NUL.
const USER_PROPERTIES: &[u8] = b"\x1c\x04p\x00\x2b\x00\x00\x00\x60\
      \x1c\x0etraceparent\x00\x1c\x3a00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\x00\
      \x1c\x0dtracestate\x00\x1c\x06a=1\x00";

#[test]
fn a_trace_goes_from_the_process_to_a_client_and_from_a_client_to_the_process_and_to_another() {
    in_tree(async {
        let bench = Bench::new();
        let ours = OutboundMessage {
            topic: "q/a".to_owned(),
            message_id: ID,
            properties: TRACE.alone(),
            payload: Bytes::from_static(b"hello"),
        };
        bench.broker.publish(ours).await.unwrap();

        let mut client = Client::login(bench.address, "both").await;
        client.bind("q", 10).await.unwrap();
        let got = client.delivery().await.content;
        assert!(got.payload.starts_with(b"hello") && got.payload.ends_with(USER_PROPERTIES), "{:x?}", got.payload);

        let publisher = client.open_publisher(10).await;
        let mut request = publisher.numbered(1, "other/a", "", false);
        if let RequestBody::Publish(Published { content: sent, .. }) = &mut request.body {
            sent.payload = got.payload.clone();
            sent.content_summary = got.content_summary.clone();
        }
        client.send_all([request]).await;
        client.acknowledged(1).await;

        let mut flow = bench.broker.bind("other", 1).unwrap();
        let kept = flow.next_batch(1).await.unwrap().remove(0);
        assert_eq!((&kept.payload[..], kept.message_id), (&b"hello"[..], ID));
        assert_eq!(TraceNote::split(&kept.properties).0, Some(TRACE));
        drop(flow);

        client.bind("other", 10).await.unwrap();
        let again = client.delivery().await.content;
        assert_eq!((again.payload, again.content_summary), (got.payload, got.content_summary));
    });
}

#[test]
fn a_message_of_no_trace_says_nothing_of_one_on_either_side() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "both").await;
        let ours = OutboundMessage {
            topic: "q/a".to_owned(),
            message_id: ID,
            properties: Bytes::new(),
            payload: Bytes::from_static(b"hello"),
        };
        bench.broker.publish(ours).await.unwrap();
        client.bind("q", 10).await.unwrap();
        let got = client.delivery().await.content.payload;
        assert_eq!((got.len(), got.windows(5).any(|part| part == b"trace")), (5 + 72, false));

        let mut publisher = client.open_publisher(10).await;
        client.send_all([publisher.message("other/a", "hello")]).await;
        client.acknowledged(1).await;
        let kept = bench.broker.bind("other", 1).unwrap().next_batch(1).await.unwrap().remove(0);
        assert_eq!((&kept.payload[..], TraceNote::split(&kept.properties).0), (&b"hello"[..], None));
    });
}
