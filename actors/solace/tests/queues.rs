//! Queues that are shut, deleted or give a message up, through the official client library on the embedded broker and its
//! listener: what publishers are told, and how flows come back.
//! In real time, because library and broker work on threads of their own: tests wait for what must come.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use support::embedded::{Embedded, FLOW, PREFIX};
use support::notebook::Seen;
use support::{WITHIN, locally, until};
use tillstream_broker::Side;
use tillstream_domain::{AGGREGATION_QUEUE, LEDGER_QUEUE, REJECTED_QUEUE, dead_message_queue, store_queue};
use tillstream_messages::{
    AcknowledgeDeliveries, HealthBoard, Leg, LegState, PublishError, PublishMessage, RebindFlow,
};
use tillstream_solace::{SolaceFlow, SolacePublisher};
use tillstream_supervision::{Handle, Place, Strategy, Supervisor, SupervisorSpec};
use uuid::Uuid;

/// A publisher and a flow of one queue on a broker that a test can spoil.
struct Bench {
    broker: Embedded,
    health: HealthBoard,
    publisher: Handle<SolacePublisher>,
    flow: Handle<SolaceFlow>,
    seen: Arc<Seen>,
    _root: Supervisor,
}

impl Bench {
    /// The flow binds this queue.
    async fn on(queue: &str) -> Self {
        let (broker, place) = (Embedded::start(), Place::here());
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
        let health = HealthBoard::default();
        let publisher = broker.publisher(&root, &place, &health);
        let (flow, seen) = broker.flow(&root, &place, &health, queue);
        let bench = Self { broker, health, publisher, flow, seen, _root: root };
        bench.up(Leg::Publish).await;
        bench.up(FLOW).await;
        bench
    }

    async fn up(&self, leg: Leg) {
        until(&format!("leg {leg:?} is up"), || self.health.get(leg) == LegState::Up).await;
    }

    async fn down(&self, leg: Leg, because: &str) {
        let so = || matches!(self.health.get(leg), LegState::Down(why) if why.contains(because));
        until(&format!("leg {leg:?} is down because `{because}`"), so).await;
    }

    async fn publish_on(&self, kind: &str, number: u32) -> Result<(), PublishError> {
        let topic = format!("{PREFIX}/{kind}/{number}");
        let order = PublishMessage::new(topic, Uuid::from_u128(number.into()), number.to_string(), 1);
        self.publisher.ask(order, WITHIN).await.expect("the publisher answers")
    }

    /// All at once; the numbers of those that were acknowledged, and why the others were not.
    async fn sell(&self, numbers: std::ops::Range<u32>) -> (Vec<u32>, Vec<PublishError>) {
        let answers = join_all(numbers.clone().map(|number| self.publish_on("receipt/STORE_1", number))).await;
        let mut sold = (Vec::new(), Vec::new());
        for (number, answer) in numbers.zip(answers) {
            match answer {
                Ok(()) => sold.0.push(number),
                Err(error) => sold.1.push(error),
            }
        }
        sold
    }

    async fn delivered(&self, expected: &[u32]) {
        until(&format!("{expected:?} are delivered"), || self.seen.numbers() == expected).await;
    }

    /// Everything that was delivered last.
    fn acknowledge_all(&self) {
        self.flow.tell(AcknowledgeDeliveries { tags: self.seen.newest().into_values().collect() }).unwrap();
    }

    async fn deep(&self, queue: &str, depth: u64) {
        until(&format!("{queue} holds {depth}"), || self.broker.stats(queue).depth == depth).await;
    }

