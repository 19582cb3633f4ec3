//! A collector inside the test: takes spans over OTLP/gRPC as any would, and remembers them for the test to look at.
//! Shares no code with the exporter but the protocol's own definition.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::{Setup, eventually};

const SOON: Duration = Duration::from_secs(30);

/// Runs until the test's runtime ends.
#[derive(Debug, Clone)]
pub struct Collector {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<SeenSpan>>>,
}

/// One span as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSpan {
    /// Hexadecimal, as the next three.
    pub trace: String,
    pub id: String,
    /// Empty for the first one of a trace.
    pub parent: String,
    /// Trace and span of each.
    pub links: Vec<(String, String)>,
    pub name: String,
    /// As the protocol numbers them: 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub kind: i32,
    pub is_error: bool,
    pub attributes: BTreeMap<String, String>,
    /// What its process says of itself.
    pub resource: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Inbox {
    seen: Arc<Mutex<Vec<SeenSpan>>>,
    is_silent: bool,
}

impl Collector {
    /// Takes everything at once.
    pub async fn start() -> Self {
        Self::listen(false).await
    }

    /// Takes every request and answers none.
    pub async fn that_never_answers() -> Self {
        Self::listen(true).await
    }

    async fn listen(is_silent: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::default();
        let service = TraceServiceServer::new(Inbox { seen: Arc::clone(&seen), is_silent });
        let serving = Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(async move { serving.await.unwrap() });
        Self { address, seen }
    }

    /// A service that exports to it at once.
    pub fn watches(&self, setup: Setup, ratio: &str) -> Setup {
        let setup = setup.setting("traces.endpoint", &format!("http://{}", self.address));
        setup.setting("traces.ratio", ratio).setting("traces.batch_delay", "100ms").setting("traces.timeout", "1s")
    }

    /// All that has arrived.
    pub fn all(&self) -> Vec<SeenSpan> {
        self.seen.lock().unwrap().clone()
    }

    /// All of one trace.
    pub fn of_trace(&self, trace: &str) -> Vec<SeenSpan> {
        self.all().into_iter().filter(|span| span.trace == trace).collect()
    }

    /// Waits for the first span that is as the test wants it.
    pub async fn span(&self, what: &str, is_it: impl Fn(&SeenSpan) -> bool) -> SeenSpan {
        let found = async || self.all().into_iter().find(&is_it).ok_or_else(|| names(&self.all()));
        eventually(what, SOON, found).await
    }

    /// Waits until a trace has that many spans; panics when it has more.
    pub async fn trace_of(&self, trace: &str, spans: usize) -> Vec<SeenSpan> {
        let complete = async || {
            let seen = self.of_trace(trace);
            assert!(seen.len() <= spans, "{spans} spans were expected: {}", names(&seen));
            if seen.len() == spans { Ok(seen) } else { Err(names(&seen)) }
        };
        eventually(&format!("{spans} spans of trace {trace}"), SOON, complete).await
    }
}

fn names(spans: &[SeenSpan]) -> String {
    spans.iter().map(|span| format!("{} ({} < {})", span.name, span.id, span.parent)).collect::<Vec<_>>().join(", ")
}

#[tonic::async_trait]
impl TraceService for Inbox {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if self.is_silent {
            return std::future::pending().await;
        }
        let seen = request.into_inner().resource_spans.into_iter().flat_map(spans_of);
        self.seen.lock().unwrap().extend(seen);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn spans_of(of_one: ResourceSpans) -> Vec<SeenSpan> {
    let resource = attributes(of_one.resource.unwrap_or_default().attributes);
    let spans = of_one.scope_spans.into_iter().flat_map(|scope| scope.spans);
    spans.map(|span| seen(span, resource.clone())).collect()
}

fn seen(span: Span, resource: BTreeMap<String, String>) -> SeenSpan {
    SeenSpan {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
        name: span.name,
        kind: span.kind,
        is_error: span.status.is_some_and(|status| status.code == 2),
        attributes: attributes(span.attributes),
        resource,
    }
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    let count = pairs.len();
    let map: BTreeMap<_, _> = pairs.into_iter().map(|pair| (pair.key, text(pair.value))).collect();
    assert_eq!(map.len(), count, "an attribute is there twice: {map:?}");
    map
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is_so)) => is_so.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
