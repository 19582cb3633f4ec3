//! What aggregation tells beside its windows: late sales, and messages that it could not count.
//! Does not decide what is late or rejected.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::json::{Object, Report, Writer};
use crate::rules::{read_store_id, read_time, read_transaction_id, read_window_bound};
use crate::words::words;
use crate::{Money, PoisonPayload, RuleCode, RuleError, Sale, StoreId, TransactionId, rfc3339};

/// Namespace of the ids of messages that have none that could be read.
const MESSAGE_NAMESPACE: Uuid = Uuid::from_u128(0x2b8e_4c7d_91f0_5a36_8d14_70c5_e2a9_b36f);

/// Characters of [`RejectedMessage::detail`]: enough to understand, too few to carry a body.
const MAX_DETAIL: usize = 200;

const LATE_FIELDS: &[&str; 7] =
    &["transaction_id", "store_id", "timestamp", "accepted_at", "total_amount", "window_start", "window_end"];
const REJECTED_FIELDS: &[&str; 6] = &["reason", "queue", "message_id", "store_id", "total_amount", "detail"];

/// A sale that came when its window was final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LateSale {
    /// The sale.
    pub sale: Sale,
    /// Start of the window that it belongs to; inclusive.
    pub window_start: DateTime<Utc>,
    /// End of that window; exclusive.
    pub window_end: DateTime<Utc>,
}

impl LateSale {
    /// The JSON document that is published.
    pub fn to_json(&self) -> Vec<u8> {
        let sale = &self.sale;
        Writer::object(320, |out| {
            out.plain("transaction_id", sale.id);
            out.plain("store_id", sale.store);
            out.plain("timestamp", rfc3339(sale.timestamp));
            out.plain("accepted_at", rfc3339(sale.accepted_at));
            out.bare("total_amount", sale.amount);
            out.plain("window_start", rfc3339(self.window_start));
            out.plain("window_end", rfc3339(self.window_end));
        })
    }

    /// Reads what [`Self::to_json`] writes.
    ///
    /// # Errors
    /// The message is poison: it can never be counted, and says why.
    pub fn from_json(payload: &[u8]) -> Result<Self, PoisonPayload> {
        let mut report = Report::default();
        let late =
            Object::of_document(payload, LATE_FIELDS, &mut report).and_then(|json| Self::read(&json, &mut report));
        report.verdict(late).map_err(|errors| poison(&errors))
    }

    fn read(json: &Object<'_, '_, 7>, report: &mut Report) -> Option<Self> {
        let id = read_transaction_id(&json.field("transaction_id"), report);
        let store = read_store_id(&json.field("store_id"), report);
        let timestamp = read_time(&json.field("timestamp"), report);
        let accepted_at = read_time(&json.field("accepted_at"), report);
        let amount = report.money(&json.field("total_amount"), "Total amount");
        let window_start = read_window_bound(&json.field("window_start"), report);
        let end_field = json.field("window_end");
        let window_end = read_window_bound(&end_field, report);
        let sale = Sale { id: id?, store: store?, timestamp: timestamp?, accepted_at: accepted_at?, amount: amount? };
        let (window_start, window_end) = (window_start?, window_end?);
        if !(window_start..window_end).contains(&sale.timestamp) {
            return report.refuse(&end_field, RuleCode::WindowInvalid, "Window must contain the sale");
        }
        Some(Self { sale, window_start, window_end })
    }
}

words!(
    /// Why a message could not be counted.
    RejectReason {
        /// It can never be read as what its topic promises.
        Poison = "poison",
        /// A known transaction id with another store or amount.
        Conflict = "conflict",
    }
);

/// A message that could not be counted, for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedMessage {
    /// What is wrong with it.
    pub reason: RejectReason,
    /// The queue that delivered it.
    pub queue: String,
    /// The transaction's id where it could be read, else an id made of the payload: the same message, the same id.
    pub message_id: Uuid,
    /// Whose sale, where it could be read.
    pub store: Option<StoreId>,
    /// How much, where it could be read.
    pub amount: Option<Money>,
    /// For a person; never the message itself.
    pub detail: String,
}

impl RejectedMessage {
    /// A message that can never be read.
    pub fn poison(queue: &str, payload: &[u8], error: &PoisonPayload) -> Self {
        Self {
            reason: RejectReason::Poison,
            queue: queue.to_owned(),
            message_id: Uuid::new_v5(&MESSAGE_NAMESPACE, payload),
            store: None,
            amount: None,
            detail: bounded(&error.to_string()),
        }
    }

