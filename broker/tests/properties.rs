//! What a publisher says about its payload comes back unread wherever the payload does, and costs what it takes.
//! The model mixes properties into everything else that happens; here is what it cannot see.

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use common::sim_disk::SimDisk;
use common::*;
use tillstream_broker::{
    Broker, BrokerSettings, Delivery, OutboundMessage, PublishError, QueueSpec, SystemClock, TraceNote, WhenFull,
};

fn open(disk: &SimDisk, settings: BrokerSettings, queues: Vec<QueueSpec>) -> Broker {
    Broker::open_on(Arc::new(disk.clone()), Arc::new(SystemClock), settings, queues).expect("opens")
}

fn with_properties(number: u64, properties: impl Into<Bytes>) -> OutboundMessage {
    OutboundMessage { properties: properties.into(), ..message("t", number) }
}

fn properties(deliveries: &[Delivery]) -> Vec<&[u8]> {
    deliveries.iter().map(|one| one.properties.as_ref()).collect()
}

#[tokio::test]
async fn properties_come_again_with_their_message_after_a_refusal_and_after_a_restart() {
    let disk = SimDisk::default();
    let broker = open(&disk, settings(), vec![queue("q", &["t"])]);
    let all = [with_properties(1, "one"), message("t", 2), with_properties(3, vec![0; 300])];
    for message in all {
        broker.publish(message).await.unwrap();
    }
    let expected: [&[u8]; 3] = [b"one", b"", &[0; 300]];
    let mut flow = broker.bind("q", 10).unwrap();
    assert_eq!(properties(&within("deliveries", take(&mut flow, 3)).await), expected);

    drop(flow);
    let mut flow = broker.bind("q", 10).unwrap();
    let again = within("redeliveries", take(&mut flow, 3)).await;
    assert_eq!((numbers(&again), properties(&again)), (vec![1, 2, 3], expected.to_vec()));
    drop(flow);
    within("closing", broker.close()).await;

    let broker = open(&disk, settings(), vec![queue("q", &["t"])]);
    let mut flow = broker.bind("q", 10).unwrap();
    let recovered = within("recovered messages", take(&mut flow, 3)).await;
    assert_eq!((numbers(&recovered), properties(&recovered)), (vec![1, 2, 3], expected.to_vec()));
}

#[tokio::test]
async fn a_note_of_a_trace_is_read_after_a_restart_and_a_message_without_one_takes_not_a_byte_more() {
    let disk = SimDisk::default();
    let broker = open(&disk, settings(), vec![queue("q", &["t"]), queue("r", &["u"])]);
    let note = TraceNote { trace: 7 << 100, span: 8, flags: 1, state: "a=1" };
    let mut behind = BytesMut::new();
    note.put(&mut behind);
    behind.extend_from_slice(b"\x01what a client said");
    for properties in [note.alone(), behind.freeze(), Bytes::new(), Bytes::from_static(b"\x01as ever")] {
        broker.publish(with_properties(1, properties)).await.unwrap();
    }
    let one = OutboundMessage { topic: "u".to_owned(), ..message("t", 1) };
    let (stored, id) = (one.payload.len() + one.topic.len(), size_of_val(&one.message_id));
    broker.publish(one).await.unwrap();
    assert_eq!(stats_of(&broker, "r").bytes, (stored + id) as u64);
    within("closing", broker.close()).await;

    let broker = open(&disk, settings(), vec![queue("q", &["t"]), queue("r", &["u"])]);
    let mut flow = broker.bind("q", 10).unwrap();
    let got = within("recovered messages", take(&mut flow, 4)).await;

    let read: Vec<_> = got.iter().map(|one| TraceNote::split(&one.properties)).collect();
    let expected =
        [(Some(note), &b""[..]), (Some(note), b"\x01what a client said"), (None, b""), (None, b"\x01as ever")];
    assert_eq!(read, expected);
}

