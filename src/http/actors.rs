//! `GET /api/v1/actors`: the supervision tree of this process.
//! Does not change it.

use actix_web::{HttpRequest, HttpResponse, web};
use tillstream_domain::Action;

use super::Api;
use super::errors::ApiError;

/// Read the supervision tree.
#[utoipa::path(
    get,
    path = "/api/v1/actors",
    tag = "operation",
    operation_id = "actors",
    responses(
        (status = 200, description = "This node and everything below", body = super::documents::ActorDocument),
        super::documents::ReadErrors,
    ),
    security(("basic" = []))
)]
pub async fn get(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    api.gate.authorize(&request, Action::ReadActors)?;
    Ok(HttpResponse::Ok().json((api.tree)()))
}
