//! Shapes that stand in the OpenAPI document only: bodies that the domain reads itself, and the refusals.
//! Nothing here is ever built at run time; the tests hold these shapes against real answers.

use serde::Serialize;
use utoipa::{IntoParams, IntoResponses, ToSchema};

/// One transaction of a till. Amounts are plain decimal numbers: positive, below 10^9, at most two decimals.
#[derive(Serialize, ToSchema)]
pub struct TransactionDocument {
    /// Any text form of a UUID; the same id twice is one sale.
    #[schema(format = "uuid", example = "3fa85f64-5717-4562-b3fc-2c963f66afa6")]
    transaction_id: String,
    /// RFC 3339 with an offset; at most `rules.max_future_skew` ahead.
    #[schema(format = "date-time", example = "2026-01-31T12:00:00.250Z")]
    timestamp: String,
    /// `STORE_<n>`, n from 1 to `rules.max_store`; leading zeros do not matter.
    #[schema(pattern = "^STORE_0{0,8}[1-9][0-9]{0,5}$", example = "STORE_1")]
    store_id: String,
    /// `CASHIER_<n>`, n from 1 to `rules.max_cashier`; leading zeros do not matter.
    #[schema(pattern = "^CASHIER_0{0,8}[1-9][0-9]{0,5}$", example = "CASHIER_2")]
    cashier_id: String,
    /// What was bought.
    #[schema(min_items = 1, max_items = 500)]
    items: Vec<ItemDocument>,
    /// Another than the sum of the lines is corrected to the sum.
    total_amount: PositiveAmount,
    /// How it was paid.
    payment_method: PaymentMethodDocument,
    /// Whether it was paid; a failed payment is recorded, it is no turnover.
    payment_status: PaymentStatusDocument,
    /// Who bought.
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,48}$", example = "CUSTOMER_9")]
    customer_id: String,
    /// Loyalty points of this sale.
    #[schema(minimum = 0, maximum = 1_000_000_000, example = 1)]
    loyalty_points_earned: u32,
    /// What was printed.
    receipt: ReceiptDocument,
}

/// One line: quantity times price is the total, up to half a cent per piece.
#[derive(Serialize, ToSchema)]
pub struct ItemDocument {
    /// The article.
    #[schema(max_length = 64, example = "bread")]
    item_id: String,
    /// Its name.
    #[schema(max_length = 200, example = "Bread")]
    name: String,
    /// How many.
    #[schema(minimum = 1, maximum = 1_000_000, example = 2)]
    quantity: u32,
    /// Price of one.
    #[schema(example = 1.29)]
    price_per_unit: PositiveAmount,
    /// Quantity times price.
    #[schema(example = 2.58)]
    total_price: PositiveAmount,
}

/// The printed receipt.
#[derive(Serialize, ToSchema)]
pub struct ReceiptDocument {
    /// The receipt's number.
    #[schema(pattern = "^[A-Za-z0-9_.:-]{1,48}$", example = "R-1")]
    receipt_id: String,
    /// As the till prints it.
    #[schema(max_length = 64, example = "2026-01-31T12:00:00Z")]
    date: String,
    /// As the till prints it; corrected with the transaction's.
    total_amount: PositiveAmount,
    /// As the till prints it.
    #[schema(max_length = 64, example = "cash")]
    payment_method: String,
    /// As the till prints it.
    #[schema(max_length = 64, example = "3fa85f64-5717-4562-b3fc-2c963f66afa6")]
    transaction_id: String,
}

/// How a sale was paid.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code)]
pub enum PaymentMethodDocument {
    /// Credit card.
    CreditCard,
    /// Cash.
    Cash,
    /// Debit card.
    DebitCard,
    /// Voucher.
    Voucher,
}

/// Whether a sale was paid.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code)]
pub enum PaymentStatusDocument {
    /// Paid: turnover.
    Success,
    /// Not paid: recorded.
    Failed,
}

/// A plain decimal number without exponent.
#[derive(Serialize)]
pub struct PositiveAmount;

/// The turnover of one window of one store.
#[derive(Serialize, ToSchema)]
pub struct AggregateDocument {
    /// Sum of the window's sales.
    total_amount: PositiveAmount,
    /// UUIDv5 of `store_id/window_start/transaction_count/final`.
    #[schema(format = "uuid")]
    event_id: String,
    /// Whose window.
    #[schema(pattern = "^STORE_0{0,8}[1-9][0-9]{0,5}$", example = "STORE_1")]
    store_id: String,
    /// Earliest event time in the window.
    #[schema(format = "date-time")]
    begin_stream_aggregator: String,
    /// Latest event time in the window.
    #[schema(format = "date-time")]
    end_stream_aggregator: String,
    /// Inclusive.
    #[schema(format = "date-time")]
    window_start: String,
    /// Exclusive.
    #[schema(format = "date-time")]
    window_end: String,
    /// How many distinct sales.
    #[schema(minimum = 1)]
    transaction_count: u64,
    /// No further event for this window follows.
    r#final: bool,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
}

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
    /// The user's role may not do this.
    #[response(status = 403)]
    Forbidden(DetailDocument),
    /// The role of this route does not run in this process.
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
    /// The role of this route does not run in this process.
    #[response(status = 404)]
    RoleAbsent(DetailDocument),
    /// Overloaded, or the actor restarts: ask again after `Retry-After`.
    #[response(status = 503)]
    Unavailable(DetailDocument),
}

/// A query string that breaks rules.
#[derive(IntoResponses)]
#[allow(dead_code)]
pub enum InvalidInput {
    /// The query breaks rules; all of them are named.
    #[response(status = 422)]
    Invalid(InvalidDocument),
}

impl utoipa::PartialSchema for PositiveAmount {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        let number = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0.01)).maximum(Some(999_999_999.99));
        number.multiple_of(Some(0.01)).examples([serde_json::json!(2.58)]).into()
    }
}

impl ToSchema for PositiveAmount {}
