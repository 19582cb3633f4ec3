use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use tillstream_audit::AuditTrail;
use tillstream_domain::{Money, StoreId};
use tillstream_messages::{
    EnvironmentFaults, HealthBoard, LedgerReport, Leg, LegState, QueryError, QueryLedger, StoreLedger, WallClock,
};
use tillstream_session::Backend;
use tillstream_supervision::{Place, Port, Strategy, Supervisor, SupervisorSpec};
use tokio::task::LocalSet;
use tokio::time::sleep;

use super::*;
use crate::faults::{Environment, EnvironmentFault, EnvironmentKind, Faults, InForce};
use crate::http::Health;

/// A ledger that says what the test wants, and how often it was asked.
#[derive(Clone, Default)]
struct Script {
    report: Arc<Mutex<Option<LedgerReport>>>,
    asked: Arc<AtomicUsize>,
}

impl Script {
    /// One store with two sales in open windows (unless there are none) and so many missing sales of 1.00.
    fn says(&self, open_starts: Option<(i64, i64)>, missing: i64) {
        let money = Money::from_cents;
        let nothing = (0, money(0));
        let store = StoreLedger {
            store: StoreId::from_number(3).unwrap(),
            accepted: nothing,
            in_windows: nothing,
            late: nothing,
            rejected: nothing,
            open: open_starts.map_or(nothing, |_| (2, money(250))),
            open_starts,
            imbalance_count: missing,
            imbalance_cents: missing * 100,
        };
        *self.report.lock().unwrap() = Some(LedgerReport { stores: vec![store], poison: 0 });
    }

    fn says_nothing(&self) {
        *self.report.lock().unwrap() = None;
    }

    fn faults(&self) -> Faults {
        let own = self.clone();
        let port = Port::from_fn(move |_: QueryLedger| {
            own.asked.fetch_add(1, Ordering::Relaxed);
            own.report.lock().unwrap().clone().ok_or_else(|| QueryError::Storage("gone".to_owned()))
        });
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
        let environment = Environment {
            broker: None,
            backend: Backend::Embedded,
            roles: "pos".parse().unwrap(),
            clock: WallClock::default(),
            switches: EnvironmentFaults::default(),
            in_force: InForce::default(),
        };
        let board = HealthBoard::default();
        board.set(Leg::Secrets, LegState::Up);
        Faults::new(
            true,
            root,
            environment,
            Some(port.into()),
            Health::new(&"pos".parse().unwrap(), board, || None),
            AuditTrail::default(),
        )
    }
}

/// A fault that is over at once; its number.
async fn fault_for_test(faults: &Faults) -> u64 {
    let lasts = Duration::from_millis(100);
    let fault = EnvironmentFault { kind: EnvironmentKind::Clock, lasts, shift: TimeDelta::hours(1) };
    let under_way = faults.break_environment(fault, "admin").await.unwrap();
    under_way.done.await.unwrap();
    under_way.id
}

/// Lost, double and open sales.
fn counts_of(faults: &Faults, id: u64) -> [i64; 3] {
    let verdict = serde_json::to_value(faults.get(id).unwrap().verdict).unwrap();
    ["lost", "double", "open"].map(|side| verdict[side]["count"].as_i64().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_loss_shows_in_the_verdict_once_the_windows_that_it_left_open_are_final() {
    let story = async {
        let ledger = Script::default();
        ledger.says(None, 0);
        let faults = ledger.faults();
        ledger.says(Some((10, 20)), 0);
        let id = fault_for_test(&faults).await;
        assert_eq!(counts_of(&faults, id), [0, 0, 2], "as it was answered");

        ledger.says(Some((20, 30)), 1);
        sleep(LOOK_EVERY * 4).await;
        assert_eq!(counts_of(&faults, id), [0, 0, 2], "the window that starts at 20 is open");
        ledger.says(Some((30, 40)), 1);
        sleep(LOOK_EVERY * 8).await;

        assert_eq!(counts_of(&faults, id), [1, 0, 0], "later windows are not its business");
    };
    LocalSet::new().run_until(story).await;
}

#[tokio::test(start_paused = true)]
async fn a_difference_that_passes_is_no_loss() {
    let story = async {
        let ledger = Script::default();
        ledger.says(Some((10, 10)), 0);
        let faults = ledger.faults();
        let id = fault_for_test(&faults).await;

        ledger.says(None, 1);
        sleep(LOOK_EVERY * 4 + LOOK_EVERY / 2).await;
        assert_eq!(counts_of(&faults, id)[2], 2);
        ledger.says(None, 0);
        sleep(LOOK_EVERY).await;

        assert_eq!(counts_of(&faults, id), [0, 0, 0]);
    };
    LocalSet::new().run_until(story).await;
}

#[tokio::test(start_paused = true)]
async fn windows_that_do_not_become_final_in_time_stay_open_in_the_verdict() {
    let story = async {
        let ledger = Script::default();
        ledger.says(Some((10, 10)), 0);
        let faults = ledger.faults();
        let id = fault_for_test(&faults).await;
        ledger.says_nothing();
        sleep(GIVE_UP_AFTER + LOOK_EVERY * 2).await;
        let asked = ledger.asked.load(Ordering::Relaxed);

        ledger.says(None, 0);
        sleep(LOOK_EVERY * 2).await;

        assert_eq!(counts_of(&faults, id), [0, 0, 2]);
        assert_eq!(ledger.asked.load(Ordering::Relaxed), asked, "nobody looks any more");
        ledger.says(Some((10, 10)), 0);
        let next = fault_for_test(&faults).await;
        ledger.says(None, 0);
        sleep(LOOK_EVERY * 2).await;
        assert_eq!(counts_of(&faults, next), [0, 0, 0], "the next fault is looked at again");
    };
    LocalSet::new().run_until(story).await;
}

#[tokio::test(start_paused = true)]
async fn the_ledger_is_asked_once_for_the_windows_of_all_faults() {
    let story = async {
        let ledger = Script::default();
        ledger.says(Some((10, 10)), 0);
        let faults = ledger.faults();
        for _ in 0..3 {
            fault_for_test(&faults).await;
        }
        let before = ledger.asked.load(Ordering::Relaxed);

        sleep(LOOK_EVERY * 6).await;

        assert_eq!(ledger.asked.load(Ordering::Relaxed) - before, 6);
    };
    LocalSet::new().run_until(story).await;
}