    /// A sale whose id is known with another store or amount; `detail` says with which.
    pub fn conflict(queue: &str, sale: &Sale, detail: &str) -> Self {
        Self {
            reason: RejectReason::Conflict,
            queue: queue.to_owned(),
            message_id: sale.id.uuid(),
            store: Some(sale.store),
            amount: Some(sale.amount),
            detail: bounded(detail),
        }
    }

    /// The JSON document that is published.
    pub fn to_json(&self) -> Vec<u8> {
        Writer::object(256 + self.detail.len(), |out| {
            out.plain("reason", self.reason);
            out.text("queue", &self.queue);
            out.plain("message_id", self.message_id.as_hyphenated());
            if let Some(store) = self.store {
                out.plain("store_id", store);
            }
            if let Some(amount) = self.amount {
                out.bare("total_amount", amount);
            }
            out.text("detail", &self.detail);
        })
    }

    /// Reads what [`Self::to_json`] writes.
    ///
    /// # Errors
    /// Says what is wrong with the document.
    pub fn from_json(payload: &[u8]) -> Result<Self, PoisonPayload> {
        let mut report = Report::default();
        let rejected =
            Object::of_document(payload, REJECTED_FIELDS, &mut report).and_then(|json| Self::read(&json, &mut report));
        report.verdict(rejected).map_err(|errors| poison(&errors))
    }

    fn read(json: &Object<'_, '_, 6>, report: &mut Report) -> Option<Self> {
        let unknown = |_: &str| "Unknown reason".into();
        let reason = report.parsed(&json.field("reason"), RuleCode::WrongType, unknown);
        let queue = report.string(&json.field("queue"));
        let message_id: Option<TransactionId> = read_transaction_id(&json.field("message_id"), report);
        let (store_field, amount_field) = (json.field("store_id"), json.field("total_amount"));
        let store = store_field.text.map(|_| read_store_id(&store_field, report));
        let amount = amount_field.text.map(|_| report.money(&amount_field, "Total amount"));
        let detail = report.string(&json.field("detail"));
        Some(Self {
            reason: reason?,
            queue: queue?.into_owned(),
            message_id: message_id?.uuid(),
            store: store.flatten(),
            amount: amount.flatten(),
            detail: detail?.into_owned(),
        })
    }
}

/// The first of the errors, as the one reason why a message is poison.
fn poison(errors: &[RuleError]) -> PoisonPayload {
    let first = errors.first().map(|error| format!("`{}`: {}", error.path, error.message));
    PoisonPayload::Malformed(first.unwrap_or_default())
}

fn bounded(detail: &str) -> String {
    detail.chars().take(MAX_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{SampleBody, sample_time};

    fn sale() -> Sale {
        let body = SampleBody::default();
        body.checked().transaction.sale(sample_time(1_000))
    }

    #[test]
    fn a_late_sale_survives_its_document() {
        let late = LateSale { sale: sale(), window_start: sample_time(0), window_end: sample_time(10_000) };
        assert_eq!(LateSale::from_json(&late.to_json()), Ok(late));
    }

    #[test]
    fn a_late_sale_of_another_window_is_poison() {
        let late = LateSale { sale: sale(), window_start: sample_time(10_000), window_end: sample_time(20_000) };
        assert!(matches!(LateSale::from_json(&late.to_json()), Err(PoisonPayload::Malformed(_))));
        assert!(matches!(LateSale::from_json(b"{}"), Err(PoisonPayload::Malformed(_))));
    }

    #[test]
    fn a_conflict_names_sale_store_and_amount() {
        let conflict = RejectedMessage::conflict("some.q", &sale(), "known with STORE_2 and 1.00");
        let read = RejectedMessage::from_json(&conflict.to_json()).unwrap();
        assert_eq!(read, conflict);
        assert_eq!((read.store, read.amount), (Some(sale().store), Some(sale().amount)));
    }

    #[test]
    fn the_same_poison_has_the_same_id_and_does_not_carry_its_body() {
        let error = PoisonPayload::Malformed("x".repeat(10_000));
        let poison = |payload| RejectedMessage::poison("some.q", payload, &error);
        assert_eq!(poison(b"a").message_id, poison(b"a").message_id);
        assert_ne!(poison(b"a").message_id, poison(b"b").message_id);
        assert_eq!(poison(b"a").detail.len(), MAX_DETAIL);
    }

    proptest! {
        #[test]
        fn a_rejection_survives_its_document(queue in any::<String>(), detail in any::<String>()) {
            let rejected = RejectedMessage::conflict(&queue, &sale(), &detail);
            prop_assert_eq!(RejectedMessage::from_json(&rejected.to_json()), Ok(rejected));
        }
    }
}
