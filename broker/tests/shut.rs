//! Queues of which an operator has shut a side: nothing goes through it, nothing is lost by it, and all goes on when it is
//! open again.

mod common;

use std::sync::Arc;

use common::sim_disk::SimDisk;
use common::*;
use tillstream_broker::{
    BindError, Broker, FlowOwner, NoSuchQueue, PublishError, QueueSpec, Side, SystemClock, WhenFull,
};

fn open(disk: &SimDisk, queues: Vec<QueueSpec>) -> Broker {
    Broker::open_on(Arc::new(disk.clone()), Arc::new(SystemClock), settings(), queues).expect("opens")
}

fn open_one() -> Broker {
    open(&SimDisk::default(), vec![queue("q", &["t"])])
}

fn shut() -> BindError {
    BindError::Shut("q".to_owned())
}

#[tokio::test]
async fn a_queue_that_takes_nothing_refuses_for_all_until_it_is_open_again() {
    let broker = open(&SimDisk::default(), vec![queue("q", &["t"]), queue("other", &["t"])]);
    publish_all(&broker, "t", [1]).await;

    broker.shut("q", Side::Incoming).unwrap();
    let refused = broker.publish(message("t", 2)).await;

    assert_eq!(refused, Err(PublishError::Shut("q".to_owned())));
    assert_eq!((depth_of(&broker, "q"), depth_of(&broker, "other")), (1, 1), "refused for all or for none");
    assert_eq!(broker.publish_to("q", message("t", 3)).await, Err(PublishError::Shut("q".to_owned())));
    let mut flow = broker.bind("q", 10).unwrap();
    assert_eq!(numbers(&within("what was there", take(&mut flow, 1)).await), [1], "it still delivers");
    broker.reopen("q", Side::Incoming).unwrap();
    publish_all(&broker, "t", [4]).await;
    assert_eq!(numbers(&within("what came after", take(&mut flow, 1)).await), [4]);
}

#[tokio::test]
async fn a_queue_that_may_go_without_goes_without_and_counts_what_it_missed() {
    let loose = QueueSpec { when_full: WhenFull::DiscardNewest, ..queue("loose", &["t"]) };
    let broker = open(&SimDisk::default(), vec![queue("q", &["t"]), loose]);

    broker.shut("loose", Side::Incoming).unwrap();
    publish_all(&broker, "t", [1, 2]).await;

    let loose = stats_of(&broker, "loose");
    assert_eq!((depth_of(&broker, "q"), loose.depth, loose.discarded), (2, 0, 2));
}

#[tokio::test]
async fn a_dead_message_queue_that_is_shut_still_takes_what_has_nowhere_else_to_go() {
    let spec = QueueSpec { dead_message_queue: Some("q.dmq".to_owned()), ..queue("q", &["t"]) };
    let broker = open(&SimDisk::default(), vec![spec]);
    publish_all(&broker, "t", [1]).await;
    let mut flow = broker.bind("q", 1).unwrap();
    broker.shut("q.dmq", Side::Incoming).unwrap();

    let got = within("a delivery", take(&mut flow, 1)).await;
    flow.discard(&ids(&got));
    publish_all(&broker, "t", [2]).await;

    assert_eq!((depth_of(&broker, "q"), depth_of(&broker, "q.dmq")), (1, 1));
}

#[tokio::test]
async fn whoever_is_bound_or_stands_in_line_is_turned_out_and_nobody_gets_in_until_it_is_open_again() {
    let broker = open_one();
    publish_all(&broker, "t", [1, 2]).await;
    let mut flow = broker.bind("q", 10).unwrap();
    let held = within("deliveries", take(&mut flow, 2)).await;
    let waiting = tokio::spawn(async move { (flow.next_batch(1).await.map(|_| ()), flow) });
    let standby = tokio::spawn(broker.line_up("q", 10));
    tokio::task::yield_now().await;

    broker.shut("q", Side::Outgoing).unwrap();

    let (ended, flow) = within("the end of the flow", waiting).await.unwrap();
    assert_eq!(ended, Err(shut()));
    assert_eq!(within("the end of the standby", standby).await.unwrap().err(), Some(shut()));
    assert_eq!(broker.bind("q", 1).err(), Some(shut()));
    assert_eq!(broker.bind_again(FlowOwner::new(), "q", 1).err(), Some(shut()));
    assert_eq!(broker.line_up("q", 1).await.err(), Some(shut()));
    flow.acknowledge(&ids(&held));
    publish_all(&broker, "t", [3]).await;
    let stats = stats_of(&broker, "q");
    assert_eq!((stats.depth, stats.unacknowledged, stats.consumers), (3, 0, 0), "what is late settles nothing");

    broker.reopen("q", Side::Outgoing).unwrap();
    drop(flow);
    let mut flow = broker.bind("q", 10).unwrap();
    let again = within("everything", take(&mut flow, 3)).await;
    assert_eq!(numbers(&again), [1, 2, 3]);
    assert_eq!(again.iter().map(|one| one.redelivered).collect::<Vec<_>>(), [true, true, false]);
}

#[tokio::test]
async fn a_flow_that_hears_of_it_only_when_the_queue_is_open_and_bound_again_is_told_the_right_reason() {
    let broker = open_one();
    let mut old = broker.bind("q", 10).unwrap();
    broker.shut("q", Side::Outgoing).unwrap();
    broker.reopen("q", Side::Outgoing).unwrap();
    let new = broker.bind("q", 10).unwrap();

    assert_eq!(within("the end of the old flow", old.next_batch(1)).await.err(), Some(shut()));
    drop(old);

    assert_eq!(stats_of(&broker, "q").consumers, 1, "it unbound nobody else");
    drop(new);
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_not_shut_and_a_broker_that_is_opened_begins_with_all_sides_open() {
    let disk = SimDisk::default();
    let broker = open(&disk, vec![queue("q", &["t"])]);
    assert_eq!(broker.shut("absent", Side::Incoming), Err(NoSuchQueue("absent".to_owned())));
    broker.shut("q", Side::Incoming).unwrap();
    broker.shut("q", Side::Outgoing).unwrap();
    broker.close().await;
    drop(broker);

    let broker = open(&disk, vec![queue("q", &["t"])]);

    publish_all(&broker, "t", [1]).await;
    assert!(broker.bind("q", 1).is_ok());
}