#[tokio::test]
async fn properties_follow_their_message_into_the_dead_message_queue() {
    let limited = QueueSpec { dead_message_queue: Some("q.dmq".to_owned()), ..queue("q", &["t"]) };
    let broker = open(&SimDisk::default(), settings(), vec![limited]);
    broker.publish(with_properties(1, "what it is")).await.unwrap();
    let mut flow = broker.bind("q", 10).unwrap();
    let got = within("a delivery", take(&mut flow, 1)).await;

    flow.discard(&ids(&got));

    let mut dead = broker.bind("q.dmq", 10).unwrap();
    let buried = within("the dead", take(&mut dead, 1)).await;
    assert_eq!((numbers(&buried), properties(&buried)), (vec![1], vec![&b"what it is"[..]]));
    assert_eq!(&*buried[0].topic, "t", "where it was published");
}

#[tokio::test]
async fn properties_larger_than_a_chunk_come_back_whole_also_from_the_disk() {
    let forgetful = BrokerSettings { cache_bytes: 0, ..settings() };
    let broker = open(&SimDisk::default(), forgetful, vec![queue("q", &["t"])]);
    let large: Vec<u8> = (0..200_000_u32).map(|index| (index % 251) as u8).collect();
    broker.publish(with_properties(1, large.clone())).await.unwrap();
    broker.publish(OutboundMessage { payload: Bytes::new(), ..with_properties(2, "alone") }).await.unwrap();

    let mut flow = broker.bind("q", 10).unwrap();
    let got = within("deliveries", take(&mut flow, 2)).await;

    assert!(got[0].properties == large, "{} bytes came back", got[0].properties.len());
    assert_eq!((got[1].properties.as_ref(), got[1].payload.len()), (&b"alone"[..], 0));
}

#[tokio::test]
async fn a_quota_counts_properties() {
    let small = QueueSpec { quota_bytes: 1_000, ..queue("small", &["t"]) };
    let broker = open(&SimDisk::default(), settings(), vec![small]);

    let refused = broker.publish(with_properties(1, vec![b'x'; 1_000])).await;

    assert!(matches!(refused, Err(PublishError::Refused { .. })), "{refused:?}");
    broker.publish(with_properties(2, vec![b'x'; 500])).await.unwrap();
    let bytes = stats_of(&broker, "small").bytes;
    assert!((540..600).contains(&bytes), "{bytes} bytes are stored for a payload of 40 and properties of 500");
    let loose = QueueSpec { quota_bytes: 100, when_full: WhenFull::DiscardNewest, ..queue("loose", &["t"]) };
    let broker = open(&SimDisk::default(), settings(), vec![loose, queue("roomy", &["t"])]);
    broker.publish(with_properties(3, vec![b'x'; 100])).await.unwrap();
    assert_eq!((stats_of(&broker, "loose").discarded, depth_of(&broker, "roomy")), (1, 1));
}

#[tokio::test]
async fn the_limit_of_a_message_is_for_payload_and_properties_together() {
    let narrow = BrokerSettings { max_message_bytes: 100, ..settings() };
    let broker = open(&SimDisk::default(), narrow, vec![queue("q", &["t"])]);

    assert_eq!(broker.publish(with_properties(1, vec![0; 61])).await, Err(PublishError::TooLarge));
    assert_eq!(broker.publish(with_properties(1, vec![0; 60])).await, Ok(()));
}

#[tokio::test]
async fn properties_that_wait_for_their_commit_are_counted_among_the_bytes_that_may() {
    let narrow = BrokerSettings { max_waiting_bytes: 1_000, ..settings() };
    let broker = open(&SimDisk::default(), narrow, vec![queue("q", &["t"])]);
    broker.stall(Duration::from_secs(3600));
    let waits = broker.publish(with_properties(1, vec![0; 900]));

    let refused = within("a refusal", broker.publish(with_properties(2, vec![0; 100]))).await;

    assert_eq!(refused, Err(PublishError::Overloaded));
    let closed = broker.close();
    assert_eq!(within("an answer", waits).await, Ok(()));
    within("closing", closed).await;
}
