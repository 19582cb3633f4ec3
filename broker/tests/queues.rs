//! What publishers and consumers may rely on while everything works.
//! Crashes and failing disks have files of their own.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::sim_disk::SimDisk;
use common::*;
use tillstream_broker::{
    BindError, Broker, BrokerSettings, Disk, FileDisk, OpenError, PublishError, QueueSpec, SystemClock, WhenFull,
};

fn open(disk: &SimDisk, queues: Vec<QueueSpec>) -> Broker {
    Broker::open_on(Arc::new(disk.clone()), Arc::new(SystemClock), settings(), queues).expect("opens")
}

fn open_new(queues: Vec<QueueSpec>) -> Broker {
    open(&SimDisk::default(), queues)
}

#[tokio::test]
async fn every_subscribed_queue_gets_a_message_and_the_others_do_not() {
    let broker = open_new(vec![queue("a", &["sale/>"]), queue("b", &["sale/*/x"]), queue("c", &["other"])]);

    publish_all(&broker, "sale/1/x", [7]).await;

    for (name, expected) in [("a", 1), ("b", 1), ("c", 0)] {
        assert_eq!(depth_of(&broker, name), expected, "{name}");
    }
    let mut flow = broker.bind("b", 10).unwrap();
    let got = within("a delivery", flow.next_batch(10)).await.unwrap();
    assert_eq!(numbers(&got), [7]);
    assert_eq!((&*got[0].topic, got[0].redelivered, got[0].delivery_count), ("sale/1/x", false, 1));
}

