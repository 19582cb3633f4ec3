//! Spans as the tests of other rooms see them: kept in memory as they end, instead of being sent to a collector.
//! Sends nothing and is not part of the service; a process makes spans for its tests or for a collector, never for both.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry::trace::{SpanId, SpanKind, Status, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor};
use tillstream_messages::{TraceContext, TraceIds};

use crate::sampling::{Ids, RATIO, random_ids};
use crate::step::{TRACER, ids_of};

static ENDED: Mutex<Vec<EndedSpan>> = Mutex::new(Vec::new());

/// A span that has ended.
#[derive(Debug, Clone)]
pub struct EndedSpan {
    /// As the catalogue names it.
    pub name: String,
    /// Its kind: `client`, `consumer`, `internal`, `producer` or `server`.
    pub kind: &'static str,
    /// Itself.
    pub ids: TraceIds,
    /// What it hangs below; none where its trace begins with it.
    pub parent: Option<u64>,
    /// What else led to it.
    pub links: Vec<TraceIds>,
    /// What was said about it.
    pub attributes: BTreeMap<String, String>,
    /// Whether it says that something went wrong.
    pub is_failed: bool,
}

#[derive(Debug)]
struct Memory;

/// Makes spans in this process from now on and keeps them in memory; of new traces that share is kept. The first call of a
/// process holds: all tests of one binary share it, and each looks at its own traces only.
pub fn keep_spans(ratio: f64) {
    static KEPT: Mutex<Option<SdkTracerProvider>> = Mutex::new(None);
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| {
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
            .with_id_generator(Ids::default())
            .with_span_processor(Memory)
            .build();
        let _ = RATIO.set(ratio);
        let _ = TRACER.set(provider.tracer("tests"));
        provider
    });
}

/// A context as somebody else has sent it, of a trace of its own.
#[must_use]
pub fn sent_context(sampled: bool) -> TraceContext {
    TraceContext::new(random_ids(), sampled).expect("neither id is 0")
}

/// The spans of this trace that have ended, in the order of their ends.
#[must_use]
pub fn spans_of(trace: u128) -> Vec<EndedSpan> {
    ended().iter().filter(|span| span.ids.trace == trace).cloned().collect()
}

/// The spans that link to a span of this trace.
#[must_use]
pub fn linked_to(trace: u128) -> Vec<EndedSpan> {
    ended().iter().filter(|span| span.links.iter().any(|link| link.trace == trace)).cloned().collect()
}

// === impl EndedSpan ===

impl EndedSpan {
    /// What was said under this name; empty where nothing was.
    #[must_use]
    pub fn says(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map_or("", String::as_str)
    }

    fn of(span: SpanData) -> Self {
        let attributes = span.attributes.iter();
        let number = u64::from_be_bytes(span.parent_span_id.to_bytes());
        Self {
            kind: kind_of(&span.span_kind),
            ids: ids_of(&span.span_context),
            parent: (span.parent_span_id != SpanId::INVALID).then_some(number),
            links: span.links.iter().map(|link| ids_of(&link.span_context)).collect(),
            attributes: attributes.map(|pair| (pair.key.to_string(), pair.value.to_string())).collect(),
            is_failed: matches!(span.status, Status::Error { .. }),
            name: span.name.into_owned(),
        }
    }
}

// === impl Memory ===

impl SpanProcessor for Memory {
    fn on_start(&self, _span: &mut Span, _context: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        ended().push(EndedSpan::of(span));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn ended() -> MutexGuard<'static, Vec<EndedSpan>> {
    ENDED.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn kind_of(kind: &SpanKind) -> &'static str {
    match kind {
        SpanKind::Client => "client",
        SpanKind::Consumer => "consumer",
        SpanKind::Internal => "internal",
        SpanKind::Producer => "producer",
        SpanKind::Server => "server",
    }
}
