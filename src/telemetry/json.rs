//! A line for a machine: one JSON object with timestamp, level, target, message, the event's fields, and its trace.
//! Has no place for spans: what belongs to a request stands in its trace.

use std::fmt::{self, Write};

use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use tillstream_messages::TraceIds;
use tillstream_traces::current;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats a line.
pub struct JsonLines;

/// A line that is being written.
struct Line {
    text: String,
    /// Whether the event names its trace itself.
    has_trace: bool,
    has_span: bool,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        to.write_str(&line(event, current()))
    }
}

fn line(event: &Event<'_>, ids: Option<TraceIds>) -> String {
    let mut line = Line { text: String::with_capacity(256), has_trace: false, has_span: false };
    line.add("timestamp", Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true));
    line.add("level", event.metadata().level().as_str());
    line.add("target", event.metadata().target());
    event.record(&mut line);
    line.end(ids)
}

// === impl Line ===

impl Line {
    fn add(&mut self, name: &str, value: impl Serialize) {
        // A value that is no JSON, such as a map whose keys are no texts, does not get here.
        let value = serde_json::to_string(&value).unwrap_or_else(|_| "null".to_owned());
        let name = serde_json::to_string(name).unwrap_or_default();
        self.text.push(if self.text.is_empty() { '{' } else { ',' });
        let _ = write!(self.text, "{name}:{value}");
    }

    /// What the line says of itself cannot be said again by a field.
    fn add_field(&mut self, field: &Field, value: impl Serialize) {
        match field.name() {
            name @ ("timestamp" | "level" | "target") => self.add(&format!("field.{name}"), value),
            name => {
                self.has_trace |= name == "trace_id";
                self.has_span |= name == "span_id";
                self.add(name, value);
            }
        }
    }

    /// A trace that the event names is the one that it is about; the thread's would contradict it.
    fn end(mut self, ids: Option<TraceIds>) -> String {
        if let Some(TraceIds { trace, span }) = ids.filter(|_| !self.has_trace) {
            self.add("trace_id", format!("{trace:032x}"));
            if !self.has_span {
                self.add("span_id", format!("{span:016x}"));
            }
        }
        self.text.push_str("}\n");
        self.text
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add_field(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add_field(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add_field(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add_field(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add_field(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add_field(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests;