#[tokio::test]
async fn messages_arrive_in_the_order_in_which_they_were_published() {
    let broker = open_new(vec![queue("q", &["t/>"])]);
    let publishes: Vec<_> = (0..1000).map(|number| broker.publish(message("t/x", number))).collect();
    for publish in publishes {
        publish.await.unwrap();
    }

    let mut flow = broker.bind("q", 2000).unwrap();

    assert_eq!(numbers(&within("deliveries", take(&mut flow, 1000)).await), (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_that_no_queue_wants_is_refused_and_not_swallowed() {
    let broker = open_new(vec![queue("q", &["t/>"])]);

    let refused = broker.publish(message("elsewhere", 1)).await;

    assert_eq!(refused, Err(PublishError::NoSubscriber("elsewhere".to_owned())));
}

#[tokio::test]
async fn wildcards_long_topics_and_large_payloads_are_refused() {
    let small = BrokerSettings { max_message_bytes: 100, ..settings() };
    let disk = Arc::new(SimDisk::default());
    let broker = Broker::open_on(disk, Arc::new(SystemClock), small, vec![queue("q", &[">"])]).unwrap();

    for topic in ["t/*", "t/>", "t//x", ""] {
        assert!(matches!(broker.publish(message(topic, 1)).await, Err(PublishError::InvalidTopic(_))), "{topic}");
    }
    assert_eq!(broker.publish(message_of("t", 1, 101)).await, Err(PublishError::TooLarge));
    assert_eq!(broker.publish(message_of("t", 1, 100)).await, Ok(()));
}

#[tokio::test]
async fn a_message_larger_than_a_chunk_comes_back_whole() {
    let broker = open_new(vec![queue("q", &[">"])]);
    publish_all(&broker, "t", [1]).await;
    broker.publish(message_of("t", 2, 1_500_000)).await.unwrap();
    publish_all(&broker, "t", [3]).await;

    let mut flow = broker.bind("q", 10).unwrap();
    let got = within("deliveries", take(&mut flow, 3)).await;

    assert_eq!(numbers(&got), [1, 2, 3]);
    assert_eq!(got[1].payload.len(), 1_500_000);
}

#[tokio::test]
async fn a_second_consumer_is_refused_until_the_first_has_gone() {
    let broker = open_new(vec![queue("q", &["t"])]);
    let first = broker.bind("q", 1).unwrap();

    assert_eq!(broker.bind("q", 1).err(), Some(BindError::Taken("q".to_owned())));
    assert_eq!(stats_of(&broker, "q").consumers, 1);
    assert_eq!(broker.bind("absent", 1).err(), Some(BindError::NoSuchQueue("absent".to_owned())));
    drop(first);
    assert!(broker.bind("q", 1).is_ok());
}

#[tokio::test]
async fn a_consumer_has_at_most_its_window_and_gets_more_when_it_acknowledges() {
    let broker = open_new(vec![queue("q", &["t"])]);
    publish_all(&broker, "t", 0..5).await;
    let mut flow = broker.bind("q", 3).unwrap();
    let got = within("a window", take(&mut flow, 3)).await;
    assert!(tokio::time::timeout(Duration::from_millis(50), flow.next_batch(9)).await.is_err(), "window is used up");

    flow.acknowledge(&[got[1].id]);

    assert_eq!(numbers(&within("one more", flow.next_batch(9)).await.unwrap()), [3]);
    assert_eq!((flow.unacknowledged(), depth_of(&broker, "q")), (3, 4));
    assert!(!flow.has_all(), "one message is still the queue's");
}

#[tokio::test]
async fn a_waiting_consumer_is_woken_by_a_publish() {
    let broker = open_new(vec![queue("q", &["t"])]);
    let mut flow = broker.bind("q", 3).unwrap();
    let waiting = tokio::spawn(async move { flow.next_batch(9).await.map(|got| numbers(&got)) });
    tokio::task::yield_now().await;

    publish_all(&broker, "t", [4]).await;

    assert_eq!(within("the consumer", waiting).await.unwrap().unwrap(), [4]);
}

#[tokio::test]
async fn what_a_dead_consumer_had_comes_again_in_order_and_flagged() {
    let broker = open_new(vec![queue("q", &["t"])]);
    publish_all(&broker, "t", 0..6).await;
    let mut flow = broker.bind("q", 4).unwrap();
    let got = within("deliveries", take(&mut flow, 4)).await;
    flow.acknowledge(&[got[2].id, got[0].id]);

    drop(flow);

    let mut next = broker.bind("q", 10).unwrap();
    let again = within("redeliveries", take(&mut next, 4)).await;
    assert_eq!(numbers(&again), [1, 3, 4, 5]);
    assert_eq!(again.iter().map(|one| one.redelivered).collect::<Vec<_>>(), [true, true, false, false]);
    assert_eq!(again.iter().map(|one| one.delivery_count).collect::<Vec<_>>(), [2, 2, 1, 1]);
}

#[tokio::test]
async fn a_message_rejected_too_often_ends_in_the_dead_message_queue() {
    let limited =
        QueueSpec { max_redelivery: Some(2), dead_message_queue: Some("q.dmq".to_owned()), ..queue("q", &["t"]) };
    let broker = open_new(vec![limited]);
    publish_all(&broker, "t", [1, 2]).await;
    let mut flow = broker.bind("q", 1).unwrap();

    for delivery_count in 1..=3 {
        let got = within("a delivery", flow.next_batch(1)).await.unwrap();
        assert_eq!((number(&got[0]), got[0].delivery_count), (1, delivery_count));
        flow.reject(&ids(&got));
    }

    assert_eq!(numbers(&within("the next", flow.next_batch(1)).await.unwrap()), [2]);
    let mut graves = broker.bind("q.dmq", 10).unwrap();
    let dead = within("the dead message", graves.next_batch(10)).await.unwrap();
    assert_eq!((numbers(&dead), dead[0].redelivered, &*dead[0].topic), (vec![1], false, "t"));
    assert_eq!((depth_of(&broker, "q"), stats_of(&broker, "q").discarded), (1, 0));
}

#[tokio::test]
async fn without_a_dead_message_queue_a_hopeless_message_is_dropped_and_counted() {
    let broker = open_new(vec![QueueSpec { max_redelivery: Some(0), ..queue("q", &["t"]) }]);
    publish_all(&broker, "t", [1]).await;
    let mut flow = broker.bind("q", 1).unwrap();

    let got = within("a delivery", take(&mut flow, 1)).await;
    flow.reject(&ids(&got));

    assert_eq!((depth_of(&broker, "q"), stats_of(&broker, "q").discarded), (0, 1));
}

#[tokio::test]
async fn a_message_that_waits_too_long_is_dropped_and_counted() {
    let clock = manual_clock();
    let short = QueueSpec { ttl: Some(Duration::from_secs(10)), ..queue("q", &["t"]) };
    let disk = Arc::new(SimDisk::default());
    let broker = Broker::open_on(disk, clock.clone(), settings(), vec![short, queue("patient", &["t"])]).unwrap();
    publish_all(&broker, "t", [1]).await;
    clock.advance(Duration::from_secs(8));
    publish_all(&broker, "t", [2]).await;

    clock.advance(Duration::from_secs(4));

    let mut flow = broker.bind("q", 10).unwrap();
    assert_eq!(numbers(&within("the young one", flow.next_batch(10)).await.unwrap()), [2]);
    assert_eq!((stats_of(&broker, "q").discarded, depth_of(&broker, "patient")), (1, 2));
}

#[tokio::test]
async fn a_full_queue_that_must_not_miss_anything_refuses_the_message_for_all() {
    let full = QueueSpec { quota_bytes: 150, ..queue("full", &["t"]) };
    let broker = open_new(vec![full, queue("roomy", &["t"])]);
    publish_all(&broker, "t", [1, 2]).await;

    let refused = broker.publish(message("t", 3)).await;

    assert!(matches!(refused, Err(PublishError::Refused { queue, .. }) if queue == "full"));
    assert_eq!((depth_of(&broker, "full"), depth_of(&broker, "roomy")), (2, 2));
    let mut flow = broker.bind("full", 10).unwrap();
    let got = within("deliveries", take(&mut flow, 2)).await;
    flow.acknowledge(&ids(&got));
    assert_eq!(broker.publish(message("t", 4)).await, Ok(()), "room again");
}

#[tokio::test]
async fn a_full_queue_that_may_miss_something_goes_without_and_counts() {
    let small = QueueSpec { quota_bytes: 60, when_full: WhenFull::DiscardNewest, ..queue("small", &["t"]) };
    let broker = open_new(vec![small, queue("roomy", &["t"])]);

    publish_all(&broker, "t", [1, 2, 3]).await;

    assert_eq!((depth_of(&broker, "small"), depth_of(&broker, "roomy")), (1, 3));
    assert_eq!(stats_of(&broker, "small").discarded, 2);
}

#[tokio::test]
async fn more_waiting_publishes_than_allowed_are_overload() {
    let narrow = BrokerSettings { max_waiting_messages: 10, ..settings() };
    let disk = Arc::new(SimDisk::default());
    let broker = Broker::open_on(disk, Arc::new(SystemClock), narrow, vec![queue("q", &["t"])]).unwrap();
    broker.stall(Duration::from_secs(3600));

    let publishes: Vec<_> = (0..11).map(|number| broker.publish(message("t", number))).collect();
    let closed = broker.close();

    let mut answers = Vec::new();
    for publish in publishes {
        answers.push(within("an answer", publish).await);
    }
    within("closing", closed).await;
    assert_eq!(answers[10], Err(PublishError::Overloaded));
    assert!(answers[..10].iter().all(Result::is_ok), "closing ends a stall and stores what waited");
    assert_eq!(broker.publish(message("t", 1)).await, Err(PublishError::Closed));
    assert_eq!(broker.bind("q", 1).err(), Some(BindError::Closed));
}

#[tokio::test]
async fn a_broker_that_closes_tells_its_consumers() {
    let broker = open_new(vec![queue("q", &["t"])]);
    let mut flow = broker.bind("q", 1).unwrap();
    let waiting = tokio::spawn(async move { flow.next_batch(1).await.map(|got| got.len()) });
    tokio::task::yield_now().await;

    within("closing", broker.close()).await;

    assert_eq!(within("the consumer", waiting).await.unwrap(), Err(BindError::Closed));
    assert_eq!(broker.trouble(), Some("the broker is closed".to_owned()));
}

#[tokio::test]
async fn while_acknowledgements_are_dropped_messages_are_stored_and_delivered_and_never_confirmed() {
    let broker = open_new(vec![queue("q", &["t"])]);
    let mut flow = broker.bind("q", 1).unwrap();
    broker.drop_acks(Duration::from_secs(3600));
    let mut publish = Box::pin(broker.publish(message("t", 5)));

    assert_eq!(numbers(&within("the delivery", flow.next_batch(1)).await.unwrap()), [5]);
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut publish).await.is_err(), "not confirmed");

    within("closing", broker.close()).await;
    assert!(matches!(publish.await, Err(PublishError::Storage(reason)) if reason.contains("lost")));
}

#[tokio::test]
async fn when_dropped_acknowledgements_are_over_whoever_still_waits_is_told_that_nobody_knows() {
    let broker = open_new(vec![queue("q", &["t"])]);
    broker.drop_acks(Duration::from_millis(500));

    let lost = within("an answer", broker.publish(message("t", 1))).await;

    assert!(matches!(lost, Err(PublishError::Storage(_))), "{lost:?}");
    assert_eq!(within("an answer", broker.publish(message("t", 2))).await, Ok(()));
    assert_eq!(depth_of(&broker, "q"), 2);
}

#[tokio::test]
async fn after_an_orderly_restart_everything_is_as_it_was() {
    let disk = SimDisk::default();
    let specs = vec![queue("q", &["t"]), QueueSpec { max_redelivery: Some(3), ..queue("limited", &["t"]) }];
    let broker = open(&disk, specs.clone());
    publish_all(&broker, "t", 0..300).await;
    let mut flow = broker.bind("q", 200).unwrap();
    let got = within("deliveries", take(&mut flow, 200)).await;
    flow.acknowledge(&ids(&got[..100]));
    flow.acknowledge(&[got[150].id, got[120].id]);
    let mut limited = broker.bind("limited", 10).unwrap();
    let first = within("a delivery", take(&mut limited, 1)).await;
    limited.reject(&ids(&first));
    within("closing", broker.close()).await;

    let reopened = open(&disk, specs);

    let mut again = reopened.bind("q", 1000).unwrap();
    let got = within("deliveries", take(&mut again, 198)).await;
    let expected: Vec<u64> = (100..300).filter(|number| ![120, 150].contains(number)).collect();
    assert_eq!(numbers(&got), expected);
    assert!(got.iter().all(|one| one.redelivered == (number(one) < 200)), "exactly what had been delivered");
    let mut limited = reopened.bind("limited", 10).unwrap();
    let first = within("a delivery", take(&mut limited, 2)).await;
    assert_eq!((first[0].delivery_count, first[1].delivery_count), (2, 1));
}

#[tokio::test]
async fn a_new_queue_gets_only_later_messages_and_a_forgotten_one_is_drained() {
    let disk = SimDisk::default();
    let broker = open(&disk, vec![queue("old", &["t"])]);
    publish_all(&broker, "t", [1]).await;
    within("closing", broker.close()).await;
    drop(broker);

    let broker = open(&disk, vec![queue("new", &["t"])]);
    publish_all(&broker, "t", [2]).await;

    let mut new = broker.bind("new", 10).unwrap();
    assert_eq!(numbers(&within("the later one", new.next_batch(10)).await.unwrap()), [2]);
    let mut old = broker.bind("old", 10).unwrap();
    let rest = within("the old one", old.next_batch(10)).await.unwrap();
    assert_eq!(numbers(&rest), [1]);
    old.acknowledge(&ids(&rest));
    assert!(broker.stats().iter().all(|stats| stats.name != "old"), "empty and unnamed: gone");
}

#[tokio::test]
async fn settings_of_today_win_over_stored_ones() {
    let disk = SimDisk::default();
    let broker = open(&disk, vec![queue("q", &["t"])]);
    publish_all(&broker, "t", [1]).await;
    within("closing", broker.close()).await;
    drop(broker);

    let broker = open(&disk, vec![QueueSpec { quota_bytes: 0, ..queue("q", &["u"]) }]);

    assert!(matches!(broker.publish(message("t", 2)).await, Err(PublishError::NoSubscriber(_))));
    assert!(matches!(broker.publish(message("u", 2)).await, Err(PublishError::Refused { .. })));
    assert_eq!(depth_of(&broker, "q"), 1);
}

#[test]
fn a_queue_that_cannot_be_is_named_at_open() {
    for wrong in [vec![queue("q", &["a/>/b"])], vec![queue("q", &["t"]), queue("q", &["u"])]] {
        let disk = Arc::new(SimDisk::default());
        let refused = Broker::open_on(disk, Arc::new(SystemClock), settings(), wrong);
        assert!(matches!(refused.err(), Some(OpenError::InvalidQueue { queue, .. }) if queue == "q"));
    }
}

#[tokio::test]
async fn a_directory_is_locked_until_its_broker_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::open(dir.path(), settings(), vec![queue("q", &["t"])]).unwrap();

    let second = Broker::open(dir.path(), settings(), Vec::new());

    assert!(matches!(second.err(), Some(OpenError::Locked(_))));
    within("closing", broker.close()).await;
    assert!(Broker::open(dir.path(), settings(), Vec::new()).is_ok());
}

