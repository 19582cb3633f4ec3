//! A line for a person: the library's, and its trace at the end.
//! Colours only where they are wanted.

use std::fmt;

use tillstream_messages::TraceIds;
use tillstream_traces::current;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats a line.
pub struct Pretty(Format);

// === impl Pretty ===

impl Pretty {
    /// With colours on a terminal.
    pub fn new(terminal: bool) -> Self {
        Self(Format::default().with_ansi(terminal))
    }
}

impl<S, N> FormatEvent<S, N> for Pretty
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some(TraceIds { trace, span }) = current() else { return self.0.format_event(ctx, to, event) };
        let mut line = String::new();
        self.0.format_event(ctx, Writer::new(&mut line), event)?;
        writeln!(to, "{} trace_id={trace:032x} span_id={span:016x}", line.trim_end_matches('\n'))
    }
}
