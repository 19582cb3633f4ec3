//! `POST /api/v1/pos/amount-per-store`: aggregation hands over a window's turnover and waits until the broker has it.
//! Does not know a rule; reading the event and checking it again is the domain's and the validator's.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use tillstream_domain::{Action, AggregatedEvent};
use tillstream_messages::{AggregateRefused, PublishAggregate};

use super::audit::Asked;
use super::errors::ApiError;
use super::negotiate::error_shape;
use super::{Api, body, trace};
use crate::roles::Role;

/// A recorded aggregate.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AggregateAnswer {
    /// Always `success`.
    status: &'static str,
    /// Always `Aggregated data received successfully.`.
    message: &'static str,
}

/// Hand over the turnover of one window. The answer comes once the broker has it on disk.
#[utoipa::path(
    post,
    path = "/api/v1/pos/amount-per-store",
    tag = "validation",
    operation_id = "amount_per_store",
    request_body(
        content = AggregatedEvent,
        description = "One window of one store",
        example = json!(super::examples::aggregate()),
    ),
    responses(
        (status = 200, description = "Recorded: the broker has it on disk", body = AggregateAnswer),
        super::documents::RequestErrors,
    ),
    security(("basic" = []))
)]
pub async fn post(api: web::Data<Api>, request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, ApiError> {
    let validator = api.doors.aggregate.as_ref().ok_or(ApiError::RoleAbsent(Role::Validation))?;
    let user = api.gate.authorize(&request, Action::SendAggregate)?;
    let _place = api.in_flight.enter()?;
    let body = body::read_json(&request, payload, api.settings.max_body, api.settings.body_timeout).await?;
    let shape = error_shape(&request);
    let refuse = |refused| {
        Asked { gate: &api.gate, request: &request, user: &user }.aggregate(&body, &refused);
        ApiError::from_aggregate_refused(refused, shape)
    };
    let event = AggregatedEvent::from_json(&body).map_err(|errors| refuse(AggregateRefused::Invalid(errors)))?;
    let order = PublishAggregate { event, trace: trace::context(&request) };
    let verdict = validator.ask(order, api.settings.answer_within).await?;
    verdict.map_err(refuse)?;
    let message = "Aggregated data received successfully.";
    Ok(HttpResponse::Ok().json(AggregateAnswer { status: "success", message }))
}
