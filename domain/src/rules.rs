//! The rules for a transaction: a request body goes in, a valid transaction or every broken rule comes out.
//! Does not publish, count or log, and has no clock: the caller says what time it is.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, TimeDelta, Utc};

use crate::json::{Field, Object, Report};
use crate::{
    CashierId, Correction, Identifier, Item, Money, PaymentMethod, PaymentStatus, Receipt, RuleCode, RuleError,
    StoreId, TransactionId, ValidTransaction, parse_rfc3339,
};

mod clock;
mod items;
pub(crate) mod limits;

pub use clock::{ClockSuspicion, Till};

/// What a chain may set about the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How far a till's clock may be ahead of ours.
    pub max_future_skew: TimeDelta,
    /// Stores are `STORE_1` to this number.
    pub max_store: u32,
    /// Cashiers are `CASHIER_1` to this number.
    pub max_cashier: u32,
}

/// A transaction that may be published, and what was changed in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// As it is to be published.
    pub transaction: ValidTransaction,
    /// Empty when the till was right.
    pub corrections: Vec<Correction>,
}

impl Checked {
    /// The compact JSON document that is published: the till's fields in their order, then `accepted_at`, then
    /// `corrections` where there are any.
    pub fn to_payload(&self, accepted_at: DateTime<Utc>) -> Vec<u8> {
        self.transaction.write(accepted_at, &self.corrections)
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { max_future_skew: TimeDelta::seconds(60), max_store: 10, max_cashier: 8 }
    }
}

const BODY_FIELDS: &[&str; 11] = &[
    "transaction_id",
    "timestamp",
    "store_id",
    "cashier_id",
    "items",
    "total_amount",
    "payment_method",
    "payment_status",
    "customer_id",
    "loyalty_points_earned",
    "receipt",
];
const RECEIPT_FIELDS: &[&str; 5] = &["receipt_id", "date", "total_amount", "payment_method", "transaction_id"];

impl Rules {
    /// Checks one request body. Counts (`quantity`, points) are JSON integers: `2.0` is not one.
    ///
    /// # Errors
    /// Every broken rule at once, never an empty list.
    pub fn check(&self, body: &[u8], now: DateTime<Utc>) -> Result<Checked, Vec<RuleError>> {
        let mut report = Report::default();
        let sent = Object::of_document(body, BODY_FIELDS, &mut report)
            .and_then(|object| self.read_transaction(&object, now, &mut report));
        let transaction = report.verdict(sent)?;
        Ok(corrected(transaction))
    }

    /// Whose sale a refused body was, as far as it says so; for [`ClockSuspicion::record`].
    pub fn till_of(&self, body: &[u8]) -> Option<Till> {
        let mut ignored = Report::default();
        let object = Object::of_document(body, BODY_FIELDS, &mut ignored)?;
        let store = self.read_store(&object.field("store_id"), &mut ignored)?;
        let cashier = self.read_cashier(&object.field("cashier_id"), &mut ignored)?;
        Some(Till { store, cashier })
    }

    fn read_transaction(
        &self,
        body: &Object<'_, '_, 11>,
        now: DateTime<Utc>,
        report: &mut Report,
    ) -> Option<ValidTransaction> {
        let transaction_id = read_transaction_id(&body.field("transaction_id"), report);
        let timestamp = self.read_timestamp(&body.field("timestamp"), now, report);
        let store_id = self.read_store(&body.field("store_id"), report);
        let cashier_id = self.read_cashier(&body.field("cashier_id"), report);
        let items = items::read_items(&body.field("items"), report);
        let total_amount = report.money(&body.field("total_amount"), "Total amount");
        let payment_method = read_payment_method(&body.field("payment_method"), report);
        let payment_status = read_payment_status(&body.field("payment_status"), report);
        let customer_id = read_identifier(&body.field("customer_id"), report);
        let loyalty_points_earned = read_points(&body.field("loyalty_points_earned"), report);
        let receipt = read_receipt(&body.field("receipt"), report);
        Some(ValidTransaction {
            transaction_id: transaction_id?,
            timestamp: timestamp?,
            store_id: store_id?,
            cashier_id: cashier_id?,
            items: items?,
            total_amount: total_amount?,
            payment_method: payment_method?,
            payment_status: payment_status?,
            customer_id: customer_id?,
            loyalty_points_earned: loyalty_points_earned?,
            receipt: receipt?,
        })
    }

    fn read_timestamp(&self, field: &Field<'_, '_>, now: DateTime<Utc>, report: &mut Report) -> Option<DateTime<Utc>> {
        let time = read_time(field, report)?;
        let ahead = time.signed_duration_since(now);
        if ahead <= self.max_future_skew {
            return Some(time);
        }
        let limit = self.max_future_skew.num_seconds();
        let message = format!("Timestamp must be at most {limit} seconds in the future");
        report.refuse(field, RuleCode::TimestampInFuture, message)
    }

