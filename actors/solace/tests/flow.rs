//! What a flow delivers and when, through the official client library, on a scripted broker.
//! In real time, because the library works on threads of its own: tests wait for what must come, never for how long.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use support::bench::{LEG, bench};
use support::server::Heard;
use support::{locally, until};
use tillstream_messages::{AcknowledgeDeliveries, Leg, LegState, RebindFlow};
use tillstream_smf::Outcome;
use tillstream_supervision::Fault;
use tokio::time::sleep;

#[tokio::test]
async fn what_the_queue_has_is_delivered_in_order_and_gone_once_acknowledged() {
    locally(async {
        let bench = bench(1000, |_| {}).await;
        bench.up().await;
        bench.server.put(0..50, 100);
        bench.delivered(50).await;

        assert_eq!(bench.seen.numbers(), (0..50).collect::<Vec<_>>());
        let numbers: Vec<u64> = bench.seen.tags().iter().map(|tag| tag.number).collect();
        assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
        let messages = bench.seen.messages.lock().unwrap().clone();
        assert!(messages.iter().all(|message| !message.redelivered && &*message.topic == "a/topic"));
        assert_eq!(bench.server.left().len(), 50, "nothing is acknowledged unasked");
        assert_eq!((bench.seen.epochs(), bench.seen.bound.lock().unwrap()[0].window), (vec![1], 1000));

        bench
            .flow
            .tell(AcknowledgeDeliveries { tags: bench.seen.tags().into_iter().rev().step_by(2).collect() })
            .unwrap();
        until("every second one is gone", || bench.server.left().len() == 25).await;
        assert!(bench.server.left().iter().all(|number| number % 2 == 0));
        assert_eq!(bench.server.count(|heard| matches!(heard, Heard::Settled(_, Outcome::Accepted))), 25);
    })
    .await;
}

#[tokio::test]
async fn a_consumer_that_dies_with_a_batch_gets_the_same_batch_again() {
    locally(async {
        let bench = bench(1000, |server| server.put(0..3, 0)).await;
        bench.delivered(3).await;
        bench.seen.die_with_next.store(true, Ordering::Relaxed);

        bench.server.put(3..6, 0);

        bench.delivered(6).await;
        assert_eq!(bench.seen.numbers(), [0, 1, 2, 3, 4, 5]);
        assert!(bench.seen.tags().iter().enumerate().all(|(at, tag)| tag.number == at as u64 + 1 && tag.epoch == 1));
        assert!(!bench.seen.die_with_next.load(Ordering::Relaxed), "the consumer has died");
    })
    .await;
}

#[tokio::test]
async fn a_killed_flow_delivers_what_was_not_acknowledged_again_and_says_so() {
    locally(async {
        let bench = bench(1000, |server| server.put(0..5, 0)).await;
        bench.delivered(5).await;
        bench.acknowledge(0..2);
        until("two are gone", || bench.server.left() == [2, 3, 4]).await;

        bench.root.inject("root.flow", Fault::Panic).unwrap();

        bench.delivered(8).await;
        assert_eq!(bench.seen.numbers()[5..], [2, 3, 4]);
        let again = bench.seen.messages.lock().unwrap()[5..].to_vec();
        assert!(again.iter().all(|message| message.redelivered && message.tag.epoch == 2));
        assert_eq!(bench.seen.epochs(), [1, 2]);
        bench.up().await;
    })
    .await;
}

#[tokio::test]
async fn a_consumer_that_lost_everything_has_it_all_back_by_ordering_a_new_binding() {
    locally(async {
        let bench = bench(1000, |server| server.put(0..4, 0)).await;
        bench.delivered(4).await;
        let old_tags = bench.seen.tags();

        bench.flow.tell(RebindFlow).unwrap();
        bench.delivered(8).await;

        assert_eq!(bench.seen.numbers()[4..], [0, 1, 2, 3]);
        assert_eq!((bench.seen.epochs(), bench.lost()), (vec![1, 2], vec![]));
        bench.flow.tell(AcknowledgeDeliveries { tags: old_tags }).unwrap();
        bench.acknowledge(4..5);
        until("one is gone", || bench.server.left() == [1, 2, 3]).await;
    })
    .await;
}

