//! Direct messages between connections.
//! Nothing here is guaranteed, and the tests say what that means for whoever does not read.

use tillstream_listener::ListenerSettings;
use tillstream_smf::{Action, RequestBody, Response, Update};
use tillstream_supervision::Place;

use crate::bench::Bench;
use crate::client::{Client, direct, login};
use crate::in_tree;

#[test]
fn a_direct_message_reaches_everybody_who_subscribed_once_and_nobody_else() {
    in_tree(async {
        let bench = Bench::new();
        let mut sender = Client::login(bench.address, "sender").await;
        let mut reader = Client::login(bench.address, "reader").await;
        let mut other = Client::login(bench.address, "other").await;
        for topic in ["news/*", "news/a", "news/>"] {
            assert_eq!(reader.subscribe(topic).await, Response::OK);
        }
        assert_eq!(other.subscribe("olds/>").await, Response::OK);

        sender.send(direct("news/a", "hello")).await;

        let got = reader.delivery().await;
        assert_eq!((&*got.content.topic, &got.content.payload[..], got.guaranteed), ("news/a", &b"hello"[..], None));
        reader.nothing_else().await;
        other.nothing_else().await;
    });
}

#[test]
fn an_inbox_is_its_clients_own_however_others_subscribe() {
    in_tree(async {
        let bench = Bench::new();
        let mut owner = Client::login(bench.address, "owner").await;
        let mut thief = Client::login(bench.address, "thief").await;
        let inbox = "#P2P/v:tillstream/00000001/owner";
        assert_eq!(owner.subscribe(&format!("{inbox}/>")).await, Response::OK);
        for topic in [format!("{inbox}/>"), "#P2P/>".to_owned(), ">".to_owned(), "*/*/*/*/*".to_owned()] {
            assert_eq!(thief.subscribe(&topic).await, Response::OK);
        }

        let mut sender = Client::login(bench.address, "sender").await;
        sender.send(direct(&format!("{inbox}/answer"), "private")).await;

        assert_eq!(&owner.delivery().await.content.payload[..], b"private");
        thief.nothing_else().await;
    });
}

#[test]
fn a_client_that_calls_itself_by_a_wildcard_reads_nobody_elses_inbox() {
    in_tree(async {
        let bench = Bench::new();
        let rename = |name: &str| RequestBody::Update(Update { client_name: Some(name.to_owned()), description: None });
        let mut owner = Client::login(bench.address, "owner").await;
        owner.send(rename("till")).await;
        assert_eq!(owner.answer().await.response, Response::OK);
        assert_eq!(owner.subscribe("#P2P/tillstream/till/>").await, Response::OK);
        let mut thief = Client::login(bench.address, "thief").await;
        for name in ["*", ">", "t*"] {
            thief.send(rename(name)).await;
            assert_eq!(thief.answer().await.response, Response::FORBIDDEN, "{name}");
            assert_eq!(thief.subscribe(&format!("#P2P/tillstream/{name}/>")).await, Response::OK);
        }

        let mut sender = Client::login(bench.address, "sender").await;
        sender.send(direct("#P2P/tillstream/till/answer", "private")).await;

        assert_eq!(&owner.delivery().await.content.payload[..], b"private");
        thief.nothing_else().await;
    });
}

/// Else one message costs the time of all other connections, and a thousand subscriptions cost gigabytes.
#[test]
fn topics_that_are_longer_than_topics_can_be_are_neither_kept_nor_passed_on() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "client").await;
        let inbox = format!("#P2P/v:tillstream/00000001/client{}", "/x".repeat(10_000));
        for topic in [">", &inbox] {
            assert_eq!(client.subscribe(topic).await, Response::OK);
        }
        let mut sender = Client::login(bench.address, "sender").await;
        for topic in ["a".repeat(251), "a/".repeat(10_000) + "a", inbox] {
            sender.send(direct(&topic, "endless")).await;
        }
        sender.send(direct(&"a".repeat(250), "fine")).await;

        assert_eq!(&client.delivery().await.content.payload[..], b"fine");
        client.nothing_else().await;
    });
}

#[test]
fn who_may_not_subscribe_or_publish_is_told_or_dropped() {
    in_tree(async {
        let bench = Bench::new();
        let mut reader = Client::login(bench.address, "reader").await;
        assert_eq!(reader.subscribe("news/>").await, Response::OK);
        let mut some = Client::connect(bench.address, "some").await;
        some.ask_login(login("some", "some", "secret")).await;

        assert_eq!(some.subscribe("news/sport").await, Response::OK);
        assert_eq!(some.subscribe("secret/>").await, Response::SUBSCRIPTION_ACL_DENIED);
        assert_eq!(some.subscribe(">").await, Response::SUBSCRIPTION_ACL_DENIED);
        assert_eq!(some.subscribe("news//x").await, Response::SUBSCRIPTION_PARSE_ERROR);
        assert_eq!(some.subscribe("news/sport").await, Response::SUBSCRIPTION_ALREADY_EXISTS);
        some.send(direct("news/sport", "not allowed")).await;
        some.nothing_else().await;
        reader.nothing_else().await;
    });
}

#[test]
fn subscriptions_end_when_they_are_removed_and_are_limited_in_number() {
    in_tree(async {
        let settings = ListenerSettings { max_subscriptions: 2, ..ListenerSettings::default() };
        let bench = Bench::with(settings, &Place::here());
        let mut client = Client::login(bench.address, "till").await;
        assert_eq!(client.subscribe("a").await, Response::OK);
        assert_eq!(client.subscribe("b").await, Response::OK);
        assert_eq!(client.subscribe("c").await, Response::TOO_MANY_SUBSCRIPTIONS);
        assert_eq!(client.subscription(Action::Remove, "a").await, Response::OK);
        assert_eq!(client.subscribe("c").await, Response::OK);
        client.send(direct("a", "too late")).await;
        client.send(direct("c", "in time")).await;
        assert_eq!(&client.delivery().await.content.payload[..], b"in time");
    });
}

#[test]
fn who_does_not_read_misses_direct_messages_and_learns_that_there_were_more() {
    in_tree(async {
        let settings = ListenerSettings { max_outgoing_bytes: 64 << 10, ..ListenerSettings::default() };
        let bench = Bench::with(settings, &Place::here());
        let mut slow = Client::login(bench.address, "slow").await;
        assert_eq!(slow.subscribe("news/>").await, Response::OK);
        let mut sender = Client::login(bench.address, "sender").await;

        // Far more than the buffers of both sides' systems hold.
        for _ in 0..1_000 {
            sender.send(direct("news/a", vec![b'x'; 32 << 10])).await;
        }
        sender.nothing_else().await;

        let mut got = 0;
        loop {
            let message = slow.delivery().await;
            got += 1;
            assert!(got < 1_000, "everything was kept for a client that does not read");
            if message.content.flags.discard_indication {
                break;
            }
            // The next message after the gap finds room as soon as some is read.
            sender.send(direct("news/a", "after the gap")).await;
        }
    });
}