#[tokio::test]
async fn a_directory_is_made_with_all_that_is_missing_above_it() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("data/region/broker");
    let broker = Broker::open(&deep, settings(), vec![queue("q", &["t"])]).unwrap();
    publish_all(&broker, "t", [1]).await;
    within("closing", broker.close()).await;

    let reopened = Broker::open(&deep, settings(), vec![queue("q", &["t"])]).unwrap();

    assert_eq!(depth_of(&reopened, "q"), 1);
}

#[tokio::test]
async fn messages_of_many_kinds_sent_at_once_keep_their_order_in_every_queue_also_when_they_come_again() {
    let disk = SimDisk::default();
    let topics = ["receipt", "event/1", "event/2", "late", "rejected", "tie"];
    let specs = vec![
        queue("sales", &["receipt", "tie"]),
        queue("reporting", &["event/>", "late", "tie"]),
        queue("one", &["event/1"]),
        queue("two", &["event/2"]),
        queue("rejected", &["rejected"]),
    ];
    let of = |kinds: &[u64]| (0..900).filter(|number| kinds.contains(&kind(*number))).collect::<Vec<_>>();
    let expected = [of(&[0, 5]), of(&[1, 2, 3, 5]), of(&[1]), of(&[2]), of(&[4])];
    let broker = open(&disk, specs.clone());
    let publishes: Vec<_> =
        (0..900).map(|number| broker.publish(message_of(topics[kind(number) as usize], number, 600))).collect();
    for publish in publishes {
        publish.await.unwrap();
    }

    for (spec, expected) in specs.iter().zip(&expected) {
        let mut flow = broker.bind(&spec.name, 1_000).unwrap();
        let got = within("deliveries", take(&mut flow, expected.len())).await;
        assert_eq!(&numbers(&got), expected, "{}", spec.name);
        assert!(ids(&got).is_sorted_by(|one, next| one < next));
        let (kept, read): (Vec<_>, Vec<_>) = got.iter().partition(|one| one.id % 3 == 0);
        flow.acknowledge(&read.iter().map(|one| one.id).collect::<Vec<_>>());
        drop(flow);
        let mut flow = broker.bind(&spec.name, 1_000).unwrap();
        let again = within("redeliveries", take(&mut flow, kept.len())).await;
        assert_eq!(ids(&again), kept.iter().map(|one| one.id).collect::<Vec<_>>(), "{}", spec.name);
        flow.reject(&ids(&again));
    }
    let reopened = open(&disk.after_kill(), specs.clone());
    for (spec, expected) in specs.iter().zip(&expected) {
        let mut flow = reopened.bind(&spec.name, 1_000).unwrap();
        let depth = depth_of(&reopened, &spec.name) as usize;
        let got = numbers(&within("deliveries", take(&mut flow, depth)).await);
        assert!(got.is_sorted() && got.iter().all(|one| expected.contains(one)), "{}", spec.name);
    }
}

