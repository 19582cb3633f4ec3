//! Messages that are sent to a queue by its name, and how anybody learns which queues there are.

mod common;

use std::sync::Arc;

use common::sim_disk::SimDisk;
use common::*;
use tillstream_broker::{Broker, BrokerSettings, OutboundMessage, PublishError, QueueSpec, SystemClock, WhenFull};

fn open(disk: &SimDisk, queues: Vec<QueueSpec>) -> Broker {
    let settings = BrokerSettings { max_message_bytes: 1_000, ..settings() };
    Broker::open_on(Arc::new(disk.clone()), Arc::new(SystemClock), settings, queues).expect("opens")
}

fn open_new(queues: Vec<QueueSpec>) -> Broker {
    open(&SimDisk::default(), queues)
}

/// A queue with a dead-message queue that no spec describes.
fn with_grave(name: &str) -> QueueSpec {
    QueueSpec { dead_message_queue: Some(format!("{name}.dmq")), ..queue(name, &[]) }
}

#[tokio::test]
async fn a_message_for_a_queue_reaches_that_one_alone_and_keeps_its_place_among_the_others() {
    let broker = open_new(vec![queue("a", &["t"]), queue("b", &["t", "u"])]);
    let publishes =
        [broker.publish(message("t", 1)), broker.publish_to("a", message("u", 2)), broker.publish(message("t", 3))];
    for publish in publishes {
        publish.await.unwrap();
    }

    let mut flow = broker.bind("a", 10).unwrap();

    let got = within("deliveries", take(&mut flow, 3)).await;
    assert_eq!(numbers(&got), [1, 2, 3]);
    assert_eq!(&*got[1].topic, "u", "the topic is carried");
    assert_eq!(depth_of(&broker, "b"), 2, "its subscription does not matter");
}

#[tokio::test]
async fn a_message_for_a_queue_is_stored_before_its_publisher_hears_so() {
    let disk = SimDisk::default();
    let broker = open(&disk, vec![queue("q", &[])]);
    let before = disk.syncs();

    broker.publish_to("q", message("t", 1)).await.unwrap();

    assert!(disk.syncs() > before);
    let found = open(&disk.after_power_loss(&mut fastrand::Rng::with_seed(1)), vec![queue("q", &[])]);
    assert_eq!(depth_of(&found, "q"), 1);
}

#[tokio::test]
async fn a_message_for_a_queue_that_is_not_there_is_refused_even_if_somebody_subscribes_to_its_topic() {
    let broker = open_new(vec![queue("q", &[">"])]);

    let refused = broker.publish_to("absent", message("t", 1)).await;

    assert_eq!(refused, Err(PublishError::NoSubscriber("t".to_owned())));
    assert_eq!(depth_of(&broker, "q"), 0);
}

#[tokio::test]
async fn limits_hold_for_messages_that_are_sent_to_a_queue() {
    let strict = QueueSpec { quota_bytes: 60, ..queue("strict", &[]) };
    let loose = QueueSpec { quota_bytes: 0, when_full: WhenFull::DiscardNewest, ..queue("loose", &[]) };
    let broker = open_new(vec![strict, loose]);

    assert_eq!(broker.publish_to("strict", message("t", 1)).await, Ok(()));
    assert!(matches!(broker.publish_to("strict", message("t", 2)).await, Err(PublishError::Refused { .. })));
    assert_eq!(broker.publish_to("loose", message("t", 3)).await, Ok(()));
    assert_eq!(stats_of(&broker, "loose").discarded, 1);
    assert_eq!(broker.publish_to("loose", message_of("t", 4, 1_001)).await, Err(PublishError::TooLarge));
    let nowhere = OutboundMessage { topic: "t/*".to_owned(), ..message("t", 5) };
    assert!(matches!(broker.publish_to("loose", nowhere).await, Err(PublishError::InvalidTopic(_))));
}

#[tokio::test]
async fn a_queue_that_no_spec_names_any_more_takes_nothing_and_is_gone_when_it_is_empty() {
    let disk = SimDisk::default();
    let broker = open(&disk, vec![queue("old", &["t"])]);
    publish_all(&broker, "t", [1]).await;
    within("closing", broker.close()).await;
    drop(broker);

    let broker = open(&disk, vec![queue("new", &["t"])]);

    assert!(matches!(broker.publish_to("old", message("t", 2)).await, Err(PublishError::NoSubscriber(_))));
    assert!(broker.has_queue("old"), "it still has a message");
    let mut flow = broker.line_up("old", 1).await.unwrap();
    let got = within("its last message", take(&mut flow, 1)).await;
    flow.acknowledge(&ids(&got));
    assert!(!broker.has_queue("old"));
}

#[tokio::test]
async fn a_broker_knows_its_queues_also_those_of_the_dead_and_also_while_they_are_bound() {
    let broker = open_new(vec![with_grave("q")]);
    let _flow = broker.bind("q", 1).unwrap();

    assert!(broker.has_queue("q") && broker.has_queue("q.dmq"));
    assert!(!broker.has_queue("q.dm") && !broker.has_queue(""));
    assert_eq!(broker.publish_to("q.dmq", message("t", 1)).await, Ok(()));
    assert_eq!(depth_of(&broker, "q.dmq"), 1);
}
