//! Messages that their consumer gives up for good: gone from the queue at once, and never both dead and alive.
//! The model discards in the midst of everything else, the crash tests lose power over it.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::sim_disk::{Fault, SimDisk};
use common::*;
use tillstream_broker::{Broker, BrokerSettings, Flow, QueueSpec, SystemClock};

/// More chunks of messages than one commit moves.
const BACKLOG: u64 = 5_000;

fn open(disk: &SimDisk, queues: Vec<QueueSpec>) -> Broker {
    Broker::open_on(Arc::new(disk.clone()), Arc::new(SystemClock), settings(), queues).expect("opens")
}

fn open_new(queues: Vec<QueueSpec>) -> Broker {
    open(&SimDisk::default(), queues)
}

/// It never gives up by itself.
fn with_grave() -> QueueSpec {
    QueueSpec { dead_message_queue: Some("q.dmq".to_owned()), ..queue("q", &["t"]) }
}

/// Everything that the queue has: numbers, in its order.
async fn drain(broker: &Broker, name: &str) -> Vec<u64> {
    let depth = depth_of(broker, name) as usize;
    let mut flow = broker.bind(name, BACKLOG as usize).expect("free");
    if depth == 0 { Vec::new() } else { numbers(&within(name, take(&mut flow, depth)).await) }
}

