mod journey;
mod live;
mod traces;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tillstream_domain::{Money, RejectReason, RejectedMessage};
use tillstream_messages::{
    AcknowledgeDeliveries, FlowBound, HealthBoard, InboundMessage, Leg, LegState, MessagesDelivered, PublishError,
    PublishMessage, QueryLedger, QueryTurnover, RebindFlow, StorageSwitch, StorageTrouble,
};
use tillstream_supervision::{Fault, Place, Port, Strategy, Supervisor, SupervisorSpec};
use tokio::task::LocalSet;

use crate::testing::*;
use crate::{ConsumerPorts, FlowPorts, Reporting, ReportingPorts, ReportingSettings, spawn_reporting};

const WITHIN: Duration = Duration::from_secs(30);

/// A flow that remembers what it is told.
#[derive(Clone, Default)]
struct TestFlow {
    acknowledged: Arc<Mutex<Vec<u64>>>,
    rebinds: Arc<AtomicU32>,
}

impl TestFlow {
    fn ports(&self) -> FlowPorts {
        let (acknowledged, rebinds) = (self.acknowledged.clone(), self.rebinds.clone());
        FlowPorts {
            acknowledge: Port::from_fn(move |order: AcknowledgeDeliveries| {
                acknowledged.lock().expect("not poisoned").extend(order.tags.iter().map(|tag| tag.number));
            }),
            rebind: Port::from_fn(move |_: RebindFlow| {
                rebinds.fetch_add(1, Ordering::Relaxed);
            }),
        }
    }

    fn acknowledged(&self) -> Vec<u64> {
        self.acknowledged.lock().expect("not poisoned").clone()
    }
}

/// Reporting between two flows and a broker, all of which are the test's.
struct Bench {
    root: Supervisor,
    reporting: Reporting,
    turnover_flow: TestFlow,
    ledger_flow: TestFlow,
    published: Arc<Mutex<Vec<PublishMessage>>>,
    /// How many publishes the broker still refuses.
    refusals: Arc<AtomicU32>,
    health: HealthBoard,
    disk: StorageSwitch,
}

impl Bench {
    fn start(directory: &Path) -> Self {
        Self::with(directory, ReportingSettings::default())
    }

    fn with(directory: &Path, settings: ReportingSettings) -> Self {
        let place = Place::here();
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
        let (turnover_flow, ledger_flow, health) = (TestFlow::default(), TestFlow::default(), HealthBoard::default());
        let (published, refusals): (Arc<Mutex<Vec<PublishMessage>>>, Arc<AtomicU32>) = Default::default();
        let (kept, refused) = (published.clone(), refusals.clone());
        let publish = Port::from_fn(move |message: PublishMessage| {
            let refuse = refused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
            if refuse {
                return Err(PublishError::Overloaded);
            }
            kept.lock().expect("not poisoned").push(message);
            Ok(())
        });
        let ports = ReportingPorts { turnover_flow: turnover_flow.ports(), ledger_flow: ledger_flow.ports(), publish };
        let settings = ReportingSettings { commit_interval: Duration::from_millis(5), ..settings };
        let plan = plan_for_test(directory);
        let disk = plan.storage.clone();
        let reporting = spawn_reporting(&root, &place, &settings, plan, ports, health.clone()).expect("spawned");
        Self { root, reporting, turnover_flow, ledger_flow, published, refusals, health, disk }
    }

    async fn kill(&self, path: &str) {
        self.root.inject(path, Fault::Panic).expect("injected");
        // Any message wakes the fault; its answer may be lost with the incarnation.
        let _ = self.reporting.ledger.ask(QueryLedger, WITHIN).await;
        let _ = self.reporting.turnover.ask(QueryTurnover::default(), WITHIN).await;
    }

    async fn stop(self) {
        self.root.shutdown().await;
    }
}

async fn bind(consumer: &ConsumerPorts, epoch: u32) {
    consumer.bound.ask(FlowBound { epoch, window: 100 }, WITHIN).await.expect("told");
}

async fn deliver(consumer: &ConsumerPorts, epoch: u32, mut messages: Vec<InboundMessage>) {
    for message in &mut messages {
        message.tag.epoch = epoch;
    }
    consumer.delivered.ask(MessagesDelivered { epoch, messages }, WITHIN).await.expect("taken");
}

/// Waits for something that has to come; the deadline names who is stuck.
async fn until(stuck: &str, mut holds: impl FnMut() -> bool) {
    let polling = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(WITHIN, polling).await.is_ok(), "stuck: {stuck}");
}

fn sales_for_test() -> Vec<TestSale> {
    (1..=6).map(|id| TestSale { id, store: 1 + id as u32 % 2, cents: 100, second: 4 }).collect()
}

