//! Guaranteed messages to clients: windows, settlements, standby consumers, and what comes again.
//! Publishing is done in the process, unless a test is about both.

use bytes::Bytes;
use tillstream_broker::{OutboundMessage, Side};
use tillstream_listener::ListenerSettings;
use tillstream_smf::{
    AnswerBody, Bind, Content, Delivered, FlowAck, FlowType, MessageFlags, NameAt, NameKind, Outcome, Published, Reply,
    RequestBody, Response, Settlement,
};
use tillstream_supervision::Place;
use uuid::Uuid;

use crate::bench::{Bench, until};
use crate::client::{Client, content, id, login, number};
use crate::in_tree;

impl Bench {
    pub async fn publish(&self, topic: &str, numbers: std::ops::RangeInclusive<u64>) {
        let waiting: Vec<_> = numbers.map(|number| self.broker.publish(message(topic, number))).collect();
        for word in waiting {
            word.await.unwrap();
        }
    }
}

fn message(topic: &str, number: u64) -> OutboundMessage {
    OutboundMessage {
        topic: topic.to_owned(),
        message_id: Uuid::nil(),
        properties: Bytes::new(),
        payload: number.to_string().into(),
    }
}

/// Ids ascend, and each delivery names the one before.
fn linked(deliveries: &[Delivered], mut previous: u64) {
    for delivery in deliveries {
        let ids = delivery.guaranteed.unwrap();
        assert_eq!(ids.previous_id, previous);
        assert!(ids.message_id > previous, "{} after {previous}", ids.message_id);
        previous = ids.message_id;
    }
}

fn numbers(deliveries: &[Delivered]) -> Vec<u64> {
    deliveries.iter().map(number).collect()
}

#[test]
fn messages_come_in_order_as_the_window_allows_and_leave_when_they_are_acknowledged() {
    in_tree(async {
        let bench = Bench::new();
        bench.publish("q/a", 1..=10).await;
        let mut client = Client::login(bench.address, "reader").await;
        let bound = client.bind("q", 3).await.unwrap();
        assert_eq!((bound.active, bound.queue.as_deref()), (Some(true), Some("q")));

        let first = client.deliveries(3).await;
        client.nothing_else().await;
        client.flow_ack(bound.flow_id, id(&first[1]), 3, &[(0, id(&first[1]), Outcome::Accepted)]).await;
        let second = client.deliveries(2).await;
        client.nothing_else().await;

        let all: Vec<Delivered> = first.into_iter().chain(second).collect();
        assert_eq!(numbers(&all), [1, 2, 3, 4, 5]);
        linked(&all, 0);
        assert!(all.iter().all(|delivery| !delivery.guaranteed.unwrap().redelivered));
        bench.deep("q", 8).await;
    });
}

#[test]
fn a_client_that_pauses_gets_nothing_until_it_goes_on() {
    in_tree(async {
        let bench = Bench::new();
        bench.publish("q/a", 1..=2).await;
        let mut client = Client::login(bench.address, "reader").await;
        let bound = client.bind("q", 0).await.unwrap();
        client.nothing_else().await;
        client.flow_ack(bound.flow_id, 0, 1, &[]).await;
        let first = client.delivery().await;
        client.flow_ack(bound.flow_id, id(&first), 0, &[]).await;
        client.nothing_else().await;
        client.flow_ack(bound.flow_id, id(&first), 255, &[]).await;
        assert_eq!(number(&client.delivery().await), 2);
    });
}

#[test]
fn a_flow_holds_no_more_unacknowledged_messages_than_it_may() {
    in_tree(async {
        let settings = ListenerSettings { max_unacked: 4, ..ListenerSettings::default() };
        let bench = Bench::with(settings, &Place::here());
        bench.publish("q/a", 1..=10).await;
        let mut client = Client::login(bench.address, "reader").await;
        let bound = client.bind("q", 255).await.unwrap();
        let got = client.deliveries(4).await;
        client.flow_ack(bound.flow_id, id(&got[3]), 255, &[]).await;
        client.nothing_else().await;
        client.flow_ack(bound.flow_id, id(&got[3]), 255, &[(id(&got[1]), id(&got[2]), Outcome::Accepted)]).await;
        assert_eq!(numbers(&client.deliveries(2).await), [5, 6]);
        client.nothing_else().await;
    });
}

