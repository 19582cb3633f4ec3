//! Shapes that stand in the OpenAPI document only: refusals, parameters and what others serialise; bodies come from the domain.
//! Nothing here is ever built at run time; the tests hold these shapes against real answers.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::{IntoParams, IntoResponses, ToSchema};

/// One actor or supervisor and everything below it.
#[derive(Serialize, ToSchema)]
pub struct ActorDocument {
    /// Dotted and unique.
    #[schema(example = "root.pipeline.windows.STORE_3")]
    path: String,
    /// Its type, or `supervisor`.
    kind: String,
    /// Such as `running`.
    state: String,
    /// 1 for the first incarnation.
    generation: u64,
    /// How often it was restarted.
    restarts: u64,
    /// Why the last time.
    last_failure: Option<String>,
    /// Messages that wait.
    mailbox: u64,
    /// Age of this incarnation.
    uptime_seconds: u64,
    /// Below it.
    #[schema(no_recursion)]
    children: Vec<ActorDocument>,
}

/// What is wrong, in one sentence.
#[derive(Serialize, ToSchema)]
pub struct DetailDocument {
    /// For a person.
    detail: String,
}

/// Everything that is wrong with the input.
#[derive(Serialize, ToSchema)]
pub struct InvalidDocument {
    /// Always `error`.
    #[schema(example = "error")]
    status: String,
    /// A headline.
    #[schema(example = "Validation failed for the request body")]
    message: String,
    /// One sentence per broken rule.
    #[schema(example = json!(["Field 'items[0].quantity' validation failed: Quantity must be positive"]))]
    errors: Vec<String>,
}

/// RFC 9457, for those who accept `application/problem+json`.
#[derive(Serialize, ToSchema)]
pub struct ProblemDocument {
    /// Always `about:blank`.
    r#type: String,
    /// The status in words.
    title: String,
    /// Always 422.
    status: u16,
    /// A headline.
    detail: String,
    /// One entry per broken rule.
    errors: Vec<ProblemEntry>,
}

/// One broken rule.
#[derive(Serialize, ToSchema)]
pub struct ProblemEntry {
    /// RFC 6901; empty for the body as a whole.
    pointer: String,
    /// Stable.
    code: String,
    /// For a person.
    detail: String,
}

/// Parameters of `/turnover`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub struct TurnoverParameters {
    /// Only this store.
    #[param(pattern = "^STORE_0{0,8}[1-9][0-9]{0,5}$", example = "STORE_1")]
    store_id: Option<String>,
    /// Windows that start at or after this time: RFC 3339 with an offset.
    #[param(format = "date-time")]
    from: Option<String>,
    /// Windows that start before this time: RFC 3339 with an offset.
    #[param(format = "date-time")]
    to: Option<String>,
    /// At most this many windows.
    #[param(minimum = 1, maximum = 1_000_000, default = 1_000)]
    limit: Option<u32>,
}

/// Which sale.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code)]
pub struct JourneyParameters {
    /// The `transaction_id`, in any text form of a UUID.
    #[param(inline, value_type = tillstream_domain::TransactionId, example = "3fa85f64-5717-4562-b3fc-2c963f66afa6")]
    id: String,
}

/// Parameters of `/stores`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub struct StoresParameters {
    /// A part of the id, whatever its case.
    #[param(max_length = 48, example = "STORE_1")]
    search: Option<String>,
    /// At most this many stores.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// Headers of the stream of events.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)]
pub struct EventHeaders {
    /// The `id` of the last event that was read; a browser sends it by itself.
    #[param(rename = "Last-Event-ID", example = "1f2e3d4c5b6a7988-41")]
    last_event_id: Option<String>,
}

/// One event of the stream.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub struct EventDocument {
    /// What came.
    event: EventKind,
    /// A JSON text: who watches, the model, or a JSON Merge Patch to it.
    data: String,
    /// Where to resume; the first event of a connection has none.
    #[schema(example = "1f2e3d4c5b6a7988-41")]
    id: Option<String>,
    /// Milliseconds until a lost connection is to be made again; comes once.
    retry: Option<u64>,
}

/// What an event is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code)]
enum EventKind {
    /// Who watches, and how often there is a sign of life.
    Hello,
    /// Everything.
    Snapshot,
    /// What is different.
    Change,
}

/// Stores as they stand in memory.
#[derive(Serialize, ToSchema)]
pub struct StoresDocument {
    /// Stores that were ever seen.
    total: u64,
    /// Of these, the ones that match.
    matching: u64,
    /// Most turnover in the last minute first.
    stores: Vec<LiveStoreDocument>,
}