/// A mixture without a period that chunks could fall in step with.
fn kind(number: u64) -> u64 {
    (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) % 6
}

#[tokio::test]
async fn a_lagging_consumer_reads_back_from_disk_what_left_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = BrokerSettings { cache_bytes: 10_000, ..settings() };
    let broker = Broker::open(dir.path(), tiny, vec![queue("q", &["t"]), queue("r", &["t"])]).unwrap();
    for start in (0..5_000).step_by(100) {
        let publishes: Vec<_> = (start..start + 100).map(|one| broker.publish(message_of("t", one, 900))).collect();
        for publish in publishes {
            publish.await.unwrap();
        }
    }

    for name in ["q", "r"] {
        let mut flow = broker.bind(name, 5_000).unwrap();
        let got = within("deliveries", take(&mut flow, 5_000)).await;
        assert_eq!(numbers(&got), (0..5_000).collect::<Vec<_>>());
        flow.acknowledge(&ids(&got));
        assert_eq!(depth_of(&broker, name), 0);
    }
}

#[test]
fn a_reserve_is_really_allocated_and_given_up() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let disk = FileDisk::lock(dir.path()).unwrap();

    disk.set_reserve(1 << 20).unwrap();

    let reserve = dir.path().join("reserve").metadata().unwrap();
    assert!(reserve.blocks() * 512 >= 1 << 20, "a sparse file reserves nothing");
    assert_eq!(disk.reserve().unwrap(), 1 << 20);
    disk.set_reserve(0).unwrap();
    assert_eq!(disk.reserve().unwrap(), 0);
}
