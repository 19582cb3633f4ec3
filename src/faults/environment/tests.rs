use tillstream_messages::{HealthBoard, Leg, LegState};

use super::*;

fn environment_for_test(dir: &tempfile::TempDir) -> Environment {
    Environment {
        broker: Some(Broker::open(dir.path(), tillstream_broker::BrokerSettings::default(), Vec::new()).unwrap()),
        backend: Backend::Embedded,
        roles: Roles::all(),
        clock: WallClock::default(),
        switches: EnvironmentFaults::default(),
        in_force: InForce::default(),
    }
}

fn health_for_test() -> (Health, HealthBoard) {
    let board = HealthBoard::default();
    board.set(Leg::Secrets, LegState::Up);
    (Health::new(&"pos".parse().unwrap(), board.clone(), || None), board)
}

fn fault_for_test(kind: EnvironmentKind) -> EnvironmentFault {
    EnvironmentFault { kind, lasts: Duration::from_secs(2), shift: TimeDelta::hours(1) }
}

#[tokio::test(start_paused = true)]
async fn a_condition_holds_until_its_end_and_the_recovery_is_measured_from_there() {
    let dir = tempfile::tempdir().unwrap();
    let environment = environment_for_test(&dir);
    let (health, board) = health_for_test();
    let episode = environment.begin(fault_for_test(EnvironmentKind::DiskFull)).unwrap();
    assert!(environment.switches.storage.check().is_err());

    let story = async {
        sleep(Duration::from_millis(500)).await;
        board.set(Leg::Secrets, LegState::Down("full".to_owned()));
        sleep(Duration::from_millis(1_400)).await;
        assert!(environment.switches.storage.check().is_err());
        sleep(Duration::from_millis(400)).await;
        assert!(environment.switches.storage.check().is_ok());
        board.set(Leg::Secrets, LegState::Up);
    };
    let (passage, ()) = futures_util::future::join(episode.outlive(&health), story).await;

    let passage = passage.unwrap();
    let around =
        |wanted: u64, found: Option<Duration>| found.unwrap().abs_diff(Duration::from_millis(wanted)) <= CALM / 10;
    assert!(around(500, passage.detection) && around(300, passage.restart), "{passage:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_does_not_become_ready_has_not_recovered() {
    let dir = tempfile::tempdir().unwrap();
    let (health, board) = health_for_test();
    board.set(Leg::Secrets, LegState::Down("for good".to_owned()));
    let episode = environment_for_test(&dir).begin(fault_for_test(EnvironmentKind::DiskReadonly)).unwrap();
    assert_eq!(episode.outlive(&health).await.unwrap().restart, None);
}

#[tokio::test(start_paused = true)]
async fn a_miscount_has_happened_once_a_sale_took_it_and_is_taken_back_when_none_comes() {
    let dir = tempfile::tempdir().unwrap();
    let environment = environment_for_test(&dir);
    let (health, _board) = health_for_test();
    let episode = environment.begin(fault_for_test(EnvironmentKind::LoseSale)).unwrap();
    assert_eq!(environment.switches.tamper.take(), Some(Tampering::Lose));
    assert!(episode.outlive(&health).await.is_some());

    let episode = environment.begin(fault_for_test(EnvironmentKind::DoubleSale)).unwrap();
    assert!(episode.outlive(&health).await.is_none());
    assert!(!environment.switches.tamper.is_armed());
}

#[tokio::test]
async fn a_switch_takes_one_order_at_a_time_and_is_free_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let environment = environment_for_test(&dir);
    let begin = |kind| environment.begin(fault_for_test(kind));
    let full = begin(EnvironmentKind::DiskFull).unwrap();
    let clock = begin(EnvironmentKind::Clock).unwrap();
    assert_eq!(begin(EnvironmentKind::DiskReadonly).err(), Some(Unavailable::InForce("disk_full")));
    assert_eq!(begin(EnvironmentKind::Clock).err(), Some(Unavailable::InForce("clock")));
    assert!(environment.clock.now() > chrono::Utc::now() + TimeDelta::minutes(59));

    drop((full, clock));
    assert!(environment.clock.now() < chrono::Utc::now() + TimeDelta::minutes(1));
    assert!(begin(EnvironmentKind::DiskReadonly).is_ok());
}

#[tokio::test]
async fn what_runs_elsewhere_cannot_be_disturbed_here() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = Environment { broker: None, roles: "pos".parse().unwrap(), ..environment_for_test(&dir) };
    let refused = |kind| elsewhere.begin(fault_for_test(kind)).err();
    assert_eq!(refused(EnvironmentKind::LoseSale), Some(Unavailable::RoleAbsent(Role::Aggregation)));
    assert_eq!(refused(EnvironmentKind::DiskFull), Some(Unavailable::RoleAbsent(Role::Validation)));
    assert_eq!(refused(EnvironmentKind::Clock), None);
}

#[tokio::test]
async fn on_a_broker_elsewhere_only_what_is_here_can_be_disturbed() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |roles: &str, kind| {
        let (backend, roles) = (Backend::Solace, roles.parse().unwrap());
        Environment { broker: None, backend, roles, ..environment_for_test(&dir) }.begin(fault_for_test(kind)).err()
    };
    for kind in [EnvironmentKind::BrokerStall, EnvironmentKind::DropAcks] {
        assert_eq!(refused("validation,aggregation,reporting", kind), Some(Unavailable::BrokerElsewhere));
        assert_eq!(refused("pos", kind), Some(Unavailable::RoleAbsent(Role::Validation)));
    }
    for roles in ["aggregation", "reporting", "validation,reporting"] {
        assert_eq!(refused(roles, EnvironmentKind::DiskFull), None, "{roles}");
    }
    let stateless = refused("validation", EnvironmentKind::DiskFull);
    assert_eq!(stateless, Some(Unavailable::RoleAbsent(Role::Aggregation)), "validation keeps nothing on disk");
}
