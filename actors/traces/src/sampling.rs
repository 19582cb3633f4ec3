//! Which trace a request belongs to, and whether its spans are kept: the one place that decides it.
//! A sender's word holds; only where there is none, the ratio decides.

use std::cell::Cell;
use std::sync::OnceLock;

use opentelemetry::trace::{SpanId, TraceContextExt, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use tillstream_messages::{TraceContext, TraceIds};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::step::{TRACER, ids_of, told};

/// Which share of new traces is kept; unset while traces are off.
pub(crate) static RATIO: OnceLock<f64> = OnceLock::new();

thread_local! {
    static KNOWN: Cell<Option<TraceIds>> = const { Cell::new(None) };
}

/// Where a trace comes from. One that begins here and is not kept costs no allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It came with the request or message.
    Sent(TraceContext),
    /// It begins here.
    New(Beginning),
}

/// A trace that nobody has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    /// Those of its first span, made or not.
    ids: TraceIds,
    is_sampled: bool,
}

/// Random ids, but for the first span of a trace whose ids are known before it is built.
#[derive(Debug, Default)]
pub(crate) struct Ids(RandomIdGenerator);

/// Whether spans are made in this process.
#[must_use]
pub fn is_on() -> bool {
    TRACER.get().is_some()
}

// === impl Origin ===

impl Origin {
    /// The trace that came along, or a new one.
    #[must_use]
    pub fn of(sent: Option<TraceContext>) -> Self {
        sent.map_or_else(Self::begin, Self::Sent)
    }

    /// A new trace, kept or not.
    #[must_use]
    pub fn begin() -> Self {
        Self::New(Beginning { ids: random_ids(), is_sampled: is_lucky() })
    }

    /// A new trace that nobody keeps, whatever the ratio is.
    #[cfg(test)]
    pub(crate) fn unkept() -> Self {
        Self::New(Beginning { ids: random_ids(), is_sampled: false })
    }

    /// A new trace whose spans are kept whatever the ratio is.
    pub(crate) fn kept() -> Self {
        Self::New(Beginning { ids: random_ids(), is_sampled: true })
    }

    /// What is known of the trace before its next span.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        match self {
            Self::Sent(context) => context.clone(),
            Self::New(begun) => TraceContext::new(begun.ids, begun.is_sampled).expect("neither id is 0"),
        }
    }

    /// Where log lines belong before its next span.
    #[must_use]
    pub fn ids(&self) -> TraceIds {
        match self {
            Self::Sent(context) => context.ids(),
            Self::New(begun) => begun.ids,
        }
    }

    /// Whether its spans are kept.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        match self {
            Self::Sent(context) => context.is_sampled(),
            Self::New(begun) => begun.is_sampled,
        }
    }

    /// Makes a span of the log the next one of this trace and says its context; none where it is not kept.
    #[must_use]
    pub fn adopt(&self, span: &Span) -> Option<TraceContext> {
        let built = self.build(|parent| {
            span.set_parent(parent).ok()?;
            Some(ids_of(span.context().span().span_context()))
        });
        self.context().at(built?.span)
    }

    /// Builds the next span of this trace below its parent.
    pub(crate) fn build<T>(&self, build: impl FnOnce(opentelemetry::Context) -> T) -> T {
        let nothing = opentelemetry::Context::new();
        match self {
            Self::Sent(context) => build(nothing.with_remote_span_context(told(context))),
            Self::New(begun) => {
                KNOWN.set(Some(begun.ids));
                let built = build(nothing);
                KNOWN.set(None);
                built
            }
        }
    }
}

// === impl Ids ===

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        KNOWN.get().map_or_else(|| self.0.new_trace_id(), |ids| TraceId::from(ids.trace))
    }

    fn new_span_id(&self) -> SpanId {
        KNOWN.get().map_or_else(|| self.0.new_span_id(), |ids| SpanId::from(ids.span))
    }
}

/// A trace and a span that nobody has heard of.
pub(crate) fn random_ids() -> TraceIds {
    TraceIds { trace: fastrand::u128(1..), span: fastrand::u64(1..) }
}

/// What is kept of `ratio`.
fn is_lucky() -> bool {
    RATIO.get().is_some_and(|ratio| fastrand::f64() < *ratio)
}
