//! One span while it lasts: it begins when it is made and ends when it is dropped.
//! Nothing at all where its trace is not sampled, and nothing is computed for it then.

use std::fmt;
use std::sync::OnceLock;

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState, Tracer as _,
};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use tillstream_messages::{TraceContext, TraceIds};

use crate::sampling::Origin;

/// Makes spans; empty while traces are off.
pub(crate) static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// A step of a sale's way. Dropped means ended.
#[must_use]
#[derive(Default)]
pub struct Step(Option<Box<Inner>>);

struct Inner {
    span: Span,
    /// As the next step's message says it.
    context: TraceContext,
}

// === impl Step ===

impl Step {
    /// No span.
    pub const fn none() -> Self {
        Self(None)
    }

    /// A span of the trace that the message names, if its spans are kept.
    pub(crate) fn child(kind: SpanKind, name: &'static str, parent: Option<&TraceContext>) -> Self {
        let kept = parent.filter(|parent| parent.is_sampled() && TRACER.get().is_some());
        kept.map_or_else(Self::none, |parent| Self::next(kind, name, &Origin::Sent(parent.clone())))
    }

    /// The next span of the trace, if its spans are kept.
    pub(crate) fn next(kind: SpanKind, name: &'static str, origin: &Origin) -> Self {
        let Some(tracer) = TRACER.get().filter(|_| origin.is_sampled()) else { return Self::none() };
        let builder = SpanBuilder::from_name(name).with_kind(kind);
        let span = origin.build(|parent| tracer.build_with_context(builder, &parent));
        let context = origin.context().at(ids_of(span.span_context()).span);
        Self(context.map(|context| Box::new(Inner { span, context })))
    }

    /// Whether anything that is said about it is kept.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// What the message that this step sends says about its trace.
    #[must_use]
    pub fn context(&self) -> Option<&TraceContext> {
        self.0.as_ref().map(|inner| &inner.context)
    }

    /// The same, or what was said to this step where it has no span.
    #[must_use]
    pub fn context_or(&self, parent: Option<TraceContext>) -> Option<TraceContext> {
        self.context().cloned().or(parent)
    }

    /// Where log lines of this step belong.
    #[must_use]
    pub fn ids(&self) -> Option<TraceIds> {
        self.context().map(TraceContext::ids)
    }

    /// The step went wrong, for one of a few reasons.
    pub fn fail(&mut self, error_type: &'static str) {
        let Some(inner) = &mut self.0 else { return };
        inner.span.set_attribute(KeyValue::new("error.type", error_type));
        inner.span.set_status(Status::error(error_type));
    }

    pub(crate) fn say(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(inner) = &mut self.0 {
            inner.span.set_attribute(KeyValue::new(key, value));
        }
    }

    pub(crate) fn link(&mut self, other: &TraceContext) {
        if let Some(inner) = &mut self.0 {
            inner.span.add_link(told(other), Vec::new());
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Step").field(&self.context()).finish()
    }
}

/// What the library calls a context that came with a message.
pub(crate) fn told(context: &TraceContext) -> SpanContext {
    let TraceIds { trace, span } = context.ids();
    let state = context.tracestate().and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
    let flags = if context.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
    SpanContext::new(TraceId::from(trace), SpanId::from(span), flags, true, state)
}

pub(crate) fn ids_of(span: &SpanContext) -> TraceIds {
    TraceIds {
        trace: u128::from_be_bytes(span.trace_id().to_bytes()),
        span: u64::from_be_bytes(span.span_id().to_bytes()),
    }
}
