//! `GET /api/v1/transactions/{id}/journey`: where one sale is, as JSON, or as a page for a browser.
//! Does not know a sale; reporting does, as far as its queues have told it.

use actix_web::http::header::{CACHE_CONTROL, VARY};
use actix_web::{HttpRequest, HttpResponse, web};
use tillstream_domain::{Action, RuleError, TransactionId};
use tillstream_messages::{JourneyError, QueryJourney};

use super::Api;
use super::errors::ApiError;
use super::negotiate::{error_shape, prefers_a_page};
use crate::roles::Role;
use answer::JourneyAnswer;

mod answer;
mod page;

/// Find one sale: where it is, and how it came there.
///
/// Put together from the two queues that reporting consumes, and from nothing that validation or aggregation remember. The newest
/// sales are known (`reporting.journeys`, 200,000 by default) for a while (`reporting.journeys_for`, an hour), from about a second
/// after their 200; not those from before this process started. Whoever is not known is counted all the same: turnover and the ledger
/// say so.
///
/// A step is `observed` when a message said so, and `inferred` when it follows from what messages said. No message says which sales
/// an aggregate counts, only how many: that a window holds this sale is always inferred. `source` says from what: `event_time`
/// (the till's time and the length of windows: all that is certain is which window it is), `counts` (the newest event counts at least as many
/// sales as the ledger's queue has delivered of the window, and both queues have one order) or `ledger_balance` (the window is final, the
/// sale is neither late nor rejected, and the store's final windows, late and rejected sales add up to what was accepted).
///
/// A browser that prefers `text/html` gets the same as a page, also where there is nothing to show (404, 422).
#[utoipa::path(
    get,
    path = "/api/v1/transactions/{id}/journey",
    tag = "reporting",
    operation_id = "journey",
    params(super::documents::JourneyParameters),
    responses(
        (status = 200, description = "Where it is; the form follows `Accept`", content(
            (JourneyAnswer = "application/json"),
            (String = "text/html"),
        )),
        super::documents::InvalidInput,
        super::documents::ReadErrors,
    ),
    security(("basic" = []))
)]
pub async fn get(api: web::Data<Api>, request: HttpRequest, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let journey = api.doors.journey.as_ref().ok_or(ApiError::RoleAbsent(Role::Reporting))?;
    api.gate.authorize(&request, Action::ReadJourney)?;
    let _place = api.in_flight.enter()?;
    let found = match id.parse::<TransactionId>() {
        Ok(id) => journey.ask(QueryJourney { id }, api.settings.answer_within).await?.map_err(ApiError::from),
        Err(error) => Err(invalid(&error.to_string(), &request)),
    };
    let wants_page = prefers_a_page(&request);
    let answer = match found {
        Ok(journey) => JourneyAnswer::from(&journey),
        Err(error @ (ApiError::Unknown(_) | ApiError::Invalid { .. })) if wants_page => {
            return Ok(page::refused(&error));
        }
        Err(error) => return Err(error),
    };
    if wants_page {
        return Ok(page::of(&answer));
    }
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).insert_header((VARY, "Accept")).json(answer))
}

fn invalid(reason: &str, request: &HttpRequest) -> ApiError {
    let error = RuleError {
        path: "id".to_owned(),
        pointer: "/id".to_owned(),
        code: "uuid_invalid",
        message: reason.to_owned().into(),
    };
    ApiError::Invalid { what: "path", errors: vec![error], shape: error_shape(request) }
}

impl From<JourneyError> for ApiError {
    fn from(error: JourneyError) -> Self {
        match error {
            JourneyError::Unknown { .. } => Self::Unknown(error.to_string()),
            JourneyError::Query(error) => error.into(),
        }
    }
}
