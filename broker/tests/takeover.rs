//! An owner that binds its queue again while its earlier flow is still in somebody's hands.

mod common;

use std::sync::Arc;

use common::sim_disk::SimDisk;
use common::*;
use tillstream_broker::{BindError, Broker, FlowOwner, SystemClock};

fn open_new() -> Broker {
    let disk = Arc::new(SimDisk::default());
    Broker::open_on(disk, Arc::new(SystemClock), settings(), vec![queue("q", &["t"])]).expect("opens")
}

#[tokio::test]
async fn an_owner_whose_earlier_flow_hangs_gets_the_queue_and_everything_unacknowledged() {
    let broker = open_new();
    publish_all(&broker, "t", [1, 2, 3]).await;
    let owner = FlowOwner::new();
    let mut hung = broker.bind_again(owner, "q", 10).unwrap();
    let held = within("deliveries", take(&mut hung, 2)).await;
    hung.acknowledge(&[held[0].id]);

    let mut flow = broker.bind_again(owner, "q", 10).unwrap();

    let again = within("deliveries", take(&mut flow, 2)).await;
    assert_eq!(numbers(&again), [2, 3]);
    assert!(again[0].redelivered);
    assert_eq!(stats_of(&broker, "q").consumers, 1);
}

#[tokio::test]
async fn a_flow_that_was_superseded_takes_nothing_settles_nothing_and_unbinds_nothing() {
    let broker = open_new();
    publish_all(&broker, "t", [1]).await;
    let owner = FlowOwner::new();
    let mut hung = broker.bind_again(owner, "q", 10).unwrap();
    let held = within("a delivery", take(&mut hung, 1)).await;
    let mut flow = broker.bind_again(owner, "q", 10).unwrap();
    let again = within("a delivery", take(&mut flow, 1)).await;

    hung.acknowledge(&[held[0].id]);
    hung.reject(&[held[0].id]);
    let ended = within("the end of the old flow", hung.next_batch(1)).await;
    drop(hung);

    assert_eq!(ended.err(), Some(BindError::Superseded("q".to_owned())));
    assert_eq!((flow.unacknowledged(), stats_of(&broker, "q").consumers), (1, 1));
    flow.acknowledge(&[again[0].id]);
    assert_eq!(depth_of(&broker, "q"), 0);
}

#[tokio::test]
async fn a_flow_that_waits_for_messages_hears_that_it_was_superseded() {
    let broker = open_new();
    let owner = FlowOwner::new();
    let mut hung = broker.bind_again(owner, "q", 10).unwrap();
    let waiting = tokio::spawn(async move { hung.next_batch(1).await.err() });
    tokio::task::yield_now().await;

    let _flow = broker.bind_again(owner, "q", 10).unwrap();

    let ended = within("the end of the old flow", waiting).await.unwrap();
    assert_eq!(ended, Some(BindError::Superseded("q".to_owned())));
}

#[tokio::test]
async fn another_owner_is_refused_while_the_queue_is_bound() {
    let broker = open_new();
    let _flow = broker.bind_again(FlowOwner::new(), "q", 10).unwrap();

    assert_eq!(broker.bind_again(FlowOwner::new(), "q", 10).err(), Some(BindError::Taken("q".to_owned())));
    assert_eq!(broker.bind("q", 10).err(), Some(BindError::Taken("q".to_owned())));
}
