//! Reads a request's body within bounds of size and time.
//! Does not parse it.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use bytes::Bytes;

use super::errors::ApiError;
use super::negotiate::{is_json_or_unspecified, is_plain};

/// Reads a JSON body.
///
/// # Errors
/// 415 for another type or a compressed body, 413 over `limit`, 408 when it takes longer than `within`, 400 when the
/// connection breaks.
pub async fn read_json(
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
    within: Duration,
) -> Result<Bytes, ApiError> {
    if !is_json_or_unspecified(request) || !is_plain(request) {
        return Err(ApiError::UnsupportedMediaType);
    }
    if announced_length(request).is_some_and(|length| length > limit) {
        return Err(ApiError::TooLarge(limit));
    }
    match tokio::time::timeout(within, payload.to_bytes_limited(limit)).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_))) => Err(ApiError::BodyBroken),
        Ok(Err(_)) => Err(ApiError::TooLarge(limit)),
        Err(_) => Err(ApiError::BodyTimeout),
    }
}

fn announced_length(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
