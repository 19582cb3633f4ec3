//! Frames that no client should send, put to a connection without a socket, on the stable compiler.
//! What must hold is the fuzz crate's.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[path = "../../../fuzz/src/listener.rs"]
mod judgements;

use std::path::Path;
use std::sync::Mutex;

use bytes::BytesMut;
use judgements::Stage;
use proptest::prelude::*;
use tillstream_smf::{
    Action, Bind, Content, FlowAck, FlowType, KeepAlive, OpenPubFlow, Outcome, PublishIds, Published, Request,
    RequestBody, Settlement, Subscription, SubscriptionFlags, Update,
};

/// The first is taken by a queue, as is the one that names the queue.
const TOPICS: [&str; 8] = ["q1/a", "q1/a", "nobody/a", "#P2P/QUE/q1", "#P2P/QUE/none", "a//b", ">", ""];

/// The inputs of one of the fuzz targets.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| bytes_of(line.split_once(' ').unwrap().1)).collect()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn frame(body: RequestBody) -> Vec<u8> {
    let mut out = BytesMut::new();
    Request { correlation: None, body }.encode(&mut out).unwrap();
    out.to_vec()
}

/// Small numbers, so that they meet, and the ends of all numbers.
fn id() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0_u64..12, 1 => Just(u64::MAX), 1 => any::<u64>()]
}

fn topic() -> impl Strategy<Value = String> {
    prop::sample::select(&TOPICS[..]).prop_map(str::to_owned)
}

fn publish() -> impl Strategy<Value = RequestBody> {
    let ids = (
        prop::option::of((1_u32..6, id(), 0_u64..3, any::<bool>())),
        topic(),
        prop::collection::vec(any::<u8>(), 0..40),
    );
    ids.prop_map(|(ids, topic, payload)| {
        let guaranteed = ids.map(|(flow_id, message_id, back, redelivered)| PublishIds {
            flow_id,
            publisher_id: None,
            message_id,
            previous_id: message_id.wrapping_sub(back),
            redelivered,
            ack_immediately: false,
        });
        let content = Content { topic: topic.into(), payload: payload.into(), ..Content::default() };
        RequestBody::Publish(Published { content, guaranteed })
    })
}

/// The next message as a client numbers it: the point is what it is answered.
fn in_turn() -> impl Strategy<Value = Vec<u8>> {
    (prop::collection::vec(topic(), 1..8), 0_u64..4).prop_map(|(topics, start)| {
        let numbered = topics.into_iter().zip(start + 1..).map(|(topic, message_id)| {
            let ids = PublishIds {
                flow_id: 2,
                publisher_id: Some(1),
                message_id,
                previous_id: message_id - 1,
                redelivered: false,
                ack_immediately: false,
            };
            let content = Content { topic: topic.into(), ..Content::default() };
            frame(RequestBody::Publish(Published { content, guaranteed: Some(ids) }))
        });
        numbered.collect::<Vec<_>>().concat()
    })
}

fn settlement() -> impl Strategy<Value = Settlement> {
    let outcome = prop::sample::select(&[Outcome::Accepted, Outcome::Failed, Outcome::Rejected][..]);
    (id(), id(), outcome, any::<bool>()).prop_map(|(one, other, outcome, all)| Settlement {
        first: if all { 0 } else { one.min(other) },
        last: if all { u64::MAX } else { one.max(other) },
        outcome,
    })
}

fn flow_ack() -> impl Strategy<Value = RequestBody> {
    let parts =
        (1_u32..7, prop::option::of(id()), prop::option::of(any::<u32>()), prop::collection::vec(settlement(), 0..3));
    parts.prop_map(|(flow_id, received, window, settled)| {
        RequestBody::FlowAck(FlowAck { flow_id, received, window, settled })
    })
}

fn bind() -> impl Strategy<Value = RequestBody> {
    let queue = prop::option::of(prop::sample::select(&["q1", "other", "none", ""][..]));
    let flow_type =
        prop::sample::select(&[None, Some(FlowType::Consumer), Some(FlowType::Settling), Some(FlowType::Browser)][..]);
    (queue, prop::option::of(any::<u32>()), prop::option::of(id()), flow_type).prop_map(
        |(queue, window, last_received, flow_type)| {
            RequestBody::Bind(Bind {
                queue: queue.map(str::to_owned),
                window,
                last_received,
                flow_type,
                ..Bind::default()
            })
        },
    )
}

fn other() -> impl Strategy<Value = RequestBody> {
    let action = prop_oneof![Just(Action::Add), Just(Action::Remove)];
    let subscription = (action, topic()).prop_map(|(action, topic)| {
        RequestBody::Subscription(Subscription { action, flags: SubscriptionFlags::USUAL, topic })
    });
    let open = (id(), prop::option::of(any::<u32>()), "[a-z/0-9]{0,8}").prop_map(|(last_acked, window, flow_name)| {
        let version = tillstream_smf::AdCtrlVersion::V3;
        RequestBody::OpenPubFlow(OpenPubFlow { version, last_acked, last_sent: last_acked, window, flow_name })
    });
    prop_oneof![
        subscription,
        open,
        (1_u32..7).prop_map(|flow_id| RequestBody::ClosePubFlow { flow_id }),
        (1_u32..7).prop_map(|flow_id| RequestBody::Unbind { flow_id }),
        "[a-z]{0,3}".prop_map(|name| RequestBody::Update(Update { client_name: Some(name), description: None })),
        Just(RequestBody::KeepAlive(KeepAlive::V2)),
    ]
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = corpus("smf_frame.hex");
    prop_oneof![
        4 => in_turn(),
        4 => publish().prop_map(frame),
        4 => flow_ack().prop_map(frame),
        2 => bind().prop_map(frame),
        2 => other().prop_map(frame),
        2 => prop::sample::select(known),
        1 => prop::collection::vec(any::<u8>(), 0..30),
    ]
}

/// A stream, most often of somebody who is logged in, sometimes with a bit that has changed on the way.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let stream = prop::collection::vec(piece(), 0..25).prop_map(|pieces| pieces.concat());
    (prop::bool::weighted(0.95), stream, prop::option::weighted(0.2, any::<(prop::sample::Index, u8)>())).prop_map(
        |(inside, stream, change)| {
            let mut input = vec![u8::from(inside)];
            input.extend(stream);
            if let Some((at, bit)) = change {
                let at = at.index(input.len());
                input[at] ^= 1 << (bit % 8);
            }
            input
        },
    )
}

#[test]
fn the_inputs_that_the_fuzz_target_starts_from_hold() {
    let mut stage = Stage::new();
    let corpus = corpus("smf_listener.hex");
    assert!(!corpus.is_empty(), "the corpus is empty");
    corpus.iter().for_each(|input| stage.judge(input));
}

#[test]
fn no_frames_get_a_false_word_out_of_a_connection_or_harm_it() {
    let stage = Mutex::new(Stage::new());
    proptest!(ProptestConfig { cases: cases(), ..ProptestConfig::default() }, |(input in input())| {
        let judged = std::panic::catch_unwind(|| {
            stage.lock().unwrap_or_else(std::sync::PoisonError::into_inner).judge(&input);
        });
        prop_assert!(judged.is_ok(), "failed for `{}`", input.escape_ascii());
    });
}

/// Cheap, because nothing is written: many more than usual.
fn cases() -> u32 {
    ProptestConfig::default().cases.max(5_000)
}