/// One store; money is text with two decimals.
#[derive(Serialize, ToSchema)]
pub struct LiveStoreDocument {
    /// Which.
    #[schema(example = "STORE_3")]
    store_id: String,
    /// Paid sales that the ledger has counted, of all time.
    #[schema(example = "12345.67")]
    accepted: String,
    /// Their number.
    accepted_count: u64,
    /// What its rows of `/turnover` say, late sales among it.
    #[schema(example = "12000.00")]
    turnover: String,
    /// Their number.
    turnover_count: u64,
    /// What was counted during the last minute.
    #[schema(example = "900.10")]
    last_minute: String,
    /// Their number.
    last_minute_count: u64,
    /// Late sales of all time.
    #[schema(example = "10.00")]
    late: String,
    /// Their number.
    late_count: u64,
    /// Failed payments of all time.
    failed: u64,
    /// The newest windows that reporting has heard of, by their start.
    windows: BTreeMap<String, LiveWindowDocument>,
    /// From then on a window that is not among them is one without sales; what was before is not in memory, `/turnover` may have it.
    /// Null where nothing is known.
    #[schema(format = "date-time")]
    windows_since: Option<String>,
    /// Windows that are not final, as the ledger counts them, by their start.
    filling: BTreeMap<String, FillingDocument>,
    /// The store's equation, as `/ledger` has it, with amounts as text.
    #[schema(value_type = Object)]
    ledger: (),
}

/// One window of one store.
#[derive(Serialize, ToSchema)]
pub struct LiveWindowDocument {
    /// What its event says.
    #[schema(example = "150.00")]
    amount: String,
    /// Their number.
    count: u64,
    /// Whether nothing but late sales can come to it.
    r#final: bool,
    /// How often its event has changed since this process reads it; 0 where it was read from disk.
    revision: u32,
    /// Late sales of it.
    #[schema(example = "0.00")]
    late: String,
    /// Their number.
    late_count: u64,
}

/// A window that is not final.
#[derive(Serialize, ToSchema)]
pub struct FillingDocument {
    /// What has come so far.
    #[schema(example = "32.00")]
    amount: String,
    /// Their number.
    count: u64,
}

/// Headers of the routes that break something.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)]
pub struct FaultHeaders {
    /// `respond-async`: answer at once, with the state `pending`.
    #[param(rename = "Prefer", example = "respond-async")]
    prefer: Option<String>,
}

/// Headers of a request that belongs to a trace; invalid ones are ignored.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)]
pub struct TraceHeaders {
    /// W3C trace context. On Solace it is carried on to the message, as the user property of this name.
    #[param(rename = "traceparent", example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
    parent: Option<String>,
    /// Carried on with it, up to 512 bytes.
    #[param(rename = "tracestate", example = "rojo=00f067aa0ba902b7")]
    state: Option<String>,
}

/// What every route with a body can answer besides its success.
#[derive(IntoResponses)]
#[allow(dead_code)]
pub enum RequestErrors {
    /// The connection broke within the body.
    #[response(status = 400)]
    Broken(DetailDocument),
    /// No or wrong credentials.
    #[response(status = 401)]
    Unauthorized(DetailDocument),
    /// The user's role may not do this, or this process does not allow it to anybody.
    #[response(status = 403)]
    Forbidden(DetailDocument),
    /// The role of this route does not run in this process, or what the path names is not here.
    #[response(status = 404)]
    RoleAbsent(DetailDocument),
    /// The body did not arrive in time.
    #[response(status = 408)]
    Slow(DetailDocument),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(DetailDocument),
    /// The body is not sent as JSON.
    #[response(status = 415)]
    NotJson(DetailDocument),
    /// The body breaks rules; all of them are named.
    #[response(status = 422)]
    Invalid(InvalidDocument),
    /// Too many failed logins: log in again after `Retry-After`.
    #[response(status = 429)]
    TooManyFailures(DetailDocument),
    /// Overloaded, or the broker cannot take it: send the same again after `Retry-After`.
    #[response(status = 503)]
    Unavailable(DetailDocument),
}

/// What every route that reads can answer besides its success.
#[derive(IntoResponses)]
#[allow(dead_code)]
pub enum ReadErrors {
    /// No or wrong credentials.
    #[response(status = 401)]
    Unauthorized(DetailDocument),
    /// The user's role may not do this.
    #[response(status = 403)]
    Forbidden(DetailDocument),
    /// The role of this route does not run in this process, or what the path names is not here.
    #[response(status = 404)]
    RoleAbsent(DetailDocument),
    /// Too many failed logins, or too many streams of this user: come again after `Retry-After`.
    #[response(status = 429)]
    TooManyFailures(DetailDocument),
    /// Overloaded, or the actor restarts: ask again after `Retry-After`.
    #[response(status = 503)]
    Unavailable(DetailDocument),
}

/// A query string or a path that breaks rules.
#[derive(IntoResponses)]
#[allow(dead_code)]
pub enum InvalidInput {
    /// The query or the path breaks rules; all of them are named.
    #[response(status = 422)]
    Invalid(InvalidDocument),
}
