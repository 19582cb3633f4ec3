//! The wire shapes as OpenAPI schemas, built from the same bounds that the rules enforce (cargo feature `openapi`).
//! Does not parse: what JSON Schema cannot say (a line adds up, a window contains its sales) only the rules know.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::ids::{MAX_DIGITS, MAX_IDENTIFIER};
use crate::money::{LIMIT_CENTS, LIMIT_SUM_CENTS};
use crate::rules::limits;
use crate::{AggregatedEvent, Item, PaymentMethod, PaymentStatus, Receipt, Rules, TransactionId, ValidTransaction};

mod pattern;

/// The schema of a request body under these rules; the one of [`ValidTransaction`] is that of the default rules.
pub fn transaction_schema(rules: &Rules) -> Object {
    let store = numbered("STORE_", rules.max_store, "`STORE_01` and `STORE_1` are one store");
    let cashier = numbered("CASHIER_", rules.max_cashier, "Who rang it up");
    let items = ArrayBuilder::new()
        .items(Ref::from_schema_name(Item::name()))
        .min_items(Some(1))
        .max_items(Some(limits::ITEMS))
        .description(Some("The lines; their sum overrules `total_amount`"));
    let fields: [(&str, RefOr<Schema>); 11] = [
        ("transaction_id", uuid("The till's id; the same id twice is one sale. Any text form of a UUID").into()),
        ("timestamp", time("Event time; at most the configured skew ahead of the service's clock").into()),
        ("store_id", store.into()),
        ("cashier_id", cashier.into()),
        ("items", items.into()),
        ("total_amount", amount("The sum of the lines; corrected to it otherwise").into()),
        ("payment_method", words(PaymentMethod::WORDS, "How it was paid").into()),
        ("payment_status", words(PaymentStatus::WORDS, "A failed payment is recorded, not turnover").into()),
        ("customer_id", identifier("Who bought").into()),
        ("loyalty_points_earned", integer(0..=limits::POINTS, "Loyalty points of this sale").into()),
        ("receipt", Ref::from_schema_name(Receipt::name()).into()),
    ];
    object("One transaction of a till. Unknown fields are ignored.", fields)
}

impl PartialSchema for ValidTransaction {
    fn schema() -> RefOr<Schema> {
        transaction_schema(&Rules::default()).into()
    }
}

impl ToSchema for ValidTransaction {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Transaction")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Item::name().into_owned(), Item::schema()));
        schemas.push((Receipt::name().into_owned(), Receipt::schema()));
    }
}

impl PartialSchema for TransactionId {
    fn schema() -> RefOr<Schema> {
        uuid("A transaction's id, in any text form of a UUID").into()
    }
}

impl ToSchema for TransactionId {}

impl PartialSchema for Item {
    fn schema() -> RefOr<Schema> {
        let total = "Quantity times price per unit, up to half a cent per piece";
        let fields: [(&str, RefOr<Schema>); 5] = [
            ("item_id", text(limits::ITEM_ID, "The article").into()),
            ("name", text(limits::ITEM_NAME, "Its name").into()),
            ("quantity", integer(1..=limits::QUANTITY, "How many; written without a fraction").into()),
            ("price_per_unit", amount("Price of one").into()),
            ("total_price", amount(total).into()),
        ];
        object("One line of a sale.", fields).into()
    }
}

impl ToSchema for Item {}

impl PartialSchema for Receipt {
    fn schema() -> RefOr<Schema> {
        let fields: [(&str, RefOr<Schema>); 5] = [
            ("receipt_id", identifier("The receipt's number").into()),
            ("date", text(limits::RECEIPT_TEXT, "As the till prints it").into()),
            ("total_amount", amount("Corrected with the transaction's total").into()),
            ("payment_method", text(limits::RECEIPT_TEXT, "As the till prints it").into()),
            ("transaction_id", text(limits::RECEIPT_TEXT, "As the till prints it").into()),
        ];
        object("The printed receipt.", fields).into()
    }
}

