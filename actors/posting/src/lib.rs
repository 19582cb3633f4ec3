//! The manners of whoever posts to the service until an answer settles it: address, trust, user, pauses, the cause of a failure.
//! Sends nothing and does not know which answer settles what; those who post do.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{CONTENT_TYPE, HeaderValue, InvalidHeaderValue, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};

mod trust;

pub use trust::{Trust, TrustError};

/// A route of the service at this base, which may have a path prefix or be the whole address already.
///
/// # Errors
/// Says why no request can be made of it.
pub fn endpoint(base: &str, route: [&str; 4]) -> Result<Url, String> {
    let mut url: Url = base.parse().map_err(|error| format!("{error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
        return Err("it must start with http:// or https://".to_owned());
    }
    if !url.path().ends_with(route[3]) {
        let mut path = url.path_segments_mut().map_err(|()| "it has no path".to_owned())?;
        path.pop_if_empty().extend(route);
    }
    Ok(url)
}

/// The `Authorization` header of HTTP Basic; its `Debug` shows nothing.
///
/// # Errors
/// User or password holds characters that no header carries.
pub fn basic(user: &str, password: &SecretString) -> Result<HeaderValue, InvalidHeaderValue> {
    let pair = format!("{user}:{}", password.expose_secret());
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Says which trace a request belongs to, as <https://www.w3.org/TR/trace-context/> has it.
pub fn traced(request: RequestBuilder, traceparent: &str, tracestate: Option<&str>) -> RequestBuilder {
    let request = request.header("traceparent", traceparent);
    match tracestate {
        Some(state) => request.header("tracestate", state),
        None => request,
    }
}

/// Whether nobody who knows the route has answered: a balancer has no routes yet in the moment after it was started, and its 404
/// is a text. The service's own is JSON.
pub fn is_nobodys(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    response.status() == StatusCode::NOT_FOUND && !kind.is_some_and(|kind| kind.contains("json"))
}

/// Only the form in seconds; a date would need the two clocks to agree.
pub fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// How long to wait after so many attempts: doubled from `first` to `longest`, or what the service named within these bounds
/// (`Retry-After: 0` is no leave to rush). Half of it is drawn, so that those who failed together do not come back together.
pub fn pause(first: Duration, longest: Duration, attempts: u32, named: Option<Duration>) -> Duration {
    let doubled = first.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    let whole = named.unwrap_or(doubled).max(first).min(longest);
    let half = whole / 2;
    half + half.mul_f64(fastrand::f64())
}

/// Which kind of failure it was, in a word that spans may use.
#[must_use]
pub fn kind(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() { "timeout" } else { "connection" }
}

/// The cause that a person can act on; the outer layers only say that a request failed.
pub fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
