//! A consumer over a database that can be opened and not written, on a paused clock.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tillstream_messages::{HealthBoard, Leg};
use tillstream_supervision::{ActorSpec, Handle, Place, Strategy, Supervisor, SupervisorSpec, supervised};
use tokio::task::LocalSet;

use super::*;
use crate::testing::{TestSale, plan_for_test};

/// A database of nothing.
struct NoBook;

#[derive(Clone, Default)]
struct NoStore {
    full: Arc<AtomicBool>,
    opened: Arc<AtomicU32>,
}

/// The one database of this file's test.
static STORE: LazyLock<NoStore> = LazyLock::new(NoStore::default);

impl Book for NoBook {
    type Store = NoStore;
    type Change = ();
    type Errand = ();
    type Links = ();

    const SIDE: Side = Side::Turnover;
    const DIRECTORY: &'static str = "nothing";
    const READ: Read = Read::Reporting;

    fn queue(plan: &ReportingPlan) -> &str {
        &plan.reporting_queue
    }

    fn open(_plan: &ReportingPlan, _now: DateTime<Utc>) -> Result<(NoStore, Self), StoreError> {
        STORE.opened.fetch_add(1, Ordering::Relaxed);
        Ok((STORE.clone(), Self))
    }

    fn describe(_message: &InboundMessage, _plan: &ReportingPlan, _step: &mut Step) {}

    fn write(store: &NoStore, _job: &Job<Self>) -> Result<Written<()>, StoreError> {
        if store.full.load(Ordering::Relaxed) {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into());
        }
        Ok(Written { change: (), rejects: Vec::new(), notes: Vec::new() })
    }

    fn housekeeping(_store: &NoStore, _job: &Job<Self>) -> Result<(), StoreError> {
        Ok(())
    }

    fn errand(&mut self) {}

    fn absorb(&mut self, (): (), _plan: &ReportingPlan) {}

    fn tick(_consumer: &mut Consumer<Self>, _ctx: &mut SupervisedContext<Consumer<Self>>) {}
}

type NoConsumer = Consumer<NoBook>;

supervised!(NoConsumer);

fn spawn_for_test(root: &Supervisor, directory: &Path, health: &HealthBoard) -> Handle<NoConsumer> {
    let leg = SharedLeg::new(health.clone());
    leg.set(Side::Ledger, LegState::Up);
    let wiring: Wiring<NoBook> = Wiring {
        settings: ReportingSettings::default(),
        plan: Arc::new(plan_for_test(directory)),
        acknowledge: Port::from_fn(|_| ()),
        rebind: Port::from_fn(|_| ()),
        publish: Port::from_fn(|_| Ok(())),
        leg,
        shelf: Shelf::default(),
        journeys: JourneyBook::new(&ReportingSettings::default()),
        links: (),
    };
    let spec = ActorSpec::new("nothing", "nothing");
    root.spawn(spec, &Place::here(), move || NoConsumer::new(wiring.clone())).expect("spawned")
}

#[test]
fn a_database_that_opens_and_takes_no_write_takes_the_leg_down_until_it_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("built");
    LocalSet::new().block_on(&runtime, async {
        let (directory, health) = (tempfile::tempdir().expect("a directory"), HealthBoard::default());
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
        let consumer = spawn_for_test(&root, directory.path(), &health);
        tokio::time::sleep(TICK).await;
        assert_eq!(health.get(Leg::ReportingState), LegState::Up);

        STORE.full.store(true, Ordering::Relaxed);
        consumer.ask(FlowBound { epoch: 1, window: 10 }, TICK).await.expect("told");
        let sale = TestSale { id: 1, store: 1, cents: 5, second: 0 };
        consumer.ask(MessagesDelivered { epoch: 1, messages: vec![sale.receipt(1)] }, TICK).await.expect("taken");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(STORE.opened.load(Ordering::Relaxed) > 10, "it was opened again and again");
        for _ in 0..100 {
            assert!(matches!(health.get(Leg::ReportingState), LegState::Down(_)), "up although nothing is stored");
            tokio::time::sleep(Duration::from_millis(70)).await;
        }

        STORE.full.store(false, Ordering::Relaxed);
        tokio::time::sleep(REOPEN.1 * 2).await;
        assert_eq!(health.get(Leg::ReportingState), LegState::Up);
    });
}