async fn arrived(broker: &Broker, dead: u64) {
    let arrival = async {
        while depth_of(broker, "q.dmq") != dead {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within("the way to the dead", arrival).await;
}

async fn take_and_discard(flow: &mut Flow, count: usize, discarded: impl Fn(u64) -> bool) {
    let mut got = within("deliveries", take(flow, count)).await;
    got.retain(|one| discarded(number(one)));
    flow.discard(&ids(&got));
}

#[tokio::test]
async fn a_discarded_message_goes_to_the_dead_message_queue_at_its_first_delivery_and_the_others_stay() {
    let broker = open_new(vec![with_grave()]);
    publish_all(&broker, "t", 0..5).await;
    let mut flow = broker.bind("q", 10).unwrap();

    take_and_discard(&mut flow, 5, |number| number % 2 == 1).await;

    arrived(&broker, 2).await;
    let mut dead = broker.bind("q.dmq", 10).unwrap();
    let got = within("the dead", take(&mut dead, 2)).await;
    assert_eq!((numbers(&got), got[0].redelivered), (vec![1, 3], false), "as new as a message can be");
    assert_eq!((flow.unacknowledged(), depth_of(&broker, "q"), stats_of(&broker, "q").discarded), (3, 3, 0));
    drop(flow);
    assert_eq!(drain(&broker, "q").await, [0, 2, 4]);
}

#[tokio::test]
async fn without_a_dead_message_queue_a_discarded_message_is_dropped_and_counted_and_makes_room() {
    let small = QueueSpec { quota_bytes: 60, ..queue("q", &["t"]) };
    let broker = open_new(vec![small]);
    publish_all(&broker, "t", [1]).await;
    let mut flow = broker.bind("q", 1).unwrap();

    take_and_discard(&mut flow, 1, |_| true).await;

    let stats = stats_of(&broker, "q");
    assert_eq!((stats.depth, stats.bytes, stats.unacknowledged, stats.discarded), (0, 0, 0, 1));
    publish_all(&broker, "t", [2]).await;
    assert_eq!(numbers(&within("the next", take(&mut flow, 1)).await), [2]);
}

#[tokio::test]
async fn a_consumer_that_waits_for_room_in_its_window_gets_the_next_message_for_a_discarded_one() {
    let broker = open_new(vec![with_grave()]);
    publish_all(&broker, "t", [1, 2]).await;
    let mut flow = broker.bind("q", 1).unwrap();

    take_and_discard(&mut flow, 1, |_| true).await;

    assert_eq!(numbers(&within("the next", take(&mut flow, 1)).await), [2]);
}

#[tokio::test]
async fn what_a_flow_does_not_have_cannot_be_discarded() {
    let broker = open_new(vec![with_grave()]);
    publish_all(&broker, "t", [1, 2, 3]).await;
    let mut flow = broker.bind("q", 2).unwrap();
    let got = within("deliveries", take(&mut flow, 2)).await;
    flow.acknowledge(&[got[0].id]);
    flow.reject(&[got[1].id]);

    flow.discard(&[got[0].id, got[1].id, got[1].id + 1, u64::MAX]);

    drop(flow);
    assert_eq!(drain(&broker, "q").await, [2, 3]);
    assert_eq!((depth_of(&broker, "q.dmq"), stats_of(&broker, "q").discarded), (0, 0));
}

#[tokio::test]
async fn discarded_messages_are_dead_after_an_orderly_restart_too() {
    let disk = SimDisk::default();
    let broker = open(&disk, vec![with_grave()]);
    publish_all(&broker, "t", 0..100).await;
    let mut flow = broker.bind("q", 100).unwrap();

    take_and_discard(&mut flow, 100, |number| number % 3 == 0).await;
    drop(flow);
    within("closing", broker.close()).await;
    drop(broker);

    let broker = open(&disk, vec![with_grave()]);
    assert_eq!(drain(&broker, "q.dmq").await, (0..100).filter(|number| number % 3 == 0).collect::<Vec<_>>());
    assert_eq!(drain(&broker, "q").await, (0..100).filter(|number| number % 3 != 0).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_discard_that_meets_a_failing_disk_happens_once_when_the_disk_is_well() {
    for (fault, operations) in [(Fault::Write, 0), (Fault::Write, 3), (Fault::Sync, 0), (Fault::Sync, 1)] {
        let disk = SimDisk::default();
        let broker = open(&disk, vec![with_grave()]);
        publish_all(&broker, "t", 0..10).await;
        let mut flow = broker.bind("q", 10).unwrap();

        disk.break_after(fault, operations);
        take_and_discard(&mut flow, 10, |number| number < 4).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
        disk.heal();

        arrived(&broker, 4).await;
        drop(flow);
        assert_eq!(drain(&broker, "q").await, (4..10).collect::<Vec<_>>(), "{fault:?} {operations}");
        assert_eq!(drain(&broker, "q.dmq").await, (0..4).collect::<Vec<_>>(), "{fault:?} {operations}");
    }
}

#[tokio::test]
async fn a_backlog_that_is_discarded_one_by_one_arrives_in_order_however_many_commits_that_takes() {
    // Nothing stays in memory, so that the dead are read from the disk.
    let forgetful = BrokerSettings { cache_bytes: 0, ..settings() };
    let disk = SimDisk::default();
    let open = || Broker::open_on(Arc::new(disk.clone()), Arc::new(SystemClock), forgetful.clone(), vec![with_grave()]);
    let broker = open().unwrap();
    let publishes: Vec<_> = (0..BACKLOG).map(|number| broker.publish(message("t", number))).collect();
    for publish in publishes {
        publish.await.unwrap();
    }
    let mut flow = broker.bind("q", BACKLOG as usize).unwrap();

    for one in within("deliveries", take(&mut flow, BACKLOG as usize)).await {
        flow.discard(&[one.id]);
    }

    arrived(&broker, BACKLOG).await;
    assert_eq!(depth_of(&broker, "q"), 0);
    let mut dead = broker.bind("q.dmq", BACKLOG as usize).unwrap();
    let got = numbers(&within("the dead", take(&mut dead, BACKLOG as usize)).await);
    assert_eq!(got, (0..BACKLOG).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_process_that_ends_while_its_dead_are_on_their_way_has_each_message_once() {
    let mut midway = 0;
    for syncs in 0..8 {
        let disk = SimDisk::default();
        let broker = open(&disk, vec![with_grave()]);
        let publishes: Vec<_> = (0..BACKLOG).map(|number| broker.publish(message("t", number))).collect();
        for publish in publishes {
            publish.await.unwrap();
        }
        let mut flow = broker.bind("q", BACKLOG as usize).unwrap();
        disk.break_after(Fault::Sync, syncs);
        take_and_discard(&mut flow, BACKLOG as usize, |_| true).await;
        let stopped = async {
            while broker.trouble().is_none() && depth_of(&broker, "q") > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        within("the disk that fails", stopped).await;

        let found = open(&disk.after_power_loss(&mut fastrand::Rng::with_seed(syncs)), vec![with_grave()]);

        let (alive, dead) = (drain(&found, "q").await, drain(&found, "q.dmq").await);
        midway += usize::from(!alive.is_empty() && !dead.is_empty());
        let mut all = [alive, dead].concat();
        all.sort_unstable();
        assert_eq!(all, (0..BACKLOG).collect::<Vec<_>>(), "after {syncs} syncs");
    }
    assert!(midway > 0, "no end met the dead on their way");
}