#[test]
fn exactly_the_messages_of_a_range_are_settled_and_ids_of_others_mean_nothing() {
    in_tree(async {
        let bench = Bench::new();
        bench.publish("q/a", 1..=5).await;
        let mut client = Client::login(bench.address, "reader").await;
        let bound = client.bind("q", 255).await.unwrap();
        let got = client.deliveries(5).await;
        let settled = [
            (id(&got[1]), id(&got[1]), Outcome::Accepted),
            (id(&got[3]), id(&got[3]), Outcome::Accepted),
            (1, 9, Outcome::Accepted),
            (id(&got[4]) + 1, u64::MAX, Outcome::Accepted),
        ];
        client.flow_ack(bound.flow_id, id(&got[4]), 255, &settled).await;
        client.flow_ack(bound.flow_id + 1, 0, 255, &[(0, u64::MAX, Outcome::Accepted)]).await;
        bench.deep("q", 3).await;

        drop(client);
        let mut client = Client::login(bench.address, "reader").await;
        client.bind("q", 255).await.unwrap();
        let again = client.deliveries(3).await;
        assert_eq!(numbers(&again), [1, 3, 5]);
        assert!(again.iter().all(|delivery| delivery.guaranteed.unwrap().redelivered));
    });
}

#[test]
fn a_failed_message_comes_again_under_another_id_and_a_rejected_one_is_put_aside() {
    in_tree(async {
        let bench = Bench::new();
        bench.publish("q/a", 1..=3).await;
        let mut client = Client::login(bench.address, "reader").await;
        let settling = Bind {
            queue: Some("q".to_owned()),
            window: Some(255),
            flow_type: Some(FlowType::Settling),
            ..Bind::default()
        };
        let bound = client.try_bind(settling).await.unwrap();
        let got = client.deliveries(3).await;

        let settled = [
            (id(&got[0]), id(&got[0]), Outcome::Failed),
            (id(&got[1]), id(&got[1]), Outcome::Rejected),
            (id(&got[2]), id(&got[2]), Outcome::Accepted),
        ];
        client.flow_ack(bound.flow_id, id(&got[2]), 255, &settled).await;

        let again = client.delivery().await;
        assert_eq!((number(&again), again.guaranteed.unwrap().redelivered), (1, true));
        linked(std::slice::from_ref(&again), id(&got[2]));
        bench.deep("q.dmq", 1).await;
        bench.deep("q", 1).await;
    });
}

#[test]
fn ids_ascend_on_every_flow_over_rebinds_and_a_clock_that_went_back() {
    in_tree(async {
        let bench = Bench::new();
        bench.publish("q/a", 1..=3).await;
        let mut last = 0;
        for _ in 0..3 {
            let mut client = Client::login(bench.address, "reader").await;
            let rebind =
                Bind { queue: Some("q".to_owned()), window: Some(255), last_received: Some(last), ..Bind::default() };
            client.try_bind(rebind).await.unwrap();
            let got = client.deliveries(3).await;
            assert!(id(&got[0]) > last, "{} after {last}", id(&got[0]));
            linked(&got, 0);
            // As if an earlier process had given ids from a clock that was two days ahead.
            last = id(&got[2]) + 172_800_000_000;
        }
    });
}

#[test]
fn no_client_pushes_ids_to_where_others_would_take_new_messages_for_old_ones() {
    in_tree(async {
        let (process, next_process) = (Bench::new(), Bench::new());
        let claim = |seen| Bind { queue: Some("q".to_owned()), last_received: Some(seen), ..Bind::default() };
        let mut vandal = Client::login(process.address, "vandal").await;
        for seen in [(1 << 53) - 1, u64::MAX] {
            // Whatever it is told: what counts is what becomes of others.
            let _ = vandal.try_bind(claim(seen)).await;
        }
        drop(vandal);
        let mut reader = Client::login(process.address, "reader").await;
        reader.bind("q", 255).await.unwrap();
        process.publish("q/a", 1..=1).await;
        let seen = id(&reader.delivery().await);

        let mut reader = Client::login(next_process.address, "reader").await;
        reader.try_bind(claim(seen)).await.unwrap();
        next_process.publish("q/a", 2..=2).await;

        let got = id(&reader.delivery().await);
        assert!(got > seen, "{got} after {seen}: a client drops it and acknowledges it unseen");
    });
}

#[test]
fn who_claims_to_have_seen_what_was_never_given_is_refused_rather_than_sent_what_it_would_drop() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "client").await;
        let claim = Bind { queue: Some("q".to_owned()), last_received: Some(u64::MAX), ..Bind::default() };
        assert_eq!(client.try_bind(claim).await, Err(Response::SERVICE_UNAVAILABLE));
        assert_eq!(bench.stats("q").consumers, 0);
    });
}

