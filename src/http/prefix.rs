//! Serves every route also below `/validation-service`, where a gateway forwards without stripping.
//! Does not know a route: the prefix is gone before routing, so both spellings are one endpoint in metrics too.

use actix_web::dev::ServiceRequest;
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{Method, Uri};
use actix_web::{HttpMessage, HttpRequest};

/// The prefix.
pub const PREFIX: &str = "/validation-service";

/// Mark of a request that came below the prefix.
struct Prefixed;

/// Whether the request came below the prefix.
pub fn was_prefixed(request: &HttpRequest) -> bool {
    request.extensions().contains::<Prefixed>()
}

/// Removes the prefix from the path, if it is there as a whole segment.
pub fn strip(request: &mut ServiceRequest) {
    let Some(stripped) = stripped(request.uri()) else { return };
    request.match_info_mut().get_mut().update(&stripped);
    request.head_mut().uri = stripped;
    request.extensions_mut().insert(Prefixed);
}

/// Whether the method is one that HTTP itself knows; others would become labels of metrics.
pub const fn is_known(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET
            | Method::POST
            | Method::PUT
            | Method::DELETE
            | Method::HEAD
            | Method::OPTIONS
            | Method::CONNECT
            | Method::PATCH
            | Method::TRACE
    )
}

fn stripped(uri: &Uri) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(PREFIX)?;
    if !rest.starts_with('/') {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(uri: &str) -> Option<String> {
        stripped(&uri.parse().unwrap()).map(|uri| uri.to_string())
    }

    #[test]
    fn only_a_whole_segment_is_a_prefix() {
        assert_eq!(path("/validation-service/metrics?a=b").as_deref(), Some("/metrics?a=b"));
        assert_eq!(path("/validation-services/metrics"), None);
        assert_eq!(path("/validation-service"), None);
        assert_eq!(path("/metrics"), None);
        assert_eq!(path("/a/validation-service/metrics"), None);
    }
}