#[tokio::test]
async fn journals_that_a_former_incarnation_may_have_failed_to_sync_are_written_anew() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let directory = tempfile::tempdir().expect("a directory");
            let bench = Bench::start(directory.path());
            let _ = bench.reporting.ledger.ask(QueryLedger, WITHIN).await;
            let journal = |name| directory.path().join(name).join("0.jnl");
            until("both databases do not appear", || journal("ledger").exists() && journal("turnover").exists()).await;
            let files = || ["ledger", "turnover"].map(|name| journal(name).metadata().map(|file| file.ino()).ok());
            let before = files();
            bench.kill("root.ledger").await;
            bench.kill("root.turnover").await;
            until("the journals are not written anew", || {
                files().iter().zip(before).all(|(now, before)| *now != before)
            })
            .await;
            bench.stop().await;
        })
        .await;
}

#[tokio::test]
async fn both_sides_are_acknowledged_once_committed_and_the_ledger_balances_over_a_restart_of_the_process() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let directory = tempfile::tempdir().expect("a directory");
            let bench = Bench::start(directory.path());
            let sales = sales_for_test();
            let of =
                |store: u32| -> Vec<TestSale> { sales.iter().copied().filter(|sale| sale.store == store).collect() };
            let events = [1, 2].map(|store| event_for_test(&of(store), true));
            bind(&bench.reporting.ledger_consumer, 1).await;
            bind(&bench.reporting.turnover_consumer, 1).await;

            deliver(&bench.reporting.ledger_consumer, 1, sales.iter().map(|sale| sale.receipt(sale.id)).collect())
                .await;
            let told = events.iter().zip(1..).map(|(event, number)| aggregation_for_test(number, event)).collect();
            deliver(&bench.reporting.turnover_consumer, 1, told).await;
            until("ledger or turnover does not acknowledge all", || {
                bench.ledger_flow.acknowledged().len() == 6 && bench.turnover_flow.acknowledged().len() == 2
            })
            .await;

            assert_eq!(bench.health.get(Leg::ReportingState), LegState::Up);
            bench.stop().await;
            let bench = Bench::start(directory.path());
            until("ledger or turnover does not report that its state is usable", || {
                bench.health.get(Leg::ReportingState) == LegState::Up
            })
            .await;
            let report = bench.reporting.ledger.ask(QueryLedger, WITHIN).await.expect("asked").expect("answered");
            let totals: Vec<_> = report.stores.iter().map(|line| (line.accepted, line.imbalance_cents)).collect();
            assert_eq!(totals, [((3, Money::from_cents(300)), 0); 2]);
            let question = QueryTurnover { limit: 10, ..QueryTurnover::default() };
            let rows = bench.reporting.turnover.ask(question, WITHIN).await.expect("asked").expect("answered");
            assert_eq!(rows.iter().map(|row| row.event.clone()).collect::<Vec<_>>(), events);
            bench.stop().await;
        })
        .await;
}

#[tokio::test]
async fn a_killed_ledger_takes_nothing_of_the_old_binding_and_counts_what_comes_again_once() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let directory = tempfile::tempdir().expect("a directory");
            let bench = Bench::start(directory.path());
            let receipts: Vec<_> = sales_for_test().iter().map(|sale| sale.receipt(sale.id)).collect();
            bind(&bench.reporting.ledger_consumer, 1).await;
            deliver(&bench.reporting.ledger_consumer, 1, receipts[..3].to_vec()).await;
            until("the ledger does not acknowledge", || bench.ledger_flow.acknowledged().len() == 3).await;

            bench.kill("root.ledger").await;
            until("the ledger does not ask for a new binding", || {
                bench.ledger_flow.rebinds.load(Ordering::Relaxed) > 0
            })
            .await;
            deliver(&bench.reporting.ledger_consumer, 1, receipts[3..].to_vec()).await;
            until("ledger or turnover does not report that its state is usable", || {
                bench.health.get(Leg::ReportingState) == LegState::Up
            })
            .await;
            bind(&bench.reporting.ledger_consumer, 2).await;
            deliver(&bench.reporting.ledger_consumer, 2, receipts.clone()).await;
            until("the ledger does not acknowledge", || bench.ledger_flow.acknowledged().len() == 9).await;

            assert_eq!(bench.ledger_flow.acknowledged(), [1, 2, 3, 1, 2, 3, 4, 5, 6]);
            let report = bench.reporting.ledger.ask(QueryLedger, WITHIN).await.expect("asked").expect("answered");
            assert_eq!(report.stores.iter().map(|line| line.open.0).sum::<u64>(), 6);
            bench.stop().await;
        })
        .await;
}

