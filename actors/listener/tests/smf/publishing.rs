//! Guaranteed messages from clients: acknowledged when they are on disk, refused with the words that libraries know.
//! Reading them back is another file's.

use std::time::Duration;

use bytes::Bytes;
use tillstream_broker::{Broker, Side};
use tillstream_listener::ListenerSettings;
use tillstream_smf::{AnswerBody, Content, Published, Request, RequestBody, Response};
use tillstream_supervision::Place;
use uuid::Uuid;

use crate::bench::{Bench, MAX_MESSAGE};
use crate::client::{Client, Publisher, login};
use crate::in_tree;

#[test]
fn a_window_of_messages_is_acknowledged_in_order_and_is_on_disk() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "till").await;
        let mut publisher = client.open_publisher(50).await;
        assert_eq!((publisher.flow.window, publisher.flow.last_acked), (Some(50), 0));

        let window: Vec<Request> = (0..50).map(|at| publisher.message("q/a", at.to_string())).collect();
        client.send_all(window).await;
        client.acknowledged(50).await;

        bench.deep("q", 50).await;
    });
}

#[test]
fn a_window_is_never_wider_than_asked_for() {
    in_tree(async {
        let settings = ListenerSettings { publish_window: 100, ..ListenerSettings::default() };
        let bench = Bench::with(settings, &Place::here());
        let mut client = Client::login(bench.address, "till").await;
        for (asked, granted) in [(1, 1), (100, 100), (255, 100), (70_000, 100)] {
            assert_eq!(client.open_publisher(asked).await.flow.window, Some(granted), "{asked}");
        }
    });
}

#[test]
fn nothing_is_acknowledged_while_the_broker_has_not_said_so() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "till").await;
        let mut publisher = client.open_publisher(50).await;
        bench.broker.stall(Duration::from_millis(300));

        let first = publisher.message("q/a", "1");
        let refused = publisher.message("nobody/a", "2");
        client.send_all([first, refused]).await;

        // The refusal would acknowledge the message before it, so it waits.
        client.nothing_else().await;
        assert_eq!(client.publish_answer().await, (2, Response::NO_SUBSCRIPTION_MATCH));
        assert_eq!(bench.depth("q"), 1);
    });
}

#[test]
fn every_refusal_has_the_words_that_client_libraries_know() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "till").await;
        let mut publisher = client.open_publisher(50).await;
        let large = Bytes::from(vec![b'x'; MAX_MESSAGE + 1]);
        let full = Bytes::from(vec![b'x'; 3_000]);
        let cases = [
            ("q/a", Bytes::from_static(b"1"), Response::OK),
            ("nobody/a", Bytes::from_static(b"2"), Response::NO_SUBSCRIPTION_MATCH),
            ("q/*", Bytes::from_static(b"3"), Response::NO_SUBSCRIPTION_MATCH),
            ("small/a", full, Response::SPOOL_OVER_QUOTA),
            ("q/a", large, Response::DOCUMENT_TOO_LARGE),
            ("#P2P/QUE/none", Bytes::from_static(b"6"), Response::QUEUE_NOT_FOUND),
            ("#P2P/QUE/other", Bytes::from_static(b"7"), Response::OK),
        ];
        for (id, (topic, payload, expected)) in (1..).zip(cases) {
            let message = publisher.message(topic, payload);
            client.send_all([message]).await;
            assert_eq!(client.publish_answer().await, (id, expected), "{topic}");
        }
        assert_eq!((bench.depth("q"), bench.depth("other"), bench.depth("small")), (1, 1, 0));
    });
}

#[test]
fn who_may_not_publish_to_a_topic_or_a_queue_is_refused() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::connect(bench.address, "some").await;
        client.ask_login(login("some", "some", "secret")).await;
        let mut publisher = client.open_publisher(50).await;
        for (id, (topic, expected)) in (1..).zip([
            ("q/mine/1", Response::OK),
            ("q/yours/1", Response::PUBLISH_ACL_DENIED),
            ("#P2P/QUE/q", Response::PUBLISH_ACL_DENIED),
            ("q/mine/2", Response::OK),
        ]) {
            let message = publisher.message(topic, "x");
            client.send_all([message]).await;
            assert_eq!(client.publish_answer().await, (id, expected), "{topic}");
        }
        assert_eq!(bench.depth("q"), 2);
    });
}

#[test]
fn an_acknowledgement_after_a_rejection_is_no_rejection() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "till").await;
        let mut publisher = client.open_publisher(50).await;
        let window: Vec<Request> = (1..=12)
            .map(|id| publisher.message(if id % 3 == 0 { "nobody/a" } else { "q/a" }, id.to_string()))
            .collect();
        client.send_all(window).await;

        let mut rejected = Vec::new();
        let mut last = 0;
        while last < 12 {
            let (id, response) = client.publish_answer().await;
            assert!(id > last, "{id} after {last}");
            last = id;
            if response != Response::OK {
                rejected.push(id);
            }
        }
        assert_eq!(rejected, [3, 6, 9, 12]);
        bench.deep("q", 8).await;
    });
}

