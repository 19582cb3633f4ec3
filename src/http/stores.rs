//! `GET /api/v1/stores`: stores by a part of their id, with their newest windows.
//! Does not read a disk; `/turnover` has the rows.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use tillstream_domain::Action;
use tillstream_messages::{LiveReport, QueryLive};

use super::Api;
use super::errors::ApiError;
use crate::live::store_document;
use crate::roles::Role;

mod query;

/// Find stores by a part of their id; those with the most turnover in the last minute first.
#[utoipa::path(
    get,
    path = "/api/v1/stores",
    tag = "reporting",
    operation_id = "stores",
    params(super::documents::StoresParameters),
    responses(
        (status = 200, description = "What is in memory of them", body = super::documents::StoresDocument),
        super::documents::InvalidInput,
        super::documents::ReadErrors,
    ),
    security(("basic" = []))
)]
pub async fn get(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let live = api.doors.live.as_ref().ok_or(ApiError::RoleAbsent(Role::Reporting))?;
    api.gate.authorize(&request, Action::Watch)?;
    let _place = api.in_flight.enter()?;
    let pick = query::parse(&request)?;
    let report = live.ask(QueryLive(pick), api.settings.answer_within).await??;
    Ok(HttpResponse::Ok().json(document(&report)))
}

fn document(report: &LiveReport) -> Value {
    let stores: Vec<_> = report.stores.iter().map(store_document).collect();
    json!({"total": report.stores_total, "matching": report.matching, "stores": stores})
}
