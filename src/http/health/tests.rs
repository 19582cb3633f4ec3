//! Which legs a process needs, and what the health routes say when they stand and when they do not.

use actix_web::body::MessageBody;

use super::*;

fn health_for_test(roles: &str) -> (Health, HealthBoard) {
    let board = HealthBoard::default();
    (Health::new(&roles.parse().unwrap(), board.clone(), || None), board)
}

#[test]
fn a_process_is_ready_when_every_leg_of_its_roles_stands() {
    let (health, board) = health_for_test("validation");
    assert!(health.trouble().unwrap().contains("not started yet"));
    for leg in [Leg::Secrets, Leg::Publish, Leg::Clock] {
        assert!(!health.has_started());
        board.set(leg, LegState::Up);
    }
    assert!(health.is_ready());
}

#[test]
fn a_leg_of_another_role_does_not_matter() {
    let (health, board) = health_for_test("pos");
    board.set(Leg::Secrets, LegState::Up);
    board.set(Leg::Publish, LegState::Down("gone".to_owned()));
    assert!(health.is_ready());
}

#[test]
fn on_solace_health_says_whose_publish_is_down_and_on_the_embedded_broker_there_is_one() {
    let legs = |roles: &str, backend| legs_on(&roles.parse().unwrap(), backend);
    let publish = |roles: &str, backend| -> Vec<&str> {
        let legs = legs(roles, backend);
        legs.iter().map(|leg| leg.name()).filter(|name| name.starts_with("publish")).collect()
    };
    let three = "validation,aggregation,reporting";
    assert_eq!(publish(three, Backend::Embedded), ["publish"]);
    assert_eq!(publish(three, Backend::Solace), ["publish", "publish_aggregation", "publish_reporting"]);
    assert_eq!(publish("reporting", Backend::Solace), ["publish_reporting"]);
    assert!(!legs("validation,aggregation", Backend::Solace).contains(&Leg::HandOver));
    assert!(legs("aggregation,reporting", Backend::Solace).contains(&Leg::HandOver));
}

#[test]
fn what_troubles_a_leg_that_stands_is_said_and_costs_nothing_yet() {
    let (health, board) = health_for_test("pos");
    board.set(Leg::Secrets, LegState::Up);
    board.remark(Leg::Secrets, Some("the file is gone".to_owned()));
    assert!(health.is_ready());
    assert_eq!(health.checks()["secrets"], "up, but the file is gone");
    board.remark(Leg::Secrets, None);
    assert_eq!(health.checks()["secrets"], "up");
}

#[test]
fn a_process_that_waits_for_secrets_and_then_for_a_certificate_lives_has_not_started_and_says_why() {
    let board = HealthBoard::default();
    let health = Health::waiting(board.clone(), vec![Leg::Secrets, Leg::Certificate]);
    board.set(Leg::Secrets, LegState::Down("the server is sealed".to_owned()));
    let statuses = [health.life(), health.beginning(), health.work()].map(|answer| answer.status().as_u16());
    assert_eq!(statuses, [200, 503, 503]);
    assert_eq!(health.trouble().unwrap(), "waiting for secrets: the server is sealed");
    board.set(Leg::Secrets, LegState::Up);
    board.set(Leg::Certificate, LegState::Down("no policy allows it".to_owned()));
    assert_eq!(health.trouble().unwrap(), "waiting for a certificate: no policy allows it");
    assert!(!health.has_started());
}

#[test]
fn startup_stays_over_when_a_leg_goes_down_later() {
    let (health, board) = health_for_test("pos");
    board.set(Leg::Secrets, LegState::Up);
    assert!(health.has_started());
    board.set(Leg::Secrets, LegState::Down("old".to_owned()));
    assert!(health.has_started());
    assert_eq!(health.trouble().unwrap(), "secrets is down: old");
}

#[test]
fn a_draining_process_is_not_ready() {
    let (health, board) = health_for_test("pos");
    board.set(Leg::Secrets, LegState::Up);
    health.start_draining();
    assert_eq!(health.trouble().unwrap(), "the process is shutting down");
}

#[test]
fn a_thread_that_nobody_can_replace_is_named_and_the_process_is_not_ready() {
    let (health, board) = health_for_test("pos");
    board.set(Leg::Secrets, LegState::Up);
    let health = health.watched(|| Some("thread `session` is blocked".to_owned()));
    assert_eq!(health.trouble().unwrap(), "thread `session` is blocked");
    assert_eq!(health.life().status(), 503);
    assert_eq!(health.checks()["threads"], "thread `session` is blocked");
}

#[test]
fn an_actor_that_gave_up_is_named_to_everybody_and_what_it_said_only_to_who_may_watch() {
    let said = || Some("root.pos: panicked at the till of customer 7".to_owned());
    let health = Health::new(&"pos".parse().unwrap(), HealthBoard::default(), said);
    assert_eq!(health.trouble().unwrap(), "supervision gave up: `root.pos` is over its restart budget");
    assert_eq!(health.checks()["supervision"], "`root.pos` is over its restart budget");
    let answers = [health.work(), health.document()].map(|answer| format!("{:?}", answer.into_body().try_into_bytes()));
    assert!(answers.iter().all(|answer| answer.contains("root.pos") && !answer.contains("customer")), "{answers:?}");
    assert!(health.troubles().iter().any(|trouble| trouble.why.contains("customer 7")));
}