#[test]
fn a_message_sent_again_is_stored_once_and_one_behind_a_gap_not_at_all() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "till").await;
        let publisher = client.open_publisher(50).await;
        client.send_all([publisher.numbered(1, "q/a", "1", false)]).await;
        client.acknowledged(1).await;

        client.send_all([publisher.numbered(1, "q/a", "1", true), publisher.numbered(3, "q/a", "3", false)]).await;
        assert_eq!(client.publish_answer().await, (1, Response::OK));
        client.nothing_else().await;

        let again = [2, 3].map(|id| publisher.numbered(id, "q/a", id.to_string(), true));
        client.send_all(again).await;
        client.acknowledged(3).await;
        bench.deep("q", 3).await;
    });
}

#[test]
fn more_messages_than_the_window_allows_end_the_connection_and_cost_nothing() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "till").await;
        let mut publisher = client.open_publisher(10).await;
        bench.broker.stall(Duration::from_millis(200));
        let flood: Vec<Request> = (0..11).map(|at| publisher.message("q/a", at.to_string())).collect();
        client.send_all(flood).await;
        client.closed().await;

        let mut again = Client::login(bench.address, "again").await;
        let flow = again.try_open(publisher.flow.flow_name.as_deref().unwrap(), 0, 11, 10).await.unwrap();
        let resumed = Publisher { flow, last: 11 };
        again.send_all((resumed.flow.last_acked + 1..=10).map(|id| resumed.numbered(id, "q/a", "x", true))).await;
        again.acknowledged(10).await;
        again.send_all([resumed.numbered(11, "q/a", "x", true)]).await;
        again.acknowledged(11).await;
        bench.deep("q", 11).await;
    });
}

#[test]
fn a_connection_that_is_cut_in_the_middle_of_a_window_resumes_without_a_loss_or_a_double() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "till").await;
        let mut publisher = client.open_publisher(50).await;
        bench.broker.stall(Duration::from_millis(200));
        let sent: Vec<Request> = (1..=30).map(|id| publisher.message("q/a", id.to_string())).collect();
        client.send_all(sent).await;
        client.nothing_else().await; // All have arrived, none is committed.
        drop(client);

        let mut client = Client::login(bench.address, "till").await;
        let name = publisher.flow.flow_name.clone().unwrap();
        let flow = client.try_open(&name, 0, 30, 50).await.unwrap();
        let resumed = Publisher { last: 30, flow };
        let again = (resumed.flow.last_acked + 1..=40).map(|id| resumed.numbered(id, "q/a", id.to_string(), id <= 30));
        client.send_all(again).await;
        client.acknowledged(40).await;
        bench.deep("q", 40).await;
    });
}

#[test]
fn a_rejection_that_was_lost_with_its_connection_is_told_again_and_never_becomes_an_acknowledgement() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "till").await;
        let mut publisher = client.open_publisher(50).await;
        let topics = ["q/a", "nobody/a", "q/a"];
        let window: Vec<Request> = topics.iter().map(|topic| publisher.message(topic, "x")).collect();
        client.send_all(window).await;
        bench.deep("q", 2).await;
        drop(client); // Without having read a word of it.

        let mut client = Client::login(bench.address, "till").await;
        let flow = client.try_open(publisher.flow.flow_name.as_deref().unwrap(), 0, 3, 50).await.unwrap();
        assert_eq!(flow.last_acked, 1, "the client would take more as acknowledged");
        client.nothing_else().await;
        let resumed = Publisher { flow, last: 3 };
        client.send_all([2, 3].map(|id| resumed.numbered(id, topics[id as usize - 1], "x", true))).await;
        assert_eq!(client.publish_answer().await, (2, Response::NO_SUBSCRIPTION_MATCH));
        assert_eq!(client.publish_answer().await, (3, Response::OK));
        bench.deep("q", 2).await;
    });
}

#[test]
fn a_queue_that_is_shut_refuses_in_words_of_its_own_and_takes_the_next_message_when_it_is_open() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "till").await;
        let mut publisher = client.open_publisher(50).await;
        bench.broker.shut("q", Side::Incoming).unwrap();
        client.send_all([publisher.message("q/a", "1")]).await;
        assert_eq!(client.publish_answer().await, (1, Response::QUEUE_SHUTDOWN));
        bench.broker.reopen("q", Side::Incoming).unwrap();
        client.send_all([publisher.message("q/a", "2")]).await;
        client.acknowledged(2).await;
        bench.deep("q", 1).await;
    });
}