    fn read_store(&self, field: &Field<'_, '_>, report: &mut Report) -> Option<StoreId> {
        let message = || format!("Store ID must be in the format STORE_01 to STORE_{:02}", self.max_store);
        let store: StoreId = report.parsed(field, RuleCode::StoreInvalid, |_| message().into())?;
        if store.number() > self.max_store {
            return report.refuse(field, RuleCode::StoreInvalid, message());
        }
        Some(store)
    }

    fn read_cashier(&self, field: &Field<'_, '_>, report: &mut Report) -> Option<CashierId> {
        let message = || format!("Cashier ID must be in the format CASHIER_1 to CASHIER_{}", self.max_cashier);
        let cashier: CashierId = report.parsed(field, RuleCode::CashierInvalid, |_| message().into())?;
        if cashier.number() > self.max_cashier {
            return report.refuse(field, RuleCode::CashierInvalid, message());
        }
        Some(cashier)
    }
}

/// A timestamp of the years in which tills exist.
pub(crate) fn read_time(field: &Field<'_, '_>, report: &mut Report) -> Option<DateTime<Utc>> {
    read_time_in(&limits::YEARS, field, report)
}

/// The start or the end of a window that may hold such a timestamp.
pub(crate) fn read_window_bound(field: &Field<'_, '_>, report: &mut Report) -> Option<DateTime<Utc>> {
    read_time_in(&limits::WINDOW_YEARS, field, report)
}

fn read_time_in(years: &RangeInclusive<i32>, field: &Field<'_, '_>, report: &mut Report) -> Option<DateTime<Utc>> {
    let text = report.string(field)?;
    let Some(time) = parse_rfc3339(&text) else {
        let message = "Timestamp must be RFC 3339 with an offset, such as 2024-11-15T10:00:00Z";
        return report.refuse(field, RuleCode::TimestampInvalid, message);
    };
    if !years.contains(&time.year()) {
        let (first, last) = (years.start(), years.end());
        let message = format!("Timestamp must be in the years {first} to {last}");
        return report.refuse(field, RuleCode::TimestampOutOfRange, message);
    }
    Some(time)
}

/// A store of any chain.
pub(crate) fn read_store_id(field: &Field<'_, '_>, report: &mut Report) -> Option<StoreId> {
    report.parsed(field, RuleCode::StoreInvalid, |_| Cow::Borrowed("Store ID must be in the format STORE_1"))
}

/// A transaction's UUID in any text form.
pub(crate) fn read_transaction_id(field: &Field<'_, '_>, report: &mut Report) -> Option<TransactionId> {
    report.parsed(field, RuleCode::UuidInvalid, |_| Cow::Borrowed("Input should be a valid UUID"))
}

fn read_identifier(field: &Field<'_, '_>, report: &mut Report) -> Option<Identifier> {
    let message = "Identifier must be 1 to 48 of A-Z a-z 0-9 _ . : -";
    report.parsed(field, RuleCode::IdentifierInvalid, |_| Cow::Borrowed(message))
}

fn read_payment_method(field: &Field<'_, '_>, report: &mut Report) -> Option<PaymentMethod> {
    report.parsed(field, RuleCode::PaymentMethodInvalid, |sent| format!("Invalid payment method: {sent}").into())
}

fn read_payment_status(field: &Field<'_, '_>, report: &mut Report) -> Option<PaymentStatus> {
    report.parsed(field, RuleCode::PaymentStatusInvalid, |sent| format!("Invalid payment status: {sent}").into())
}

fn read_points(field: &Field<'_, '_>, report: &mut Report) -> Option<u32> {
    report.integer(field, 0..=limits::POINTS, "Loyalty points must not be negative")
}

fn read_receipt(field: &Field<'_, '_>, report: &mut Report) -> Option<Receipt> {
    let receipt = Object::of_field(field, RECEIPT_FIELDS, report)?;
    let receipt_id = read_identifier(&receipt.field("receipt_id"), report);
    let date = report.text(&receipt.field("date"), limits::RECEIPT_TEXT);
    let total_amount = report.money(&receipt.field("total_amount"), "Total amount");
    let payment_method = report.text(&receipt.field("payment_method"), limits::RECEIPT_TEXT);
    let transaction_id = report.text(&receipt.field("transaction_id"), limits::RECEIPT_TEXT);
    Some(Receipt {
        receipt_id: receipt_id?,
        date: date?.into_owned(),
        total_amount: total_amount?,
        payment_method: payment_method?.into_owned(),
        transaction_id: transaction_id?.into_owned(),
    })
}

/// The lines hold: totals that say something else are replaced by their sum.
fn corrected(mut transaction: ValidTransaction) -> Checked {
    let sum: Money = transaction.items.iter().map(|item: &Item| item.total_price).sum();
    let mut corrections = Vec::new();
    correct(Correction::TOTAL, &mut transaction.total_amount, sum, &mut corrections);
    correct(Correction::RECEIPT_TOTAL, &mut transaction.receipt.total_amount, sum, &mut corrections);
    Checked { transaction, corrections }
}

fn correct(field: &'static str, amount: &mut Money, recorded: Money, corrections: &mut Vec<Correction>) {
    if *amount == recorded {
        return;
    }
    corrections.push(Correction { field, sent: *amount, recorded });
    *amount = recorded;
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
