//! `/api/v1/actors/{path}/fault`, `/api/v1/faults/environment` and `/api/v1/faults`: break something and read the verdict.
//! Does not break anything; `crate::faults` does, where the settings allow it.

use std::time::Duration;

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use tillstream_domain::Action;
use tillstream_supervision::FaultError;
use tokio::time::timeout;

use super::audit::Asked;
use super::auth::Principal;
use super::errors::ApiError;
use super::negotiate::{error_shape, wants_no_waiting};
use super::{Api, body};
use crate::faults::{ENVIRONMENT, FaultRecord, Unavailable, UnderWay};

mod order;

pub use order::{ActorOrder, EnvironmentOrder};

/// A recovery that takes longer is read with GET.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Make an actor or a supervisor fail; answers once it is back, at most 15 s later, with what that cost so far: sales of
/// windows that are not final are counted as `open` and judged when those are, see the fault's own address.
#[utoipa::path(
    post,
    path = "/api/v1/actors/{path}/fault",
    tag = "operation",
    operation_id = "break_actor",
    params(
        ("path" = String, Path, description = "As `/api/v1/actors` names it", example = "root.pipeline.windows.STORE_3"),
        super::documents::FaultHeaders,
    ),
    request_body(content = ActorOrder, example = json!({"kind": "panic"})),
    responses(
        (status = 202, description = "Injected; the state says how far it is", body = FaultRecord,
            headers(("Location" = String, description = "Where its verdict is read"))),
        super::documents::RequestErrors,
    ),
    security(("basic" = []))
)]
pub async fn break_actor(
    api: web::Data<Api>,
    request: HttpRequest,
    path: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let user = admit(&api, &request, Action::InjectFault)?;
    let body = body::read_json(&request, payload, api.settings.max_body, api.settings.body_timeout).await?;
    let fault = order::actor_fault(&body).map_err(|errors| ApiError::invalid_body(errors, error_shape(&request)))?;
    let under_way = api.faults.break_actor(&path, fault, &user.name).await;
    Asked { gate: &api.gate, request: &request, user: &user }.fault(&path, fault.kind.name(), number(&under_way));
    answer(&api, &request, under_way?).await
}

/// Put the environment wrong for a while; answers once the process is ready again, at most 15 s later.
#[utoipa::path(
    post,
    path = "/api/v1/faults/environment",
    tag = "operation",
    operation_id = "break_environment",
    params(super::documents::FaultHeaders),
    request_body(content = EnvironmentOrder, example = json!({"kind": "broker_stall", "seconds": 2})),
    responses(
        (status = 202, description = "Injected; the state says how far it is", body = FaultRecord,
            headers(("Location" = String, description = "Where its verdict is read"))),
        (status = 409, description = "The same condition holds already", body = super::documents::DetailDocument),
        super::documents::RequestErrors,
    ),
    security(("basic" = []))
)]
pub async fn break_environment(
    api: web::Data<Api>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let user = admit(&api, &request, Action::InjectFault)?;
    let body = body::read_json(&request, payload, api.settings.max_body, api.settings.body_timeout).await?;
    let fault =
        order::environment_fault(&body).map_err(|errors| ApiError::invalid_body(errors, error_shape(&request)))?;
    let under_way = api.faults.break_environment(fault, &user.name).await;
    Asked { gate: &api.gate, request: &request, user: &user }.fault(ENVIRONMENT, fault.kind.name(), number(&under_way));
    answer(&api, &request, under_way?).await
}

/// Read one fault and its verdict; what it lost or doubled is certain once `open` is 0.
#[utoipa::path(
    get,
    path = "/api/v1/faults/{id}",
    tag = "operation",
    operation_id = "fault",
    params(("id" = u64, Path, description = "Its number", example = 17)),
    responses(
        (status = 200, description = "The fault as it stands", body = FaultRecord),
        super::documents::ReadErrors,
    ),
    security(("basic" = []))
)]
pub async fn get(api: web::Data<Api>, request: HttpRequest, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    admit(&api, &request, Action::ReadFaults)?;
    let record = id.parse().ok().and_then(|id| api.faults.get(id));
    let record =
        record.ok_or_else(|| ApiError::Unknown("no fault of this number among the newest 1,000".to_owned()))?;
    Ok(HttpResponse::Ok().json(record))
}

/// Read the newest 1,000 faults of this process, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/faults",
    tag = "operation",
    operation_id = "faults",
    responses(
        (status = 200, description = "Newest first", body = [FaultRecord]),
        super::documents::ReadErrors,
    ),
    security(("basic" = []))
)]
pub async fn list(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    admit(&api, &request, Action::ReadFaults)?;
    Ok(HttpResponse::Ok().json(api.faults.newest(usize::MAX)))
}

/// The user, if the user may do this here.
fn admit(api: &Api, request: &HttpRequest, action: Action) -> Result<Principal, ApiError> {
    let user = api.gate.authorize(request, action)?;
    if api.faults.is_enabled() { Ok(user) } else { Err(api.gate.refuse_fault(request, &user)) }
}

/// For the audit trail.
fn number<E: ToString>(under_way: &Result<UnderWay, E>) -> Result<u64, String> {
    under_way.as_ref().map(|under_way| under_way.id).map_err(ToString::to_string)
}

async fn answer(api: &Api, request: &HttpRequest, under_way: UnderWay) -> Result<HttpResponse, ApiError> {
    let UnderWay { id, done } = under_way;
    if !wants_no_waiting(request) {
        // Either way the book says how far it is.
        let _ = timeout(ANSWER_WITHIN, done).await;
    }
    let record = api.faults.get(id);
    let record =
        record.ok_or_else(|| ApiError::Unavailable("1,000 newer faults were injected meanwhile".to_owned()))?;
    Ok(HttpResponse::Accepted().insert_header((LOCATION, format!("/api/v1/faults/{id}"))).json(record))
}

impl From<FaultError> for ApiError {
    fn from(error: FaultError) -> Self {
        match error {
            FaultError::NoSuchActor(_) => Self::Unknown(error.to_string()),
        }
    }
}

impl From<Unavailable> for ApiError {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::RoleAbsent(_) | Unavailable::BrokerElsewhere => Self::Unknown(unavailable.to_string()),
            Unavailable::InForce(_) => Self::Conflict(unavailable.to_string()),
        }
    }
}