#[test]
fn a_flow_is_resumed_by_its_own_user_alone_and_its_earlier_connection_ends() {
    in_tree(async {
        let bench = Bench::new();
        let mut first = Client::login(bench.address, "first").await;
        let mut publisher = first.open_publisher(50).await;
        let name = publisher.flow.flow_name.clone().unwrap();
        let mut stranger = Client::connect(bench.address, "stranger").await;
        stranger.ask_login(login("stranger", "some", "secret")).await;
        assert_eq!(stranger.try_open(&name, 0, 0, 50).await.unwrap_err(), Response::UNKNOWN_FLOW_NAME);
        assert_eq!(stranger.try_open("never/heard/of", 0, 0, 50).await.unwrap_err(), Response::UNKNOWN_FLOW_NAME);

        let mut second = Client::login(bench.address, "second").await;
        // Acknowledgements that never were: the client means another broker's flow.
        assert_eq!(second.try_open(&name, 9, 9, 50).await.unwrap_err(), Response::UNKNOWN_FLOW_NAME);
        second.try_open(&name, 0, 0, 50).await.unwrap();
        let late = publisher.message("q/a", "late");
        let mut out = bytes::BytesMut::new();
        late.encode(&mut out).unwrap();
        let _ = first.send_bytes(&out).await;
        first.closed().await;
        assert_eq!(bench.depth("q"), 0);
    });
}

#[test]
fn a_closed_flow_is_forgotten() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "till").await;
        let publisher = client.open_publisher(50).await;
        let flow_id = publisher.flow.flow_id;
        client.send(RequestBody::ClosePubFlow { flow_id }).await;
        assert_eq!(client.answer().await.body, AnswerBody::ClosePubFlow { flow_id });
        let name = publisher.flow.flow_name.unwrap();
        assert_eq!(client.try_open(&name, 0, 0, 50).await.unwrap_err(), Response::UNKNOWN_FLOW_NAME);
    });
}

#[test]
fn flows_without_a_connection_are_remembered_up_to_a_limit() {
    in_tree(async {
        let settings = ListenerSettings { remembered_publishers: 2, ..ListenerSettings::default() };
        let bench = Bench::with(settings, &Place::here());
        let mut names = Vec::new();
        for who in ["first", "second", "third"] {
            let mut client = Client::login(bench.address, who).await;
            names.push(client.open_publisher(50).await.flow.flow_name.unwrap());
            drop(client);
            // The next one finds the flow of this one left behind.
            Client::login(bench.address, who).await;
        }
        let mut client = Client::login(bench.address, "fourth").await;
        assert_eq!(client.try_open(&names[0], 0, 0, 50).await.unwrap_err(), Response::UNKNOWN_FLOW_NAME);
        assert!(client.try_open(&names[2], 0, 0, 50).await.is_ok());
    });
}

#[test]
fn flows_that_are_in_use_leave_as_much_room_for_those_that_are_not() {
    in_tree(async {
        let settings = ListenerSettings { remembered_publishers: 2, ..ListenerSettings::default() };
        let bench = Bench::with(settings, &Place::here());
        let mut busy = Client::login(bench.address, "busy").await;
        busy.open_publisher(50).await;
        let mut cut = Client::login(bench.address, "cut").await;
        let flow = cut.open_publisher(50).await.flow;
        drop(cut);
        // The name is free when the connection has ended.
        let mut cut = Client::login(bench.address, "cut").await;

        busy.open_publisher(50).await;

        cut.try_open(&flow.flow_name.unwrap(), 0, 0, 50).await.unwrap();
    });
}

#[test]
fn a_consumer_in_the_process_sees_the_attachment_and_the_message_id() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "till").await;
        let mut publisher = client.open_publisher(50).await;
        let mut payload = b"hello".to_vec();
        payload.extend_from_slice(
            b"\x01\x00\x00\x00\x43\x2f\x00\x00\x00\x43\x18\x04\x80\x00\x2b\x00\x00\x00\x3a\x1c\x04h\x00",
        );
        payload
            .extend_from_slice(b"\x2b\x00\x00\x00\x31\x1c\x05mi\x00\x1c\x270b9c4c0e-8e64-4d5e-9b0a-0123456789ab\x00");
        let mut request = publisher.message("q/a", payload);
        let RequestBody::Publish(Published { content: Content { content_summary, .. }, .. }) = &mut request.body else {
            panic!("not a message")
        };
        *content_summary = Some(Bytes::from_static(b"\x22\x05\x42\x48"));
        client.send_all([request]).await;
        client.acknowledged(1).await;

        let kept = taken(&bench.broker, "q").await;
        assert_eq!(&kept.payload[..], b"hello");
        assert_eq!(kept.message_id, Uuid::from_u128(0x0b9c4c0e_8e64_4d5e_9b0a_0123456789ab));
    });
}

async fn taken(broker: &Broker, queue: &str) -> tillstream_broker::Delivery {
    broker.bind(queue, 1).unwrap().next_batch(1).await.unwrap().remove(0)
}
