//! `/api/v1/log`: which lines are logged, read and changed while the process runs.
//! Does not filter anything; `crate::telemetry` does.

use std::time::{Duration, Instant};

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use tillstream_audit::Verdict;
use tillstream_domain::{Action, RuleError};

use super::audit::Asked;
use super::errors::ApiError;
use super::negotiate::error_shape;
use super::{Api, body};
use crate::telemetry::{LogFilter, LogState};

/// A day: whoever wants it for longer wants it for good.
const MAX_SECONDS: u64 = 86_400;

/// Which lines are logged.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LogAnswer {
    /// Levels and targets.
    #[schema(example = "info,tillstream_window=debug")]
    filter: String,
    /// For how many seconds still; absent where it is for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    for_seconds: Option<u64>,
    /// What is in force after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    then: Option<String>,
}

/// Which lines are to be logged.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogOrder {
    /// Levels (`off`, `error`, `warn`, `info`, `debug`, `trace`) and `target=level`, with commas between them. Some libraries
    /// stay quiet whatever it says, because their lines hold secrets.
    #[schema(max_length = 1000, example = "info,tillstream_window=debug")]
    filter: String,
    /// After so many seconds what is set for good comes back; absent: for good, that is until the process ends.
    #[schema(minimum = 1, maximum = 86_400, example = 60)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    for_seconds: Option<u64>,
}

/// Read which lines are logged.
#[utoipa::path(
    get,
    path = "/api/v1/log",
    tag = "operation",
    operation_id = "log_filter",
    responses(
        (status = 200, description = "The filter in force", body = LogAnswer),
        super::documents::ReadErrors,
    ),
    security(("basic" = []))
)]
pub async fn get(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    api.gate.authorize(&request, Action::ReadLogFilter)?;
    Ok(HttpResponse::Ok().json(LogAnswer::from(api.log.state(Instant::now()))))
}

/// Set which lines are logged, for good or for a while. The log says that it changed, the audit trail who did it.
#[utoipa::path(
    put,
    path = "/api/v1/log",
    tag = "operation",
    operation_id = "set_log_filter",
    request_body(content = LogOrder, example = json!({"filter": "info,tillstream_window=debug", "for_seconds": 60})),
    responses(
        (status = 200, description = "The filter in force now", body = LogAnswer),
        super::documents::RequestErrors,
    ),
    security(("basic" = []))
)]
pub async fn put(api: web::Data<Api>, request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, ApiError> {
    let user = api.gate.authorize(&request, Action::SetLogFilter)?;
    let body = body::read_json(&request, payload, api.settings.max_body, api.settings.body_timeout).await?;
    let wanted = read_order(&body).map_err(|error| ApiError::invalid_body(vec![error], error_shape(&request)))?;
    let (filter, passing) = wanted;
    let what = filter.text().to_owned() + &passing.map(|time| format!(" for {time:?}")).unwrap_or_default();
    let state = api.log.set(filter, passing, Instant::now());
    Asked { gate: &api.gate, request: &request, user: &user }.change(Verdict::LogFilter, what);
    Ok(HttpResponse::Ok().json(LogAnswer::from(state)))
}

fn read_order(body: &[u8]) -> Result<(LogFilter, Option<Duration>), RuleError> {
    let order: LogOrder = serde_json::from_slice(body)
        .map_err(|_| broken("", "malformed", "must be an object with filter and at most for_seconds".to_owned()))?;
    if order.for_seconds.is_some_and(|seconds| !(1..=MAX_SECONDS).contains(&seconds)) {
        return Err(broken("for_seconds", "out_of_range", format!("must be a whole number from 1 to {MAX_SECONDS}")));
    }
    let filter = order.filter.parse::<LogFilter>();
    let filter = filter.map_err(|error| broken("filter", "malformed", error.to_string()))?;
    Ok((filter, order.for_seconds.map(Duration::from_secs)))
}

fn broken(field: &str, code: &'static str, message: String) -> RuleError {
    let pointer = if field.is_empty() { String::new() } else { format!("/{field}") };
    RuleError { path: field.to_owned(), pointer, code, message: message.into() }
}

impl From<LogState> for LogAnswer {
    fn from(state: LogState) -> Self {
        let (left, then) = state.then.unzip();
        Self { filter: state.filter, for_seconds: left.map(|left| left.as_secs()), then }
    }
}
