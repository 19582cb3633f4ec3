//! The essence of a validated, paid sale: what windows and the ledger need of it.
//! Does not hold items, receipt or customer; those stay in the published message.

mod canonical;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Money, StoreId, TransactionId, parse_rfc3339};

/// One paid sale as aggregation sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sale {
    /// The transaction; the same id twice is one sale.
    pub id: TransactionId,
    /// Where it was rung up.
    pub store: StoreId,
    /// Event time: what the till says.
    pub timestamp: DateTime<Utc>,
    /// Arrival time: what the validation service's clock said.
    pub accepted_at: DateTime<Utc>,
    /// The (corrected) total.
    pub amount: Money,
}

/// Why a message is not what its topic promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoisonPayload {
    /// Not JSON, or without one of the fields.
    #[error("not a document of the expected shape: {0}")]
    Malformed(String),
    /// A field has a value that validation would never have published.
    #[error("field `{0}` has no valid value")]
    Field(&'static str),
    /// A failed payment on the topic of paid sales.
    #[error("the payment failed: not a paid sale")]
    NotPaid,
}

/// The texts of the fields that are read.
struct Essence<'a> {
    transaction_id: &'a str,
    timestamp: &'a str,
    store_id: &'a str,
    total_amount: &'a str,
    payment_status: &'a str,
    accepted_at: &'a str,
}

/// The same in a document of any layout; other fields are skipped.
#[derive(Deserialize)]
struct AnyLayout<'a> {
    transaction_id: &'a str,
    timestamp: &'a str,
    store_id: &'a str,
    #[serde(borrow)]
    total_amount: &'a RawValue,
    payment_status: &'a str,
    accepted_at: &'a str,
}

impl Sale {
    /// Reads the payload of a published sale.
    ///
    /// # Errors
    /// The message is poison: it can never be folded, and says why.
    pub fn from_payload(payload: &[u8]) -> Result<Self, PoisonPayload> {
        match canonical::read(payload) {
            Some(essence) => essence.sale(),
            None => Self::from_any_layout(payload),
        }
    }

    /// Reads the payload of a failed payment: what would have been the sale.
    ///
    /// # Errors
    /// It is none, or not readable.
    pub fn from_failed_payment(payload: &[u8]) -> Result<Self, PoisonPayload> {
        let essence = match canonical::read(payload) {
            Some(essence) => essence,
            None => AnyLayout::of(payload)?.essence(),
        };
        if essence.payment_status != "failed" {
            return Err(PoisonPayload::Field("payment_status"));
        }
        essence.unpaid()
    }

    fn from_any_layout(payload: &[u8]) -> Result<Self, PoisonPayload> {
        AnyLayout::of(payload)?.essence().sale()
    }
}

impl<'a> AnyLayout<'a> {
    fn of(payload: &'a [u8]) -> Result<Self, PoisonPayload> {
        serde_json::from_slice(payload).map_err(|error| PoisonPayload::Malformed(error.to_string()))
    }

    fn essence(&self) -> Essence<'a> {
        Essence {
            transaction_id: self.transaction_id,
            timestamp: self.timestamp,
            store_id: self.store_id,
            total_amount: self.total_amount.get(),
            payment_status: self.payment_status,
            accepted_at: self.accepted_at,
        }
    }
}

impl Essence<'_> {
    fn sale(&self) -> Result<Sale, PoisonPayload> {
        if self.payment_status != "success" {
            return Err(PoisonPayload::NotPaid);
        }
        self.unpaid()
    }

    /// Whatever became of the payment.
    fn unpaid(&self) -> Result<Sale, PoisonPayload> {
        let time = |name, text| parse_rfc3339(text).ok_or(PoisonPayload::Field(name));
        Ok(Sale {
            id: self.transaction_id.parse().map_err(|_| PoisonPayload::Field("transaction_id"))?,
            store: self.store_id.parse().map_err(|_| PoisonPayload::Field("store_id"))?,
            timestamp: time("timestamp", self.timestamp)?,
            accepted_at: time("accepted_at", self.accepted_at)?,
            amount: Money::parse(self.total_amount).map_err(|_| PoisonPayload::Field("total_amount"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{SampleBody, sample_time};

    #[test]
    fn a_failed_payment_among_paid_sales_is_poison_and_no_turnover() {
        let payload = SampleBody { status: "failed", ..SampleBody::default() }.payload();
        assert_eq!(Sale::from_payload(&payload), Err(PoisonPayload::NotPaid));
    }

    #[test]
    fn a_failed_payment_is_read_as_what_would_have_been_the_sale_and_a_paid_one_is_not() {
        let failed = SampleBody { status: "failed", ..SampleBody::default() };
        let sale = failed.checked().transaction.sale(sample_time(1_000));
        assert_eq!(Sale::from_failed_payment(&failed.payload()), Ok(sale));
        let spread = String::from_utf8(failed.payload()).unwrap().replace("\":", "\": ");
        assert_eq!(Sale::from_failed_payment(spread.as_bytes()), Ok(sale), "{spread}");
        let paid = Sale::from_failed_payment(&SampleBody::default().payload());
        assert_eq!(paid, Err(PoisonPayload::Field("payment_status")));
    }

    #[test]
    fn poison_says_what_is_wrong() {
        let payload = String::from_utf8(SampleBody::default().payload()).unwrap();
        let with = |old: &str, new: &str| Sale::from_payload(payload.replacen(old, new, 1).as_bytes()).unwrap_err();
        assert!(matches!(Sale::from_payload(b"not json"), Err(PoisonPayload::Malformed(_))));
        assert!(matches!(with("accepted_at", "x"), PoisonPayload::Malformed(_)));
        assert_eq!(with("STORE_1", "STORE_x"), PoisonPayload::Field("store_id"));
        assert_eq!(with("2024-11-15T10:00:00Z", "yesterday"), PoisonPayload::Field("timestamp"));
        assert_eq!(with("7.57", "1e2"), PoisonPayload::Field("total_amount"));
        assert_eq!(with("7.57", "\"7.57\""), PoisonPayload::Field("total_amount"));
    }

    proptest! {
        #[test]
        fn aggregation_reads_exactly_what_validation_wrote(
            (store, cents, nanos) in (1_u32..=999_999, 1_i64..100_000_000_000, 0_i64..1_000_000_000),
            name in any::<String>(),
            delay in -60_000_i64..86_400_000,
        ) {
            let timestamp = sample_time(0) + TimeDelta::nanoseconds(nanos);
            let body = SampleBody { store, timestamp, lines: vec![(1, cents)], ..SampleBody::default() };
            let mut transaction = body.checked().transaction;
            transaction.items[0].name = name;
            let accepted_at = timestamp + TimeDelta::milliseconds(delay);

            let payload = transaction.to_payload(accepted_at);

            prop_assert_eq!(Sale::from_payload(&payload), Ok(transaction.sale(accepted_at)));
        }
    }
}
