//! `/api/v1/health` and `/health/{live,ready,startup}`: whether this process can do what its roles promise.
//! Does not find out itself: rooms write on the board, the supervisor knows who gave up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tillstream_messages::{HealthBoard, Leg, LegState};
use tillstream_session::Backend;

use super::Api;
use crate::roles::{Role, Roles};
use details::{Detail, Details, Status};

mod details;

#[cfg(test)]
mod tests;

pub use details::Figures;

/// The media type of all answers about health: draft-inadarei-api-health-check.
const HEALTH_JSON: &str = "application/health+json";

const OK: &str = "ok";
const ERROR: &str = "error";
/// Where somebody who reads health looks next.
const LINKS: [(&str, &str); 3] =
    [("actors", "/api/v1/actors"), ("metrics", "/metrics"), ("documentation", "/api/v1/pos/docs")];

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
    /// Nothing is built yet: what is not there is waited for.
    waits: bool,
    draining: Arc<AtomicBool>,
    started: Arc<AtomicBool>,
    figures: Option<Figures>,
}

/// One thing that keeps the process from its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A leg, or what else.
    pub what: &'static str,
    /// Where that is known.
    pub since: Option<DateTime<Utc>>,
    /// For a person.
    pub why: String,
}

/// The health document, `application/health+json`; what does not concern a probe stands only in `/api/v1/health`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthAnswer {
    /// `ok` and `error`, as the format's `pass` and `fail` may be written; `warn` while something wants a look.
    status: &'static str,
    /// For a person.
    message: String,
    /// What was looked at: `up`, `up, but` with what is about to bring it down, or why it is down.
    checks: BTreeMap<&'static str, String>,
    /// The same and more in the form of the format: lists of findings by `component:measurement`.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    /// Of the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    /// Of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    release_id: Option<&'static str>,
    /// Where there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<BTreeMap<&'static str, &'static str>>,
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
        let (draining, started) = (Arc::default(), Arc::default());
        let (shown, waits, figures) = (Vec::new(), false, None);
        Self { legs, shown, board, degraded, stuck, waits, draining, started, figures }
    }

    /// The health of a process that has its address and waits for the rest, one after the other.
    pub fn waiting(board: HealthBoard, legs: Vec<Leg>) -> Self {
        let nothing: Word = Arc::new(|| None);
        let (degraded, stuck) = (Arc::clone(&nothing), nothing);
        let (draining, started) = (Arc::default(), Arc::default());
        let (shown, waits, figures) = (Vec::new(), true, None);
        Self { legs, shown, board, degraded, stuck, waits, draining, started, figures }
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

    /// The same with somebody else who knows who gave up.
    #[cfg(test)]
    pub(super) fn with_trouble(self, degraded: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self { degraded: Arc::new(degraded), ..self }
    }

    /// The same, not alive while the watchdog says so.
    pub fn watched(self, stuck: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self { stuck: Arc::new(stuck), ..self }
    }

    /// The same with figures in its document.
    pub fn with(self, figures: Figures) -> Self {
        Self { figures: Some(figures), ..self }
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
        if let Some(who) = self.who_gave_up() {
            return Some(format!("supervision gave up: {who}"));
        }
        if let Some(thread) = self.stuck() {
            return Some(thread);
        }
        let down = self.legs.iter().find_map(|leg| match self.board.get(*leg) {
            LegState::Up => None,
            LegState::Down(reason) if self.waits => Some(format!("waiting for {}: {reason}", awaited(*leg))),
            LegState::Down(reason) => Some(format!("{} is down: {reason}", leg.name())),
        });
        if down.is_none() {
            self.started.store(true, Ordering::Release);
        }
        down
    }

    /// Which actor is over its budget, for whoever asks: what it said when it failed is for the administrator.
    fn who_gave_up(&self) -> Option<String> {
        let trouble = (self.degraded)()?;
        let path = trouble.split_once(": ").map_or(trouble.as_str(), |(path, _)| path);
        Some(format!("`{path}` is over its restart budget"))
    }

    /// Why this process should be ended and started again, if it should.
    fn stuck(&self) -> Option<String> {
        (self.stuck)()
    }

    /// Whether every leg has stood once.
    fn has_started(&self) -> bool {
        self.started.load(Ordering::Acquire) || self.is_ready() || self.started.load(Ordering::Acquire)
    }

    /// Everything that keeps the process from its work, legs first.
    pub fn troubles(&self) -> Vec<Trouble> {
        let draining = self.draining.load(Ordering::Acquire).then(|| "the process is shutting down".to_owned());
        let down = self.legs.iter().filter_map(|leg| match self.board.get(*leg) {
            LegState::Up => None,
            LegState::Down(why) => Some(Trouble { what: leg.name(), since: self.board.since(*leg), why }),
        });
        let others = [("supervision", (self.degraded)()), ("threads", self.stuck()), ("shutdown", draining)];
        let others = others.into_iter().filter_map(|(what, why)| Some(Trouble { what, since: None, why: why? }));
        down.chain(others).collect()
    }

    fn checks(&self) -> BTreeMap<&'static str, String> {
        let legs = self.legs.iter().chain(&self.shown).map(|leg| match self.board.get(*leg) {
            LegState::Up => {
                (leg.name(), self.board.remark_on(*leg).map_or_else(up, |trouble| format!("up, but {trouble}")))
            }
            LegState::Down(reason) => (leg.name(), reason),
        });
        let supervision = self.who_gave_up().unwrap_or_else(up);
        let threads = self.stuck().unwrap_or_else(up);
        legs.chain([("supervision", supervision), ("threads", threads)]).collect()
    }

    /// How the leg is; one that is only shown takes nobody down.
    fn leg(&self, leg: Leg, is_needed: bool) -> Detail {
        let detail = match self.board.get(leg) {
            LegState::Up => {
                let trouble = self.board.remark_on(leg);
                let status = if trouble.is_some() { Status::Warn } else { Status::Pass };
                Detail::new(status, "up").saying(trouble)
            }
            LegState::Down(reason) => {
                let status = if is_needed { Status::Fail } else { Status::Warn };
                Detail::new(status, "down").saying(Some(reason))
            }
        };
        if leg.is_outside() { detail.of_a_system() } else { detail }
    }

    fn details(&self) -> Details {
        let needed = self.legs.iter().map(|leg| (*leg, self.leg(*leg, true)));
        let legs: Vec<_> = needed.chain(self.shown.iter().map(|leg| (*leg, self.leg(*leg, false)))).collect();
        let status_of = |wanted| legs.iter().find(|(leg, _)| *leg == wanted).map_or(Status::Pass, |(_, d)| d.status());
        let (secrets, clock) = (status_of(Leg::Secrets), status_of(Leg::Clock));
        let mut details = self.figures.as_ref().map(|from| from.details(secrets, clock)).unwrap_or_default();
        details.extend(legs.into_iter().map(|(leg, detail)| (format!("{}:state", leg.name()), vec![detail])));
        details.insert("threads:state".to_owned(), vec![standing(self.stuck())]);
        details.insert("supervision:state".to_owned(), vec![standing(self.who_gave_up())]);
        details
    }

    /// Whether it can do its work, in detail.
    pub(super) fn document(&self) -> HttpResponse {
        let trouble = self.trouble();
        let details = self.details();
        let wants_a_look = details.values().flatten().any(|detail| detail.status() > Status::Pass);
        let mut answer = self.answer(trouble);
        if wants_a_look && answer.status == OK {
            answer.status = "warn";
        }
        answer.respond(Some(details))
    }

    /// Whether it can do its work.
    pub(super) fn work(&self) -> HttpResponse {
        self.answer(self.trouble()).respond(None)
    }

    /// Whether it can help itself.
    pub(super) fn life(&self) -> HttpResponse {
        self.answer(self.stuck()).respond(None)
    }

    /// Whether it has been able to do its work once.
    pub(super) fn beginning(&self) -> HttpResponse {
        self.answer((!self.has_started()).then(|| "the process is still starting".to_owned())).respond(None)
    }

    fn answer(&self, trouble: Option<String>) -> HealthAnswer {
        let status = if trouble.is_some() { ERROR } else { OK };
        let message = trouble.unwrap_or_else(|| "The application is healthy and running.".to_owned());
        let checks = self.checks();
        HealthAnswer { status, message, checks, details: None, version: None, release_id: None, links: None }
    }
}

