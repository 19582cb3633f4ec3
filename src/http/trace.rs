//! Which trace a request belongs to: read from its `traceparent` or begun here, and the span of a request whose trace is kept.
//! Refuses nothing: a request without a valid context is served like any other.

use std::time::Instant;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{Error, HttpMessage, HttpRequest};
use futures_util::TryFutureExt;
use futures_util::future::Either;
use tillstream_messages::TraceContext;
use tillstream_traces::{Correlated, HttpServer, Origin};
use tracing::Span;
use tracing_actix_web::{RootSpanBuilder, StreamSpan, TracingLogger};

use super::metrics;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What asks all the time how the process is, and is nobody's request; or lasts for hours.
const UNTRACED: [&str; 4] = ["/metrics", "/health", "/api/v1/health", "/api/v1/events"];

/// The span of a request whose trace is kept, found in its extensions.
struct ServerSpan {
    span: Span,
    /// What messages that the request causes say.
    context: TraceContext,
}

/// Gives a request's span to the middleware that it lasts in.
struct ServerSpans;

/// What the messages that a request causes say about its trace: nothing of one that nobody has sent and nobody keeps.
pub fn context(request: &HttpRequest) -> Option<TraceContext> {
    let known = request.extensions().get::<ServerSpan>().map(|own| own.context.clone());
    known.or_else(|| sent(request.headers()))
}

/// The id, as logs write it, of the trace of the request that is being served. Each that has come through the front has one.
pub fn id() -> Option<String> {
    tillstream_traces::current().map(|ids| format!("{:032x}", ids.trace))
}

/// Serves a request whose log lines belong to its trace, in a span if that is kept. Nearly none is, and nothing is
/// allocated for the others.
pub fn follow<S, B>(
    request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse<EitherBody<B, StreamSpan<B>>>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    let origin = Origin::of(sent(request.headers()));
    match ServerSpan::begin(&request, &origin) {
        Some(own) => Either::Left(spanned(request, service, own)),
        None => {
            let answer = service.call(request).map_ok(ServiceResponse::map_into_left_body);
            Either::Right(Correlated::new(answer, Some(origin.ids())))
        }
    }
}

fn spanned<S, B>(
    request: ServiceRequest,
    service: &S,
    own: ServerSpan,
) -> impl Future<Output = Result<ServiceResponse<EitherBody<B, StreamSpan<B>>>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    let (ids, began) = (own.context.ids(), Instant::now());
    request.extensions_mut().insert(own);
    // Made for this one request: a middleware around all of them would cost those without a span as much.
    let logger = TracingLogger::<ServerSpans>::new().new_transform(service).into_inner();
    let answer = logger.expect("it is made of any service").call(request).map_ok(move |response| {
        metrics::note_example(&response, ids, began.elapsed());
        response.map_into_right_body()
    });
    Correlated::new(answer, Some(ids))
}

// === impl ServerSpan ===

impl ServerSpan {
    fn begin(request: &ServiceRequest, origin: &Origin) -> Option<Self> {
        let is_kept = origin.is_sampled() && tillstream_traces::is_on();
        if !is_kept || UNTRACED.iter().any(|path| request.path().starts_with(path)) {
            return None;
        }
        let route = request.match_pattern();
        let (method, is_encrypted) = (request.method().as_str(), request.app_config().secure());
        let span = tillstream_traces::server(HttpServer { method, route: route.as_deref(), is_encrypted }, origin);
        let context = if span.is_none() { None } else { origin.adopt(&span) };
        context.map(|context| Self { span, context })
    }
}

// === impl ServerSpans ===

impl RootSpanBuilder for ServerSpans {
    fn on_request_start(request: &ServiceRequest) -> Span {
        request.extensions().get::<ServerSpan>().map_or_else(Span::none, |own| own.span.clone())
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
    use actix_web::test::{TestRequest, call_and_read_body, init_service};
    use actix_web::{App, web};
    use tillstream_traces::testing::{keep_spans, sent_context, spans_of};
    use tracing_actix_web::RequestId;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    type Headers = [(&'static str, &'static [u8])];

    fn context_of(headers: &Headers) -> Option<TraceContext> {
        let request = headers.iter().fold(TestRequest::post(), |request, &(name, value)| {
            request.append_header((name, HeaderValue::from_bytes(value).unwrap()))
        });
        context(&request.to_http_request())
    }

    /// Whether the middleware of spans has seen the request, and where its log lines belong.
    async fn seen(request: HttpRequest) -> String {
        format!("{} {}", request.extensions().contains::<RequestId>(), id().unwrap_or_default())
    }

    #[actix_web::test]
    async fn only_a_request_whose_trace_is_kept_passes_the_middleware_of_spans() {
        keep_spans(0.0);
        let _spans = tracing::subscriber::set_default(tracing_subscriber::registry().with(tillstream_traces::layer()));
        let app = App::new().service(web::resource(["/sale", "/health/live"]).to(seen)).wrap_fn(follow);
        let app = init_service(app).await;
        for (path, is_sampled, is_seen) in
            [("/sale", true, true), ("/sale", false, false), ("/health/live", true, false)]
        {
            let parent = sent_context(is_sampled);
            let request = TestRequest::get().uri(path).insert_header(("traceparent", parent.traceparent()));
            let body = call_and_read_body(&app, request.to_request()).await;
            let trace = parent.ids().trace;
            assert_eq!(body, format!("{is_seen} {trace:032x}"), "{path}");
            let spans = spans_of(trace);
            assert_eq!(spans.len(), usize::from(is_seen), "{path}");
            assert!(spans.iter().all(|span| span.parent == Some(parent.ids().span) && span.says("http.route") == path));
        }
        let begun = call_and_read_body(&app, TestRequest::get().uri("/sale").to_request()).await;
        assert!(begun.starts_with(b"false ") && begun.len() == 6 + 32, "{begun:?}");
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
