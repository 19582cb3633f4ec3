//! `/` and `/page/{file}`: the live page, whose files are in the binary.
//! Does not know what they say, and loads nothing from elsewhere: the policy that goes with them forbids it.

use std::sync::LazyLock;

use actix_web::http::header::{self, EntityTag, Header, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use tillstream_domain::Action;
use uuid::Uuid;

use super::Api;
use super::errors::ApiError;
use super::prefix::PREFIX;
use crate::roles::Role;

/// Every file by its name.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));
const INDEX: &str = "index.html";

/// Nothing but what comes from this very server, no script or style within the page, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file as it is served.
struct Asset {
    name: &'static str,
    bytes: &'static [u8],
    tag: String,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    // Names the content only, so any namespace will do.
    let tag = |bytes| Uuid::new_v5(&Uuid::NAMESPACE_OID, bytes).simple().to_string();
    FILES.iter().map(|(name, bytes)| Asset { name, bytes, tag: tag(bytes) }).collect()
});

/// `GET /`.
pub async fn index(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    admit(&api, &request)?;
    serve(&request, INDEX)
}

/// `GET /page/{file}`.
pub async fn asset(
    api: web::Data<Api>,
    request: HttpRequest,
    file: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    admit(&api, &request)?;
    serve(&request, &file)
}

/// `GET /validation-service`: the page's links are relative, so it needs the slash at the end.
pub async fn below_prefix() -> HttpResponse {
    let folder = format!("{}/", PREFIX.trim_start_matches('/'));
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, folder)).finish()
}

fn admit(api: &Api, request: &HttpRequest) -> Result<(), ApiError> {
    if api.live.is_none() {
        return Err(ApiError::RoleAbsent(Role::Reporting));
    }
    api.gate.authorize(request, Action::Watch).map(drop)
}

fn serve(request: &HttpRequest, name: &str) -> Result<HttpResponse, ApiError> {
    let asset = ASSETS.iter().find(|asset| asset.name == name).ok_or(ApiError::NotFound)?;
    let tag = EntityTag::new_strong(asset.tag.clone());
    let is_known = is_known(request, &tag);
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::ETAG, tag)).insert_header((header::CACHE_CONTROL, "private, no-cache"));
    response.insert_header((header::CONTENT_SECURITY_POLICY, POLICY));
    response.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    response.insert_header((header::REFERRER_POLICY, "no-referrer"));
    response.insert_header(("Cross-Origin-Resource-Policy", "same-origin"));
    if is_known {
        return Ok(response.finish());
    }
    Ok(response.content_type(content_type(name)).body(asset.bytes))
}

fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => request.headers().contains_key(header::IF_NONE_MATCH),
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}