impl ToSchema for Receipt {}

impl PartialSchema for AggregatedEvent {
    fn schema() -> RefOr<Schema> {
        let id = "UUIDv5 of `store_id/window_start/transaction_count/final`";
        let currency = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Z]{3}$")).max_length(Some(3));
        let fields: [(&str, RefOr<Schema>); 10] = [
            ("total_amount", money(LIMIT_SUM_CENTS, "The window's turnover").into()),
            ("event_id", uuid(id).into()),
            ("store_id", numbered("STORE_", crate::ids::MAX_NUMBER, "Whose window").into()),
            ("begin_stream_aggregator", time("Earliest event time in the window").into()),
            ("end_stream_aggregator", time("Latest event time in the window").into()),
            ("window_start", window_bound("Inclusive; aligned to the Unix epoch").into()),
            ("window_end", window_bound("Exclusive").into()),
            ("transaction_count", integer(1..=u32::MAX, "Distinct sales in it").into()),
            ("final", ObjectBuilder::new().schema_type(Type::Boolean).description(Some("Later sales are late")).into()),
            ("currency", currency.description(Some("ISO 4217")).into()),
        ];
        let what = "A window's turnover. Of two events for one window the greater `(final, transaction_count)` holds.";
        object(what, fields).into()
    }
}

impl ToSchema for AggregatedEvent {}

/// All fields are required: a till says everything or nothing.
fn object<const N: usize>(description: &str, fields: [(&str, RefOr<Schema>); N]) -> Object {
    let empty = ObjectBuilder::new().schema_type(Type::Object).description(Some(description));
    fields.into_iter().fold(empty, |object, (name, schema)| object.property(name, schema).required(name)).build()
}

fn string(description: &str, max_length: usize) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).max_length(Some(max_length))
}

fn text(max_chars: usize, description: &str) -> ObjectBuilder {
    string(description, max_chars)
}

fn identifier(description: &str) -> ObjectBuilder {
    string(description, MAX_IDENTIFIER).min_length(Some(1)).pattern(Some("^[A-Za-z0-9_.:-]+$"))
}

fn numbered(prefix: &str, max: u32, description: &str) -> ObjectBuilder {
    let numbers = pattern::one_to(max.min(crate::ids::MAX_NUMBER));
    string(description, prefix.len() + MAX_DIGITS).pattern(Some(format!("^{prefix}0*({numbers})$")))
}

/// No `format: uuid`, which is the hyphenated form only.
fn uuid(description: &str) -> ObjectBuilder {
    string(description, 45).pattern(Some(pattern::UUID))
}

fn time(description: &str) -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    string(description, crate::time::MAX_LEN).format(Some(format)).pattern(Some(pattern::TIMESTAMP))
}

fn window_bound(description: &str) -> ObjectBuilder {
    time(description).pattern(Some(pattern::WINDOW_BOUND))
}

fn words(words: &[&str], description: &str) -> ObjectBuilder {
    let words = words.iter().map(|word| (*word).to_owned());
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).enum_values(Some(words))
}

fn integer(range: RangeInclusive<u32>, description: &str) -> ObjectBuilder {
    let number = ObjectBuilder::new().schema_type(Type::Integer).description(Some(description));
    number.minimum(Some(*range.start())).maximum(Some(*range.end()))
}

fn amount(description: &str) -> ObjectBuilder {
    money(LIMIT_CENTS, description)
}

/// A schema is about JSON numbers: the floats here describe a bound and never hold an amount.
fn money(limit_cents: i64, description: &str) -> ObjectBuilder {
    let limit = isize::try_from(limit_cents / 100).unwrap_or(isize::MAX);
    let number = ObjectBuilder::new().schema_type(Type::Number).description(Some(description));
    number.minimum(Some(0.01)).exclusive_maximum(Some(limit)).multiple_of(Some(0.01))
}

#[cfg(test)]
mod tests;
