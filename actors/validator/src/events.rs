//! What happens in this room, as structs that log and count in one place.
//! No line names a customer, an article or a total: store, transaction id and rule are enough to find the rest.

use tillstream_domain::{Checked, RuleError, StoreId, TransactionId};
use tillstream_messages::PublishError;
use tracing::{debug, warn};

use crate::metrics::{OUTCOMES, REJECTIONS};

/// The broker has a transaction.
pub struct TransactionPublished<'a> {
    /// What was published.
    pub checked: &'a Checked,
}

/// A body broke rules.
pub struct BodyRejected<'a> {
    /// Which.
    pub errors: &'a [RuleError],
}

/// An aggregated event broke rules; only a wrong sender makes such.
pub struct AggregateRejected<'a> {
    /// Whose.
    pub store: StoreId,
    /// Which.
    pub errors: &'a [RuleError],
}

/// The broker has not acknowledged something in time, or has refused it.
pub struct PublishFailed<'a> {
    /// Whose.
    pub store: StoreId,
    /// Why.
    pub reason: &'a PublishError,
}

impl TransactionPublished<'_> {
    /// Logs and counts.
    pub fn emit(self) {
        let Checked { transaction, corrections } = self.checked;
        let (store, id) = (transaction.store_id, transaction.transaction_id);
        match (transaction.is_paid(), corrections.is_empty()) {
            (false, _) => {
                OUTCOMES.payment_failed.inc();
                debug!(store.id = %store, transaction.id = %id, "recorded failed payment `{id}` of store `{store}`");
            }
            (true, true) => OUTCOMES.accepted.inc(),
            (true, false) => OUTCOMES.corrected.inc(),
        }
        if !corrections.is_empty() {
            corrected(store, id, &corrections.iter().map(|correction| correction.field).collect::<Vec<_>>());
        }
    }
}

fn corrected(store: StoreId, id: TransactionId, fields: &[&str]) {
    let fields = fields.join(", ");
    warn!(store.id = %store, transaction.id = %id, "corrected {fields} of transaction `{id}` of store `{store}`");
}

impl BodyRejected<'_> {
    /// Logs and counts.
    pub fn emit(self) {
        OUTCOMES.rejected.inc();
        count_rules(self.errors);
        warn!("rejected a transaction that breaks rules: {}", rules(self.errors));
    }
}

impl AggregateRejected<'_> {
    /// Logs and counts.
    pub fn emit(self) {
        count_rules(self.errors);
        warn!(store.id = %self.store, "rejected an aggregate of store `{}`: {}", self.store, rules(self.errors));
    }
}

impl PublishFailed<'_> {
    /// Logs; the metric is that of the publisher.
    pub fn emit(self) {
        let Self { store, reason } = self;
        warn!(store.id = %store, %reason, "not acknowledged by the broker: a message of store `{store}`");
    }
}

/// Codes come from the domain's closed list, so the label is bounded.
fn count_rules(errors: &[RuleError]) {
    for error in errors {
        REJECTIONS.with_label_values(&[error.code]).inc();
    }
}

fn rules(errors: &[RuleError]) -> String {
    let mut codes: Vec<&str> = errors.iter().map(|error| error.code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes.join(", ")
}
