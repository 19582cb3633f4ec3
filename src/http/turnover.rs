//! `GET /api/v1/pos/turnover`: windows, newest first, as JSON, CSV or NDJSON.
//! Does not hold more than one page of rows at a time, however many are asked for.

use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use tillstream_domain::Action;

use super::Api;
use super::errors::ApiError;
use super::negotiate::row_format;
use crate::roles::Role;
use pages::Pages;
use rows::Renderer;

mod pages;
mod query;
mod rows;

pub use rows::WindowAnswer;
#[cfg(test)]
pub use rows::row_for_test;

/// Read turnover per store and window, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/pos/turnover",
    tag = "reporting",
    operation_id = "turnover",
    params(super::documents::TurnoverParameters),
    responses(
        (status = 200, description = "Windows, newest first; the format follows `Accept`", content(
            (Vec<WindowAnswer> = "application/json"),
            (String = "text/csv"),
            (String = "application/x-ndjson"),
        )),
        super::documents::InvalidInput,
        super::documents::ReadErrors,
    ),
    security(("basic" = []))
)]
pub async fn get(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let turnover = api.doors.turnover.as_ref().ok_or(ApiError::RoleAbsent(Role::Reporting))?;
    api.gate.authorize(&request, Action::ReadTurnover)?;
    let place = api.in_flight.enter()?;
    let query = query::parse(&request)?;
    let mut pages = Pages::new(turnover.clone(), query, api.settings.answer_within);
    let first = pages.next().await?.unwrap_or_default();
    let mut response = HttpResponse::Ok();
    let format = row_format(&request);
    response.content_type(format.content_type());
    let mut renderer = Renderer::new(format);
    let opening = renderer.page(&first);
    if pages.is_done() {
        return Ok(response.body([opening, renderer.end()].concat()));
    }
    // The status is sent by now: what fails later can only cut the connection, which no client takes for the end.
    let rest = stream::try_unfold((pages, renderer, Some(place)), |(mut pages, mut renderer, place)| async move {
        let Some(place) = place else { return Ok::<_, ApiError>(None) };
        let Some(rows) = pages.next().await? else {
            return Ok(Some((renderer.end().into(), (pages, renderer, None))));
        };
        Ok(Some((renderer.page(&rows).into(), (pages, renderer, Some(place)))))
    });
    Ok(response.streaming(stream::StreamExt::chain(stream::iter([Ok(opening.into())]), rest)))
}
