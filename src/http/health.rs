//! `/api/v1/health` and `/health/{live,ready,startup}`: whether this process can do what its roles promise.
//! Does not find out itself: rooms write on the board, the supervisor knows who gave up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpResponse, web};
use serde::Serialize;
use tillstream_messages::{HealthBoard, Leg, LegState};
use tillstream_session::Backend;

use super::Api;
use crate::roles::{Role, Roles};

/// Says what is wrong, if something is.
type Word = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// What all workers look at.
#[derive(Clone)]
pub struct Health {
    legs: Vec<Leg>,
    /// Shown, and not needed.
    shown: Vec<Leg>,
    board: HealthBoard,
    degraded: Word,
    stuck: Word,
    draining: Arc<AtomicBool>,
    started: Arc<AtomicBool>,
}

/// The health document.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct HealthAnswer {
    /// `ok` or `error`.
    status: &'static str,
    /// For a person.
    message: String,
    /// What was looked at: `up`, `up, but` with what is about to bring it down, or why it is down.
    checks: BTreeMap<&'static str, String>,
}

/// The legs that a role stands on, whatever the broker is.
const fn legs_of(role: Role) -> &'static [Leg] {
    match role {
        Role::Validation => &[Leg::Secrets, Leg::Publish, Leg::Clock],
        Role::Aggregation => &[Leg::Secrets, Leg::ConsumeSales, Leg::WindowState],
        Role::Reporting => &[Leg::Secrets, Leg::ConsumeReports, Leg::ConsumeLedger, Leg::ReportingState],
        Role::Pos => &[Leg::Secrets],
    }
}

/// The legs on which a role's messages leave: in this process as everybody's, on Solace in the role's own name.
const fn ways_out(role: Role, backend: Backend) -> &'static [Leg] {
    match (role, backend) {
        (Role::Aggregation, Backend::Embedded) => &[Leg::Publish],
        (Role::Aggregation, Backend::Solace) => &[Leg::PublishAggregation],
        (Role::Reporting, Backend::Solace) => &[Leg::PublishReporting],
        (Role::Validation | Role::Reporting | Role::Pos, _) => &[],
    }
}

/// All legs of these roles, each once.
fn legs_on(roles: &Roles, backend: Backend) -> Vec<Leg> {
    let of_role = |role| [legs_of(role), ways_out(role, backend)].concat();
    let mut legs: Vec<_> = roles.iter().flat_map(of_role).collect();
    if roles.plays(Role::Aggregation) && !roles.plays(Role::Validation) {
        legs.push(Leg::HandOver);
    }
    legs.sort_unstable();
    legs.dedup();
    legs
}

// === impl Health ===

impl Health {
    /// The health of a process that plays `roles` on the embedded broker.
    pub fn new(
        roles: &Roles,
        board: HealthBoard,
        degraded: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let legs = legs_on(roles, Backend::Embedded);
        let (degraded, stuck) = (Arc::new(degraded), Arc::new(|| None));
        Self { legs, shown: Vec::new(), board, degraded, stuck, draining: Arc::default(), started: Arc::default() }
    }

    /// The health of a process that has its address and waits for its secrets.
    pub fn waiting(board: HealthBoard) -> Self {
        let nothing: Word = Arc::new(|| None);
        let (degraded, stuck) = (Arc::clone(&nothing), nothing);
        Self {
            legs: vec![Leg::Secrets],
            shown: Vec::new(),
            board,
            degraded,
            stuck,
            draining: Arc::default(),
            started: Arc::default(),
        }
    }

    /// The same roles on this broker.
    pub fn on(self, roles: &Roles, backend: Backend) -> Self {
        Self { legs: legs_on(roles, backend), ..self }
    }

    /// The same with one leg more, needed for readiness or only shown.
    pub fn also(mut self, leg: Leg, is_needed: bool) -> Self {
        let legs = if is_needed { &mut self.legs } else { &mut self.shown };
        legs.push(leg);
        self
    }

    /// The same, not alive while the watchdog says so.
    pub fn watched(self, stuck: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self { stuck: Arc::new(stuck), ..self }
    }

    /// From now on the process is not ready: it finishes what it has.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether every leg stands and nobody gave up.
    pub fn is_ready(&self) -> bool {
        self.trouble().is_none()
    }

    /// The first reason why the process cannot do its work.
    pub fn trouble(&self) -> Option<String> {
        if self.draining.load(Ordering::Acquire) {
            return Some("the process is shutting down".to_owned());
        }
        if let Some(actor) = (self.degraded)() {
            return Some(format!("supervision gave up: {actor}"));
        }
        if let Some(thread) = self.stuck() {
            return Some(thread);
        }
        let down = self.legs.iter().find_map(|leg| match self.board.get(*leg) {
            LegState::Up => None,
            LegState::Down(reason) => Some(format!("{} is down: {reason}", leg.name())),
        });
        if down.is_none() {
            self.started.store(true, Ordering::Release);
        }
        down
    }

