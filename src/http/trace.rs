//! Reads the W3C trace context of a request.
//! Refuses nothing: a request without a valid one is served like any other.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, HeaderValue};
use tillstream_messages::TraceContext;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The trace that the sender's `traceparent` names. Two of them name none; several `tracestate` are one list.
pub fn context(request: &HttpRequest) -> Option<TraceContext> {
    let headers = request.headers();
    let mut parents = headers.get_all(&TRACEPARENT);
    let parent = parents.next()?.to_str().ok()?;
    if parents.next().is_some() {
        return None;
    }
    let states: Result<Vec<_>, _> = headers.get_all(&TRACESTATE).map(HeaderValue::to_str).collect();
    TraceContext::parse(parent, &states.unwrap_or_default().join(","))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    type Headers = [(&'static str, &'static [u8])];

    fn context_of(headers: &Headers) -> Option<TraceContext> {
        let request = headers.iter().fold(TestRequest::post(), |request, &(name, value)| {
            request.append_header((name, HeaderValue::from_bytes(value).unwrap()))
        });
        context(&request.to_http_request())
    }

    #[test]
    fn only_a_single_valid_traceparent_names_a_trace() {
        let parent = PARENT.as_bytes();
        assert_eq!(context_of(&[("Traceparent", parent)]), TraceContext::parse(PARENT, ""));
        let without: [&Headers; 5] = [
            &[],
            &[("tracestate", b"a=1")],
            &[("traceparent", b"00-1-2-3")],
            &[("traceparent", b"\xff")],
            &[("traceparent", parent), ("traceparent", parent)],
        ];
        for headers in without {
            assert_eq!(context_of(headers), None, "{headers:?}");
        }
    }

    #[test]
    fn several_states_are_one_list_and_a_bad_one_spoils_states_only() {
        let parent = ("traceparent", PARENT.as_bytes());
        let list = context_of(&[parent, ("tracestate", b"a=1"), ("tracestate", b"b=2")]);
        assert_eq!(list, TraceContext::parse(PARENT, "a=1,b=2"));
        let bad = context_of(&[parent, ("tracestate", b"a=1"), ("tracestate", b"b=\xff")]);
        assert_eq!(bad, TraceContext::parse(PARENT, ""));
    }
}