#[tokio::test]
async fn poison_is_acknowledged_only_after_it_was_published_under_the_rejected_topic() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let directory = tempfile::tempdir().expect("a directory");
            let bench = Bench::start(directory.path());
            bench.refusals.store(1, Ordering::Relaxed);
            let good = TestSale { id: 1, store: 1, cents: 5, second: 0 }.receipt(1);
            let poison = inbound_for_test(2, "sale/pos/transaction/receipt/x", "not a sale");
            bind(&bench.reporting.ledger_consumer, 1).await;

            deliver(&bench.reporting.ledger_consumer, 1, vec![good, poison]).await;
            until("the publisher is not asked again", || bench.refusals.load(Ordering::Relaxed) == 0).await;
            assert_eq!(bench.ledger_flow.acknowledged(), [1]);
            until("the ledger does not acknowledge", || bench.ledger_flow.acknowledged().len() == 2).await;

            let published = bench.published.lock().expect("not poisoned")[0].clone();
            assert_eq!(published.topic, "sale/pos/transaction/rejected/sale_pos_transaction_ledger.q");
            let document = RejectedMessage::from_json(&published.payload).expect("readable");
            assert_eq!((document.reason, document.message_id), (RejectReason::Poison, published.message_id));
            let report = bench.reporting.ledger.ask(QueryLedger, WITHIN).await.expect("asked").expect("answered");
            assert_eq!(report.poison, 1);
            bench.stop().await;
        })
        .await;
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_takes_the_leg_down_and_acknowledges_nothing_until_it_can() {
    let local = LocalSet::new();
    local
        .run_until(async {
            let directory = tempfile::tempdir().expect("a directory");
            let obstacle = directory.path().join("ledger");
            std::fs::write(&obstacle, "in the way").expect("written");
            let bench = Bench::start(directory.path());
            bind(&bench.reporting.ledger_consumer, 1).await;
            let sale = TestSale { id: 1, store: 1, cents: 5, second: 0 };
            deliver(&bench.reporting.ledger_consumer, 1, vec![sale.receipt(1)]).await;

            let is_down = |state| matches!(state, LegState::Down(reason) if reason.contains("directory"));
            until("ledger and turnover do not report that their state is down", || {
                is_down(bench.health.get(Leg::ReportingState))
            })
            .await;
            assert!(bench.ledger_flow.acknowledged().is_empty());
            assert!(bench.reporting.ledger.ask(QueryLedger, WITHIN).await.expect("asked").is_err());
            std::fs::remove_file(&obstacle).expect("removed");

            until("ledger or turnover does not report that its state is usable", || {
                bench.health.get(Leg::ReportingState) == LegState::Up
            })
            .await;
            until("the ledger does not acknowledge", || bench.ledger_flow.acknowledged() == [1]).await;
            bench.stop().await;
        })
        .await;
}

#[tokio::test]
async fn on_a_full_or_read_only_disk_both_sides_acknowledge_nothing_say_why_and_go_on_without_a_restart() {
    let local = LocalSet::new();
    local
        .run_until(async {
            for (trouble, why) in
                [(StorageTrouble::Full, "No space left"), (StorageTrouble::ReadOnly, "Read-only file system")]
            {
                let directory = tempfile::tempdir().expect("a directory");
                let bench = Bench::start(directory.path());
                let sales: Vec<_> = sales_for_test().into_iter().filter(|sale| sale.store == 1).collect();
                bind(&bench.reporting.ledger_consumer, 1).await;
                bind(&bench.reporting.turnover_consumer, 1).await;
                until("ledger or turnover does not report that its state is usable", || {
                    bench.health.get(Leg::ReportingState) == LegState::Up
                })
                .await;

                bench.disk.set(Some(trouble));
                deliver(&bench.reporting.ledger_consumer, 1, sales.iter().map(|sale| sale.receipt(sale.id)).collect())
                    .await;
                let event = event_for_test(&sales, true);
                deliver(&bench.reporting.turnover_consumer, 1, vec![aggregation_for_test(1, &event)]).await;
                let says_why =
                    || matches!(bench.health.get(Leg::ReportingState), LegState::Down(reason) if reason.contains(why));
                until("readiness does not say why", says_why).await;
                assert!(bench.ledger_flow.acknowledged().is_empty() && bench.turnover_flow.acknowledged().is_empty());

                bench.disk.set(None);
                until("ledger or turnover does not report that its state is usable", || {
                    bench.health.get(Leg::ReportingState) == LegState::Up
                })
                .await;
                until("ledger or turnover does not acknowledge all", || {
                    bench.ledger_flow.acknowledged().len() == 3 && bench.turnover_flow.acknowledged() == [1]
                })
                .await;
                let report = bench.reporting.ledger.ask(QueryLedger, WITHIN).await.expect("asked").expect("answered");
                let totals: Vec<_> = report.stores.iter().map(|line| (line.accepted, line.imbalance_cents)).collect();
                assert_eq!(totals, [((3, Money::from_cents(300)), 0)]);
                assert_eq!(bench.turnover_flow.rebinds.load(Ordering::Relaxed), 0, "the actors were not restarted");
                bench.stop().await;
            }
        })
        .await;
}
