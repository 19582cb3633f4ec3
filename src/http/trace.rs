//! Which trace a request belongs to: read from its `traceparent` or begun here, and the span of a request whose trace is kept.
//! Refuses nothing: a request without a valid context is served like any other.

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Condition;
use actix_web::{Error, HttpMessage, HttpRequest};
use tillstream_messages::{TraceContext, TraceIds};
use tillstream_traces::{Correlated, HttpServer, Origin};
use tracing::Span;
use tracing_actix_web::{RootSpanBuilder, TracingLogger};

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What asks all the time how the process is, and is nobody's request; or lasts for hours.
const UNTRACED: [&str; 4] = ["/metrics", "/health", "/api/v1/health", "/api/v1/events"];

/// The trace of a request, found in its extensions.
#[derive(Debug, Clone)]
struct RequestTrace {
    /// Where its log lines belong.
    ids: TraceIds,
    /// What messages that it causes say.
    passed_on: Option<TraceContext>,
}

/// Makes the span of a request whose trace is kept.
pub struct ServerSpans;

/// The middleware around everything that a request's span covers; absent while no spans are made.
pub fn middleware() -> Condition<TracingLogger<ServerSpans>> {
    Condition::new(tillstream_traces::is_on(), TracingLogger::new())
}

/// What the messages that a request causes say about its trace.
pub fn context(request: &HttpRequest) -> Option<TraceContext> {
    let known = request.extensions().get::<RequestTrace>().map(|trace| trace.passed_on.clone());
    known.unwrap_or_else(|| sent(request.headers()))
}

/// The trace's id as logs write it. Every request that has come through the front has one.
pub fn id(request: &HttpRequest) -> Option<String> {
    let ids = request.extensions().get::<RequestTrace>().map(|trace| trace.ids);
    ids.map(|ids| format!("{:032x}", ids.trace))
}

/// Serves a request whose log lines belong to its trace.
pub fn correlate<S, B>(
    request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse<B>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    let known = request.extensions().get::<RequestTrace>().map(|trace| trace.ids);
    let ids = known.unwrap_or_else(|| RequestTrace::without_span(Origin::of(sent(request.headers()))).note(&request));
    Correlated::new(service.call(request), Some(ids))
}

// === impl RequestTrace ===

impl RequestTrace {
    fn without_span(origin: Origin) -> Self {
        Self { ids: origin.context().ids(), passed_on: origin.passed_on() }
    }

    /// The span's context, or the sender's where no span is made.
    fn of_span(span: &Span, origin: Origin) -> Self {
        let adopted = if span.is_none() { None } else { origin.adopt(span) };
        match adopted {
            Some(context) => Self { ids: context.ids(), passed_on: Some(context) },
            None => Self::without_span(origin),
        }
    }

    fn note(self, request: &ServiceRequest) -> TraceIds {
        let ids = self.ids;
        request.extensions_mut().insert(self);
        ids
    }
}

// === impl ServerSpans ===

impl RootSpanBuilder for ServerSpans {
    fn on_request_start(request: &ServiceRequest) -> Span {
        if UNTRACED.iter().any(|path| request.path().starts_with(path)) {
            return Span::none();
        }
        let origin = Origin::of(sent(request.headers()));
        let route = origin.context().is_sampled().then(|| request.match_pattern()).flatten();
        let (method, is_encrypted) = (request.method().as_str(), request.app_config().secure());
        let span = tillstream_traces::server(HttpServer { method, route: route.as_deref(), is_encrypted }, &origin);
        RequestTrace::of_span(&span, origin).note(request);
        span
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let status = match outcome {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        tillstream_traces::finish_server(&span, status.as_u16());
    }
}

/// The trace that the sender's `traceparent` names. Two of them name none; several `tracestate` are one list.
fn sent(headers: &HeaderMap) -> Option<TraceContext> {
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