    /// Why this process should be ended and started again, if it should.
    fn stuck(&self) -> Option<String> {
        (self.stuck)()
    }

    /// Whether every leg has stood once.
    fn has_started(&self) -> bool {
        self.started.load(Ordering::Acquire) || self.is_ready() || self.started.load(Ordering::Acquire)
    }

    fn checks(&self) -> BTreeMap<&'static str, String> {
        let legs = self.legs.iter().chain(&self.shown).map(|leg| match self.board.get(*leg) {
            LegState::Up => {
                (leg.name(), self.board.remark_on(*leg).map_or_else(up, |trouble| format!("up, but {trouble}")))
            }
            LegState::Down(reason) => (leg.name(), reason),
        });
        let supervision = (self.degraded)().unwrap_or_else(up);
        let threads = self.stuck().unwrap_or_else(up);
        legs.chain([("supervision", supervision), ("threads", threads)]).collect()
    }

    /// Whether it can do its work.
    pub(super) fn work(&self) -> HttpResponse {
        self.answer(self.trouble())
    }

    /// Whether it can help itself.
    pub(super) fn life(&self) -> HttpResponse {
        self.answer(self.stuck())
    }

    /// Whether it has been able to do its work once.
    pub(super) fn beginning(&self) -> HttpResponse {
        self.answer((!self.has_started()).then(|| "the process is still starting".to_owned()))
    }

    fn answer(&self, trouble: Option<String>) -> HttpResponse {
        let Some(message) = trouble else {
            let message = "The application is healthy and running.".to_owned();
            return HttpResponse::Ok().json(HealthAnswer { status: "ok", message, checks: self.checks() });
        };
        HttpResponse::ServiceUnavailable().json(HealthAnswer { status: "error", message, checks: self.checks() })
    }
}

fn up() -> String {
    "up".to_owned()
}

/// Whether the process can do its work, and what it stands on.
#[utoipa::path(
    get,
    path = "/api/v1/health",
    tag = "operation",
    operation_id = "health",
    responses(
        (status = 200, description = "All legs stand", body = HealthAnswer),
        (status = 503, description = "A leg is down", body = HealthAnswer),
    )
)]
pub async fn health(api: web::Data<Api>) -> HttpResponse {
    api.health.work()
}

/// Whether the process can help itself: 503 when a thread is blocked for good and none can take its place.
#[utoipa::path(
    get,
    path = "/health/live",
    tag = "operation",
    operation_id = "live",
    responses(
        (status = 200, description = "The process answers, and its threads do", body = HealthAnswer),
        (status = 503, description = "End it and start it again; nothing that was answered with 200 is lost", body = HealthAnswer),
    )
)]
pub async fn live(api: web::Data<Api>) -> HttpResponse {
    api.health.life()
}

/// Whether the process should get requests.
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "operation",
    operation_id = "ready",
    responses(
        (status = 200, description = "Send requests", body = HealthAnswer),
        (status = 503, description = "A leg is down or the process is shutting down", body = HealthAnswer),
    )
)]
pub async fn ready(api: web::Data<Api>) -> HttpResponse {
    api.health.work()
}

/// Whether the process has been ready once.
#[utoipa::path(
    get,
    path = "/health/startup",
    tag = "operation",
    operation_id = "startup",
    responses(
        (status = 200, description = "It has been ready once", body = HealthAnswer),
        (status = 503, description = "Still starting", body = HealthAnswer),
    )
)]
pub async fn startup(api: web::Data<Api>) -> HttpResponse {
    api.health.beginning()
}

#[cfg(test)]
mod tests {
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
    fn a_process_that_waits_for_its_secrets_lives_has_not_started_and_says_why() {
        let board = HealthBoard::default();
        let health = Health::waiting(board.clone());
        board.set(Leg::Secrets, LegState::Down("the server is sealed".to_owned()));
        let statuses = [health.life(), health.beginning(), health.work()].map(|answer| answer.status().as_u16());
        assert_eq!(statuses, [200, 503, 503]);
        assert_eq!(health.trouble().unwrap(), "secrets is down: the server is sealed");
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
    fn an_actor_that_gave_up_is_named() {
        let health = Health::new(&"pos".parse().unwrap(), HealthBoard::default(), || Some("root.pos".to_owned()));
        assert_eq!(health.trouble().unwrap(), "supervision gave up: root.pos");
    }
}
