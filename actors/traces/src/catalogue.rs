//! Every span of this product: its name, its kind and its attributes, after OpenTelemetry's conventions for HTTP and messaging.
//! Names have few values. No span knows a cashier, a customer, an address or an amount.

use std::fmt::Display;

use opentelemetry::trace::SpanKind;
use tillstream_messages::TraceContext;
use tracing::{Span, field};

use crate::sampling::Origin;
use crate::step::Step;

/// The target of the one span that the log's machinery makes.
pub const SERVER_TARGET: &str = "tillstream::http::request";

/// What messages of this product travel on, as OpenTelemetry calls it; the embedded broker speaks the same protocol.
const SYSTEM: &str = "solace";

/// A request that has come in.
#[derive(Debug, Clone, Copy)]
pub struct HttpServer<'a> {
    /// Its method.
    pub method: &'a str,
    /// The route's pattern; none where no route serves it. What was asked for literally is a stranger's text and not told.
    pub route: Option<&'a str>,
    /// Whether its connection is encrypted.
    pub is_encrypted: bool,
}

/// What a message is, as its topic says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// A paid sale.
    Receipt,
    /// A failed payment.
    Failed,
    /// A window's turnover.
    Aggregation,
    /// A sale that was too late.
    Late,
    /// What could not be counted.
    Rejected,
}

/// Whose messages are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Sales, for windows.
    Aggregation,
    /// Sales, for the ledger's own side.
    Ledger,
    /// Windows, late sales and failed payments.
    Reporting,
}

/// The span of a request, if its trace is kept; `finish_server` completes it.
pub fn server(request: HttpServer<'_>, origin: &Origin) -> Span {
    if !crate::is_on() || !origin.is_sampled() {
        return Span::none();
    }
    let HttpServer { method, route, is_encrypted } = request;
    let scheme = if is_encrypted { "https" } else { "http" };
    let name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
    tracing::info_span!(
        target: SERVER_TARGET,
        "request",
        otel.name = name,
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        url.scheme = scheme,
        error.type = field::Empty,
    )
}

/// What was answered. A refusal is the client's error and not this span's.
pub fn finish_server(span: &Span, status: u16) {
    span.record("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.record("error.type", status);
        span.record("otel.status_code", "ERROR");
    }
}

/// A till, or aggregation, posts and waits for the answer; a trace may begin here.
pub fn post(origin: &Origin, route: &'static str) -> Step {
    let mut step = Step::next(SpanKind::Client, "POST", origin);
    step.say("http.request.method", "POST");
    step.say("url.template", route);
    step
}

/// A validator checks a body.
pub fn validate_sale(parent: Option<&TraceContext>) -> Step {
    Step::child(SpanKind::Internal, "validate sale", parent)
}

/// A message is published; the span lasts until the broker has it on disk.
pub fn send(what: Sent, message_id: &dyn Display, parent: Option<&TraceContext>) -> Step {
    let (name, template) = match what {
        Sent::Receipt => ("send receipt", "{prefix}/receipt/{store}/>"),
        Sent::Failed => ("send failed", "{prefix}/failed/{store}/>"),
        Sent::Aggregation => ("send aggregations", "{prefix}/aggregations/{store}/>"),
        Sent::Late => ("send late", "{prefix}/late/{store}/>"),
        Sent::Rejected => ("send rejected", "{prefix}/rejected/{queue}"),
    };
    let mut step = Step::child(SpanKind::Producer, name, parent);
    if step.is_kept() {
        step.say("messaging.system", SYSTEM);
        step.say("messaging.operation.name", "send");
        step.say("messaging.operation.type", "send");
        step.say("messaging.destination.template", template);
        step.say("messaging.message.id", message_id.to_string());
    }
    step
}

/// A message was delivered; the span lasts until its consumer has done with it, not until it is acknowledged.
pub fn process(reader: Read, parent: Option<&TraceContext>) -> Step {
    let (name, queue) = match reader {
        Read::Aggregation => {
            ("process sale_pos_transaction_aggregation_service", "sale_pos_transaction_aggregation_service")
        }
        Read::Ledger => ("process sale_pos_transaction_ledger.q", "sale_pos_transaction_ledger.q"),
        Read::Reporting => ("process sale_pos_transaction_reporting.q", "sale_pos_transaction_reporting.q"),
    };
    let mut step = Step::child(SpanKind::Consumer, name, parent);
    step.say("messaging.system", SYSTEM);
    step.say("messaging.operation.name", "process");
    step.say("messaging.operation.type", "process");
    step.say("messaging.destination.name", queue);
    step
}

/// A window takes a sale, or finds that it must not.
pub fn fold_sale(parent: Option<&TraceContext>) -> Step {
    Step::child(SpanKind::Internal, "fold sale", parent)
}

/// A window is told to the world: a trace of its own, linked to the sales in it that are kept. None where there are none.
pub fn emit_window<'a>(sales: impl IntoIterator<Item = &'a TraceContext>) -> Step {
    let mut sales = sales.into_iter().peekable();
    if sales.peek().is_none() {
        return Step::none();
    }
    let mut step = Step::next(SpanKind::Internal, "emit window", &Origin::kept());
    sales.for_each(|sale| step.link(sale));
    step
}

// === impl Step: what can be said about it ===

impl Step {
    /// Which store.
    pub fn store(&mut self, store: &dyn Display) {
        self.say_shown("pos.store.id", store);
    }

    /// Which transaction: what a person looks for.
    pub fn transaction(&mut self, id: &dyn Display) {
        self.say_shown("pos.transaction.id", id);
    }

    /// What became of it: `accepted`, `corrected`, `rejected`, `taken`, `late`, `duplicate`, `first`, `update`, `final`, …
    pub fn outcome(&mut self, outcome: &'static str) {
        self.say("pos.outcome", outcome);
    }

    /// Which rules were broken or corrected, by their codes.
    pub fn rules(&mut self, codes: impl Iterator<Item = &'static str>) {
        if self.is_kept() {
            self.say("pos.rules", codes.collect::<Vec<_>>().join(","));
        }
    }

    /// Which window: its bounds in event time.
    pub fn window(&mut self, start: &dyn Display, end: &dyn Display) {
        self.say_shown("pos.window.start", start);
        self.say_shown("pos.window.end", end);
    }

    /// How many sales a window holds.
    pub fn sales(&mut self, count: u64) {
        self.say("pos.window.sales", i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// How often the same request was sent before; nothing is said of the first time.
    pub fn resent(&mut self, count: u32) {
        if count > 0 {
            self.say("http.request.resend_count", i64::from(count));
        }
    }

    /// What a client was answered.
    pub fn answered(&mut self, status: u16) {
        self.say("http.response.status_code", i64::from(status));
        if status >= 400 {
            self.fail("http status");
        }
    }

    /// Written out only for a span that is kept.
    fn say_shown(&mut self, key: &'static str, value: &dyn Display) {
        if self.is_kept() {
            self.say(key, value.to_string());
        }
    }
}