    fn lost(&self) -> Vec<String> {
        self.seen.lost.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn while_a_sales_queue_takes_nothing_every_sale_is_refused_and_the_next_one_is_taken_when_it_does() {
    locally(async {
        let bench = Bench::on(AGGREGATION_QUEUE).await;
        for (round, queue) in (0..).zip([AGGREGATION_QUEUE, LEDGER_QUEUE]) {
            bench.broker.shut(queue, Side::Incoming);

            let (taken, refused) = bench.sell(round * 100..round * 100 + 50).await;

            assert_eq!((taken, refused.len()), (vec![], 50));
            let shut = |error: &PublishError| matches!(error, PublishError::Refused { reason, .. } if reason.contains("Queue Shutdown"));
            assert!(refused.iter().all(shut), "{refused:?}");
            assert_eq!(bench.health.get(Leg::Publish), LegState::Up, "the session is well, and other topics go on");
            bench.broker.reopen(queue, Side::Incoming);
            assert_eq!(bench.sell(round * 100 + 50..round * 100 + 51).await.0, [round * 100 + 50]);
        }
        assert_eq!([AGGREGATION_QUEUE, LEDGER_QUEUE].map(|queue| bench.broker.stats(queue).depth), [2, 2]);
    })
    .await;
}

#[tokio::test]
async fn under_load_a_sale_is_acknowledged_exactly_if_the_queue_that_is_shut_and_opened_has_it() {
    locally(async {
        let bench = Bench::on(AGGREGATION_QUEUE).await;
        let (mut acknowledged, mut refused) = (BTreeSet::new(), 0);

        for round in 0..40 {
            let switching = async {
                tokio::task::yield_now().await;
                match round % 2 {
                    0 => bench.broker.shut(AGGREGATION_QUEUE, Side::Incoming),
                    _ => bench.broker.reopen(AGGREGATION_QUEUE, Side::Incoming),
                }
            };
            let ((taken, errors), ()) = tokio::join!(bench.sell(round * 500..round * 500 + 500), switching);
            acknowledged.extend(taken);
            refused += errors.len();
        }

        assert!(acknowledged.len() > 500 && refused > 500, "{} taken, {refused} refused", acknowledged.len());
        until("all that is stored is delivered", || {
            bench.seen.numbers().len() as u64 == bench.broker.stats(AGGREGATION_QUEUE).depth
        })
        .await;
        assert_eq!(bench.seen.numbers().into_iter().collect::<BTreeSet<_>>(), acknowledged);
        assert_eq!(bench.seen.numbers().len(), acknowledged.len(), "none twice");
    })
    .await;
}

#[tokio::test]
async fn a_store_queue_that_takes_nothing_refuses_nobody_and_counts_what_it_missed() {
    locally(async {
        let bench = Bench::on(AGGREGATION_QUEUE).await;
        bench.broker.shut(&store_queue(1), Side::Incoming);

        assert_eq!(bench.publish_on("aggregations/STORE_1/event", 1).await, Ok(()));

        let missed = bench.broker.stats(&store_queue(1));
        assert_eq!((missed.depth, missed.discarded), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn a_flow_whose_queue_is_shut_says_so_and_has_everything_again_when_it_is_open() {
    locally(async {
        let bench = Bench::on(AGGREGATION_QUEUE).await;
        assert_eq!(bench.sell(0..3).await.0, [0, 1, 2]);
        bench.delivered(&[0, 1, 2]).await;

        bench.broker.shut(AGGREGATION_QUEUE, Side::Outgoing);

        bench.down(FLOW, "enable its outgoing side").await;
        assert_eq!(bench.lost().len(), 1, "{:?}", bench.lost());
        assert_eq!(bench.sell(3..4).await.0, [3], "it takes sales all the same");
        // What is acknowledged too late means nothing.
        bench.acknowledge_all();
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        bench.down(FLOW, "enable its outgoing side").await;
        assert_eq!(bench.broker.stats(AGGREGATION_QUEUE).depth, 4);

        bench.broker.reopen(AGGREGATION_QUEUE, Side::Outgoing);
        bench.up(FLOW).await;
        bench.delivered(&[0, 1, 2, 0, 1, 2, 3]).await;
        let again: Vec<bool> = bench.seen.messages.lock().unwrap()[3..].iter().map(|one| one.redelivered).collect();
        assert_eq!((again, bench.seen.epochs()), (vec![true, true, true, false], vec![1, 2]));
        bench.acknowledge_all();
        bench.deep(AGGREGATION_QUEUE, 0).await;
    })
    .await;
}

#[tokio::test]
async fn a_sales_queue_that_is_deleted_refuses_every_sale_and_both_sides_go_on_when_it_is_made_again() {
    locally(async {
        let bench = Bench::on(AGGREGATION_QUEUE).await;
        assert_eq!(bench.sell(0..2).await.0, [0, 1]);
        bench.delivered(&[0, 1]).await;
        bench.acknowledge_all();
        bench.deep(AGGREGATION_QUEUE, 0).await;

        bench.broker.start_again_without(&[AGGREGATION_QUEUE, LEDGER_QUEUE]).await;

        bench.down(FLOW, "no such queue").await;
        bench.up(Leg::Publish).await;
        let (taken, refused) = bench.sell(2..52).await;
        assert_eq!((taken, refused.len()), (vec![], 50));
        assert!(refused.iter().all(|error| matches!(error, PublishError::NoSubscriber(_))), "{refused:?}");

        bench.broker.start_again_without(&[]).await;
        bench.up(FLOW).await;
        bench.up(Leg::Publish).await;
        assert_eq!(bench.sell(100..101).await.0, [100]);
        bench.delivered(&[0, 1, 100]).await;
    })
    .await;
}

/// The contract: what other queues than the sales' deliver in vain ten times more leaves for the dead-message queue.
#[tokio::test]
async fn a_message_that_is_never_settled_comes_ten_times_again_and_then_lies_in_the_dead_message_queue() {
    locally(async {
        let bench = Bench::on(REJECTED_QUEUE).await;
        let dead = dead_message_queue(REJECTED_QUEUE);
        bench.publish_on("rejected/some-queue", 7).await.unwrap();

        for deliveries in 1..=11 {
            until(&format!("delivery {deliveries}"), || bench.seen.numbers().len() == deliveries).await;
            assert_eq!(bench.broker.stats(&dead).depth, 0);
            bench.flow.tell(RebindFlow).unwrap();
        }

        bench.deep(&dead, 1).await;
        bench.deep(REJECTED_QUEUE, 0).await;
        bench.publish_on("rejected/some-queue", 8).await.unwrap();
        until("the next message comes", || bench.seen.numbers().last() == Some(&8)).await;
        assert_eq!(bench.seen.numbers().len(), 12, "{:?}", bench.seen.numbers());
    })
    .await;
}

#[tokio::test]
async fn a_sale_that_is_never_settled_comes_for_ever() {
    locally(async {
        let bench = Bench::on(LEDGER_QUEUE).await;
        assert_eq!(bench.sell(0..1).await.0, [0]);

        for deliveries in 1..=15 {
            until(&format!("delivery {deliveries}"), || bench.seen.numbers().len() == deliveries).await;
            bench.flow.tell(RebindFlow).unwrap();
        }

        until("it comes once more", || bench.seen.numbers().len() == 16).await;
        assert_eq!(bench.broker.stats(LEDGER_QUEUE).depth, 1);
    })
    .await;
}
