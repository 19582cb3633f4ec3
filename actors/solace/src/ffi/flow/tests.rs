//! What the actor does not use yet: failing and rejecting single messages, on a scripted broker.
//! Everything else of a flow is tested through the actor.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use secrecy::SecretString;
use tillstream_messages::{SecretEntry, SecretTree};
use tillstream_smf::Outcome as Settled;

use super::{Flow, FlowEvent, FlowOptions, Outcome};
use crate::access::Access;
use crate::ffi::{Session, SessionEvent, SessionOptions};
use crate::settings::SolaceSettings;

#[allow(dead_code, clippy::unwrap_used, reason = "helpers of tests")]
#[path = "../../../tests/support/server.rs"]
mod server;

use server::{Heard, QUEUE, Server};

const WITHIN: Duration = Duration::from_secs(60);

fn access(server: &Server) -> Access {
    let settings =
        SolaceSettings { host: Some(server.host()), vpn: Some("default".to_owned()), ..SolaceSettings::default() };
    let keys = ["username", "password"].map(|key| (key.to_owned(), SecretString::from(key)));
    let entry = SecretEntry::new(1, chrono::Utc::now(), keys.into());
    Access::of(&settings, &SecretTree { entries: [("creds".to_owned(), entry)].into() }, "creds").unwrap()
}

fn log_in(server: &Server) -> Session {
    let options = SessionOptions {
        client_name: "settles".to_owned(),
        publish_window: 1,
        connect_within: WITHIN,
        keep_alive: Duration::from_secs(1),
    };
    let (told, events) = channel();
    let session = Session::open(&access(server), &options, move |event| drop(told.send(event))).unwrap();
    assert_eq!(events.recv_timeout(WITHIN), Ok(SessionEvent::Up));
    session
}

fn bind(session: &Session, settles: bool) -> (Flow, Receiver<FlowEvent>) {
    let options = FlowOptions { queue: QUEUE.to_owned(), max_unacked: 10, bind_within: WITHIN, settles };
    let (told, events) = channel();
    (Flow::bind(session, &options, move |event| drop(told.send(event))).unwrap(), events)
}

fn next_message(events: &Receiver<FlowEvent>) -> (u64, String, bool) {
    loop {
        match events.recv_timeout(WITHIN).unwrap() {
            FlowEvent::Message(it) => return (it.id, String::from_utf8(it.payload.to_vec()).unwrap(), it.redelivered),
            FlowEvent::Bound | FlowEvent::Active => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The calls block, so the server has threads of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_message_comes_again_and_a_rejected_one_does_not_where_the_broker_offers_it() {
    let server = Server::start().await;
    server.put(0..3, 0);
    let session = log_in(&server);
    let (flow, events) = bind(&session, true);
    let ids: Vec<u64> = (0..3).map(|_| next_message(&events).0).collect();

    flow.settle(ids[0], Outcome::Accepted).unwrap();
    flow.settle(ids[1], Outcome::Rejected).unwrap();
    flow.settle(ids[2], Outcome::Failed).unwrap();

    let (id, payload, redelivered) = next_message(&events);
    assert_eq!((payload.as_str(), redelivered), ("2 ", true));
    flow.settle(id, Outcome::Accepted).unwrap();
    drop((flow, session));
    while !server.left().is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let settled = |number| server.count(|heard| matches!(heard, Heard::Settled(one, _) if *one == number));
    assert_eq!([0, 1, 2].map(settled), [1, 1, 2]);
    assert_eq!(server.count(|heard| *heard == Heard::Settled(1, Settled::Rejected)), 1);
    assert_eq!(server.count(|heard| *heard == Heard::Settled(2, Settled::Failed)), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_without_settlement_refuses_to_reject_and_its_messages_outlive_it() {
    let server = Server::start().await;
    server.rule(|rules| rules.settles = false);
    server.put(0..1, 20_000);
    let session = log_in(&server);
    let (flow, events) = bind(&session, true);
    let FlowEvent::Message(message) = events.iter().find(|event| matches!(event, FlowEvent::Message(_))).unwrap()
    else {
        unreachable!("it was looked for")
    };

    assert!(flow.settle(message.id, Outcome::Rejected).is_err());
    let share = message.payload.slice(2..);
    drop((flow, session, message));

    assert!(share.len() == 20_000 && share.iter().all(|byte| *byte == b'x'));
}