// === impl HealthAnswer ===

impl HealthAnswer {
    fn respond(mut self, details: Option<Details>) -> HttpResponse {
        if details.is_some() {
            self.details = details;
            self.version = Some("1");
            self.release_id = Some(env!("CARGO_PKG_VERSION"));
            self.links = Some(LINKS.into());
        }
        let code = if self.status == ERROR { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        HttpResponse::build(code).content_type(HEALTH_JSON).json(self)
    }
}

fn standing(trouble: Option<String>) -> Detail {
    let Some(trouble) = trouble else { return Detail::new(Status::Pass, "up") };
    Detail::new(Status::Fail, "down").saying(Some(trouble))
}

/// What a start waits for where this leg is not there, in a sentence.
pub const fn awaited(leg: Leg) -> &'static str {
    match leg {
        Leg::Certificate => "a certificate",
        other => other.name(),
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
        (status = 200, description = "All legs stand", body = HealthAnswer, content_type = "application/health+json"),
        (status = 503, description = "A leg is down", body = HealthAnswer, content_type = "application/health+json"),
    )
)]
pub async fn health(api: web::Data<Api>) -> HttpResponse {
    api.health.document()
}

/// Whether the process can help itself: 503 when a thread is blocked for good and none can take its place.
#[utoipa::path(
    get,
    path = "/health/live",
    tag = "operation",
    operation_id = "live",
    responses(
        (status = 200, description = "The process answers, and its threads do", body = HealthAnswer, content_type = "application/health+json"),
        (status = 503, description = "End it and start it again; nothing that was answered with 200 is lost", body = HealthAnswer, content_type = "application/health+json"),
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
        (status = 200, description = "Send requests", body = HealthAnswer, content_type = "application/health+json"),
        (status = 503, description = "A leg is down or the process is shutting down", body = HealthAnswer, content_type = "application/health+json"),
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
        (status = 200, description = "It has been ready once", body = HealthAnswer, content_type = "application/health+json"),
        (status = 503, description = "Still starting", body = HealthAnswer, content_type = "application/health+json"),
    )
)]
pub async fn startup(api: web::Data<Api>) -> HttpResponse {
    api.health.beginning()
}
