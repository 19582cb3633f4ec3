//! The route table.
//! Does not handle anything.

use actix_web::dev::Handler;
use actix_web::{FromRequest, Resource, Responder, Route, guard, web};

use super::errors::ApiError;
use super::prefix::PREFIX;
use super::{
    actors, aggregates, events, faults, generator, health, journey, ledger, log, metrics, openapi, page, secrets,
    stores, transactions, turnover,
};

/// All routes; each path is one resource, so that another method is a 405 and not a 404.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(posting("/api/v1/pos/validate_transaction", transactions::post))
        .service(posting("/api/v1/pos/amount-per-store", aggregates::post))
        .service(getting("/api/v1/pos/turnover", turnover::get))
        .service(getting("/api/v1/transactions/{id}/journey", journey::get))
        .service(getting("/", page::index))
        .service(getting(PREFIX, page::below_prefix))
        .service(getting("/page/{file}", page::asset))
        .service(getting("/api/v1/events", events::get))
        .service(getting("/api/v1/stores", stores::get))
        .service(getting("/api/v1/ledger", ledger::get))
        .service(getting("/api/v1/actors", actors::get))
        .service(posting("/api/v1/actors/{path}/fault", faults::break_actor))
        .service(posting("/api/v1/faults/environment", faults::break_environment))
        .service(getting("/api/v1/secrets", secrets::get))
        .service(posting("/api/v1/secrets/refresh", secrets::refresh))
        .service(getting("/api/v1/faults", faults::list))
        .service(getting("/api/v1/faults/{id}", faults::get))
        .service(
            web::resource("/api/v1/generator")
                .route(web::put().to(generator::put))
                .route(reads().to(generator::get))
                .default_service(web::to(async || refuse("GET, HEAD, PUT"))),
        )
        .service(
            web::resource("/api/v1/log")
                .route(web::put().to(log::put))
                .route(reads().to(log::get))
                .default_service(web::to(async || refuse("GET, HEAD, PUT"))),
        )
        .service(getting("/api/v1/health", health::health))
        .service(getting("/health/live", health::live))
        .service(getting("/health/ready", health::ready))
        .service(getting("/health/startup", health::startup))
        .service(getting("/metrics", metrics::get))
        .service(getting("/api/v1/pos/openapi.json", openapi::get))
        .service(getting("/api/v1/pos/docs", openapi::page))
        .service(getting("/api/v1/pos/docs/{file}", openapi::page_asset))
        .default_service(web::to(async || Err::<&str, _>(ApiError::NotFound)));
}

fn posting<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path).route(web::post().to(handler)).default_service(web::to(async || refuse("POST")))
}

/// HEAD is a GET whose body the server leaves out.
pub(super) fn getting<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path).route(reads().to(handler)).default_service(web::to(async || refuse("GET, HEAD")))
}

fn reads() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

const fn refuse(allowed: &'static str) -> Result<&'static str, ApiError> {
    Err(ApiError::MethodNotAllowed(allowed))
}
