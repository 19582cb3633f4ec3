//! `/api/v1/generator`: how fast the simulated tills of this process ring up sales.
//! Does not ring up anything; the tills look at the rate themselves.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;
use tillstream_audit::Verdict;
use tillstream_domain::{Action, RuleError};

use super::audit::Asked;
use super::errors::ApiError;
use super::negotiate::error_shape;
use super::{Api, body};
use crate::roles::Role;

/// Far beyond what one process posts; a rate is typed by hand and may have a zero too many.
const MAX_RATE: u32 = 100_000;

/// The simulated tills as they are set.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct GeneratorAnswer {
    /// Sales per second, on average.
    #[schema(example = 50)]
    rate: u32,
    /// Whether sales are rung up, that is whether the rate is above 0.
    running: bool,
}

/// What the simulated tills are to do; for the document only.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GeneratorOrder {
    /// Sales per second, on average; 0 pauses, and what is rung up already is still posted.
    #[schema(minimum = 0, maximum = 100_000, example = 0)]
    rate: u32,
}

/// Read the rate of the simulated tills.
#[utoipa::path(
    get,
    path = "/api/v1/generator",
    tag = "operation",
    operation_id = "generator",
    responses(
        (status = 200, description = "As it is set", body = GeneratorAnswer),
        super::documents::ReadErrors,
    ),
    security(("basic" = []))
)]
pub async fn get(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    api.gate.authorize(&request, Action::ControlGenerator)?;
    let rate = api.doors.generator.as_ref().ok_or(ApiError::RoleAbsent(Role::Pos))?;
    Ok(HttpResponse::Ok().json(GeneratorAnswer::of(rate.get())))
}

/// Set the rate of the simulated tills; it holds until the process ends, restarts of the generator included.
#[utoipa::path(
    put,
    path = "/api/v1/generator",
    tag = "operation",
    operation_id = "set_generator",
    request_body(content = GeneratorOrder, example = json!({"rate": 0})),
    responses(
        (status = 200, description = "As it is set now", body = GeneratorAnswer),
        super::documents::RequestErrors,
    ),
    security(("basic" = []))
)]
pub async fn put(api: web::Data<Api>, request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, ApiError> {
    let user = api.gate.authorize(&request, Action::ControlGenerator)?;
    let rate = api.doors.generator.as_ref().ok_or(ApiError::RoleAbsent(Role::Pos))?;
    let body = body::read_json(&request, payload, api.settings.max_body, api.settings.body_timeout).await?;
    let wanted = read_rate(&body).map_err(|error| ApiError::invalid_body(vec![error], error_shape(&request)))?;
    rate.set(wanted);
    tracing::info!(generator.rate = wanted, "the tills' rate is set to {wanted}");
    Asked { gate: &api.gate, request: &request, user: &user }.change(Verdict::Generator, format!("rate {wanted}"));
    Ok(HttpResponse::Ok().json(GeneratorAnswer::of(wanted)))
}

fn read_rate(body: &[u8]) -> Result<u32, RuleError> {
    let fields = serde_json::from_slice::<Value>(body).ok();
    let fields = fields.as_ref().and_then(Value::as_object).filter(|fields| fields.keys().eq(["rate"]));
    let rate = fields.and_then(|fields| fields["rate"].as_u64()).and_then(|rate| u32::try_from(rate).ok());
    rate.filter(|rate| *rate <= MAX_RATE).ok_or_else(|| RuleError {
        path: "rate".to_owned(),
        pointer: "/rate".to_owned(),
        code: "out_of_range",
        message: format!("must be a whole number from 0 to {MAX_RATE}, and the only field").into(),
    })
}

impl GeneratorAnswer {
    const fn of(rate: u32) -> Self {
        Self { rate, running: rate > 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_whole_number_in_its_range_and_stands_alone() {
        assert_eq!(read_rate(br#"{"rate":0}"#).ok(), Some(0));
        assert_eq!(read_rate(br#"{"rate":100000}"#).ok(), Some(MAX_RATE));
        for body in [
            "",
            "[]",
            "{}",
            r#"{"rate":-1}"#,
            r#"{"rate":1.5}"#,
            r#"{"rate":100001}"#,
            r#"{"rate":"1"}"#,
            r#"{"rate":1,"x":2}"#,
        ] {
            assert!(read_rate(body.as_bytes()).is_err(), "{body}");
        }
    }
}