#[test]
fn whoever_settles_a_message_has_received_it() {
    in_tree(async {
        let bench = Bench::new();
        bench.publish("q/a", 1..=5).await;
        let mut client = Client::login(bench.address, "client").await;
        let flow_id = client.bind("q", 3).await.unwrap().flow_id;
        let first = client.deliveries(3).await;

        let settled = Settlement { first: id(&first[0]), last: id(&first[1]), outcome: Outcome::Accepted };
        client
            .send(RequestBody::FlowAck(FlowAck { flow_id, received: None, window: None, settled: vec![settled] }))
            .await;

        // The third is still under way, so there is room for two.
        assert_eq!(numbers(&client.deliveries(2).await), [4, 5]);
        client.nothing_else().await;
    });
}

#[test]
fn a_second_consumer_stands_by_and_takes_over_when_the_first_has_gone() {
    in_tree(async {
        let bench = Bench::new();
        let mut first = Client::login(bench.address, "first").await;
        assert_eq!(first.bind("q", 255).await.unwrap().active, Some(true));
        let mut second = Client::login(bench.address, "second").await;
        let standby = second.bind("q", 255).await.unwrap();
        assert_eq!(standby.active, Some(false));
        bench.publish("q/a", 1..=3).await;
        assert_eq!(numbers(&first.deliveries(3).await), [1, 2, 3]);
        second.nothing_else().await;

        drop(first);

        let Some(Reply::FlowChange(change)) = second.reply().await else { panic!("not a change of activity") };
        assert!(change.active && change.flow_id == standby.flow_id);
        second.send(RequestBody::FlowChangeSeen(change)).await;
        let got = second.deliveries(3).await;
        assert_eq!(numbers(&got), [1, 2, 3]);
        assert!(got.iter().all(|delivery| delivery.guaranteed.unwrap().redelivered));
    });
}

#[test]
fn a_queue_that_is_shut_unbinds_whoever_consumes_or_stands_by_and_lets_nobody_in_until_it_is_open() {
    in_tree(async {
        let bench = Bench::new();
        bench.publish("q/a", 1..=1).await;
        let mut active = Client::login(bench.address, "active").await;
        let mut standby = Client::login(bench.address, "standby").await;
        let (first, second) = (active.bind("q", 10).await.unwrap(), standby.bind("q", 10).await.unwrap());
        active.delivery().await;

        bench.broker.shut("q", Side::Outgoing).unwrap();

        for (client, flow_id) in [(&mut active, first.flow_id), (&mut standby, second.flow_id)] {
            let word = client.answer().await;
            assert_eq!((word.response, word.body), (Response::QUEUE_SHUTDOWN, AnswerBody::Unbind { flow_id }));
            assert_eq!(client.bind("q", 10).await.unwrap_err(), Response::QUEUE_SHUTDOWN);
            assert!(client.bind("other", 10).await.is_ok());
        }
        bench.broker.reopen("q", Side::Outgoing).unwrap();
        standby.bind("q", 10).await.unwrap();
        assert_eq!(number(&standby.delivery().await), 1);
    });
}

#[test]
fn a_consumer_that_unbinds_is_told_and_the_next_one_gets_what_it_had() {
    in_tree(async {
        let bench = Bench::new();
        bench.publish("q/a", 1..=2).await;
        let mut client = Client::login(bench.address, "reader").await;
        let flow_id = client.bind("q", 255).await.unwrap().flow_id;
        let got = client.deliveries(2).await;
        client.flow_ack(flow_id, id(&got[1]), 255, &[(id(&got[0]), id(&got[0]), Outcome::Accepted)]).await;
        client.send(RequestBody::Unbind { flow_id }).await;
        let answer = client.answer().await;
        assert_eq!((answer.response, answer.body), (Response::OK, AnswerBody::Unbind { flow_id }));
        assert_eq!(bench.stats("q").consumers, 0);

        client.bind("q", 255).await.unwrap();
        assert_eq!(number(&client.delivery().await), 2);
    });
}