#[tokio::test]
async fn an_idle_flow_beats_and_one_whose_window_is_full_does_not() {
    locally(async {
        let bench = bench(2, |_| {}).await;
        until("it beats while idle", || bench.seen.beats() >= 2).await;

        bench.server.put(0..5, 0);
        until("the window is full", || bench.seen.numbers().len() == 2).await;
        let full = bench.seen.beats();
        sleep(Duration::from_millis(900)).await;
        assert_eq!((bench.seen.beats(), bench.seen.numbers(), bench.server.held()), (full, vec![0, 1], 2));

        bench.acknowledge(0..2);
        until("the next are let through", || bench.seen.numbers() == [0, 1, 2, 3]).await;
        assert_eq!(bench.server.held(), 2);
    })
    .await;
}

#[tokio::test]
async fn time_does_not_pass_while_the_publisher_is_down() {
    locally(async {
        let bench = bench(10, |_| {}).await;
        until("it beats while idle", || bench.seen.beats() >= 2).await;

        bench.health.set(Leg::Publish, LegState::Down("for this test".to_owned()));
        sleep(Duration::from_millis(300)).await;
        let before = bench.seen.beats();
        sleep(Duration::from_millis(900)).await;
        assert_eq!(bench.seen.beats(), before);

        bench.health.set(Leg::Publish, LegState::Up);
        until("it beats again", || bench.seen.beats() > before).await;
    })
    .await;
}

#[tokio::test]
async fn a_flow_beside_an_active_one_stands_by_says_so_and_takes_over() {
    locally(async {
        let bench = bench(10, |server| {
            server.rival();
            server.put(0..3, 0);
        })
        .await;
        bench.down("another consumer is active").await;
        sleep(Duration::from_millis(700)).await;
        assert_eq!((bench.seen.epochs(), bench.seen.beats(), bench.seen.numbers()), (vec![], 0, vec![]));

        bench.server.rival_leaves();

        bench.delivered(3).await;
        assert_eq!((bench.seen.epochs(), bench.lost()), (vec![1], vec![]));
        bench.up().await;
    })
    .await;
}

#[tokio::test]
async fn a_flow_that_ceases_to_be_the_active_one_gives_everything_back() {
    locally(async {
        let bench = bench(10, |server| server.put(0..3, 0)).await;
        bench.delivered(3).await;

        bench.server.rival();

        until("the consumer is told", || bench.lost().len() == 1).await;
        assert!(bench.lost()[0].contains("another consumer has become the active one"), "{:?}", bench.lost());
        until("nothing is held", || bench.server.held() == 0).await;
        bench.down("another consumer is active").await;
        bench.server.rival_leaves();
        bench.delivered(6).await;
        assert_eq!(bench.seen.epochs(), [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_does_not_tell_activity_has_whoever_is_bound_as_its_consumer() {
    locally(async {
        let bench =
            bench(10, |server| server.rule(|rules| (rules.tells_activity, rules.settles) = (false, false))).await;
        bench.up().await;
        until("it beats", || bench.seen.beats() >= 1).await;
        bench.server.put(0..3, 0);
        bench.delivered(3).await;
    })
    .await;
}

#[tokio::test]
async fn a_consumer_that_is_slower_than_its_queue_makes_the_flow_stop_and_start() {
    locally(async {
        const SIZE: usize = 64 << 10;
        let bench = bench(10_000, |_| {}).await;
        bench.up().await;
        *bench.seen.slowness.lock().unwrap() = Duration::from_millis(300);

        bench.server.put(0..1000, SIZE);

        bench.delivered(1000).await;
        assert_eq!(bench.seen.numbers(), (0..1000).collect::<Vec<_>>());
        assert!(bench.server.count(|heard| *heard == Heard::Window(0)) > 0, "the flow was never stopped");
        assert!(bench.server.count(|heard| matches!(heard, Heard::Window(1..))) > 0, "the flow was never started");
        bench.acknowledge(0..1000);
        until("all are gone", || bench.server.left().is_empty()).await;
    })
    .await;
}

#[tokio::test]
async fn a_leg_that_an_abandoned_incarnation_reports_late_is_soon_right_again() {
    locally(async {
        let bench = bench(10, |_| {}).await;
        bench.up().await;
        bench.health.set(LEG, LegState::Down("written by a thread that was blocked".to_owned()));
        bench.up().await;
    })
    .await;
}