#[test]
fn who_asks_for_a_queue_that_is_not_there_or_not_theirs_is_told_which() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::connect(bench.address, "some").await;
        client.ask_login(login("some", "some", "secret")).await;
        assert_eq!(client.bind("none", 255).await.unwrap_err(), Response::UNKNOWN_QUEUE);
        assert_eq!(client.bind("q", 255).await.unwrap_err(), Response::PERMISSION_NOT_ALLOWED);
        assert!(client.bind("other", 255).await.is_ok());
        for unknown in [
            Bind { selector: Some("price > 5".to_owned()), ..Bind::default() },
            Bind { flow_type: Some(FlowType::Browser), ..Bind::default() },
            Bind { durable: Some(false), ..Bind::default() },
            Bind { no_local: true, ..Bind::default() },
        ] {
            let unknown = Bind { queue: Some("other".to_owned()), ..unknown };
            assert_eq!(client.try_bind(unknown).await.unwrap_err(), Response::SERVICE_UNAVAILABLE);
        }
        assert_eq!(client.try_bind(Bind::default()).await.unwrap_err(), Response::SERVICE_UNAVAILABLE);
    });
}

#[test]
fn a_connection_has_so_many_flows_and_no_more() {
    in_tree(async {
        let settings = ListenerSettings { max_flows: 2, ..ListenerSettings::default() };
        let bench = Bench::with(settings, &Place::here());
        let mut client = Client::login(bench.address, "till").await;
        client.open_publisher(10).await;
        client.bind("q", 1).await.unwrap();
        assert_eq!(client.bind("other", 1).await.unwrap_err(), Response::TOO_MANY_CLIENTS_ON_QUEUE);
        assert_eq!(client.try_open("", 0, 0, 1).await.unwrap_err(), Response::SERVICE_UNAVAILABLE);
    });
}

#[test]
fn what_a_client_sent_is_what_another_gets() {
    in_tree(async {
        let bench = Bench::new();
        let sent = Content {
            name_at: Some(NameAt { kind: NameKind::Topic, offset: 0, length: 3 }),
            flags: MessageFlags { dmq_eligible: true, eliding_eligible: true, ..MessageFlags::default() },
            class_of_service: 2,
            priority: Some(9),
            user_data: Some(Bytes::from_static(b"user data")),
            content_summary: Some(Bytes::from_static(b"\x22\x05\x42\x03")),
            time_to_live_ms: Some(5_000),
            ..content("q/a", "helloxyz")
        };
        let mut client = Client::login(bench.address, "both").await;
        let publisher = client.open_publisher(10).await;
        let mut request = publisher.numbered(1, "q/a", "", false);
        if let RequestBody::Publish(Published { content, .. }) = &mut request.body {
            *content = sent.clone();
        }
        client.send_all([request]).await;
        client.acknowledged(1).await;
        client.bind("q", 10).await.unwrap();
        assert_eq!(client.delivery().await.content, sent);
    });
}

#[test]
fn a_client_that_does_not_read_holds_messages_back_and_not_memory() {
    in_tree(async {
        let settings = ListenerSettings { max_outgoing_bytes: 64 << 10, ..ListenerSettings::default() };
        let bench = Bench::with(settings, &Place::here());
        let large = Bytes::from(vec![b'x'; 32 << 10]);
        for _ in 0..1_000 {
            bench.broker.publish(OutboundMessage { payload: large.clone(), ..message("q/a", 0) }).await.unwrap();
        }
        let mut client = Client::login(bench.address, "slow").await;
        let bound = client.bind("q", 70_000).await.unwrap();
        let mut before = 0;
        until("deliveries stop where nobody reads", || {
            let now = bench.stats("q").unacknowledged;
            std::mem::replace(&mut before, now) == now && now > 0
        })
        .await;
        assert!(before < 900, "{before} of 1000 messages were taken for a client that does not read");

        let got = client.deliveries(1_000).await;
        client.flow_ack(bound.flow_id, id(&got[999]), 255, &[(0, id(&got[999]), Outcome::Accepted)]).await;
        bench.deep("q", 0).await;
    });
}

#[test]
fn a_connection_that_is_cut_in_the_middle_of_deliveries_loses_nothing() {
    in_tree(async {
        let bench = Bench::new();
        bench.publish("q/a", 1..=500).await;
        let mut seen = std::collections::BTreeSet::new();
        for round in 0.. {
            let mut client = Client::login(bench.address, &format!("reader {round}")).await;
            let bound = client.bind("q", 255).await.unwrap();
            let mut previous = 0;
            for _ in 0..100_u64.min(bench.depth("q")) {
                let got = client.delivery().await;
                linked(std::slice::from_ref(&got), previous);
                previous = id(&got);
                // Every third is left for the next connection.
                if number(&got) % 3 != round % 3 {
                    client.flow_ack(bound.flow_id, previous, 255, &[(previous, previous, Outcome::Accepted)]).await;
                    seen.insert(number(&got));
                }
            }
            client.served().await;
            if bench.depth("q") == 0 {
                break;
            }
        }
        assert_eq!(seen.len(), 500);
    });
}
