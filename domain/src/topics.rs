//! Topics, subscriptions and queue names of the contract; no topic passes 250 bytes, whatever a till sends.
//! Does not publish, and does not match wildcards: the broker does.

use std::fmt;
use std::str::FromStr;

use crate::ids::is_topic_safe;
use crate::{AggregatedEvent, BrokerUser, PaymentMethod, Sale, StoreId, TransactionId, ValidTransaction, rfc3339};

/// The broker takes no longer topic.
pub const MAX_TOPIC_BYTES: usize = 250;

/// Longest prefix.
const MAX_PREFIX: usize = 24;

/// Longest queue name inside a topic; Solace allows no longer one either.
const MAX_QUEUE: usize = 200;

/// Feeds aggregation with paid sales.
pub const AGGREGATION_QUEUE: &str = "sale_pos_transaction_aggregation_service";
/// Feeds the ledger's own side with paid sales.
pub const LEDGER_QUEUE: &str = "sale_pos_transaction_ledger.q";
/// Feeds reporting with windows, late sales and failed payments.
pub const REPORTING_QUEUE: &str = "sale_pos_transaction_reporting.q";
/// Keeps for an operator what could not be counted.
pub const REJECTED_QUEUE: &str = "sale_pos_transaction_rejected.q";

/// The queue of a store's windows, for whoever sits in the store.
pub fn store_queue(store: u32) -> String {
    format!("sale_pos_transaction_aggregations_store{store}.q")
}

/// Where a queue's messages go when they were delivered too often.
pub fn dead_message_queue(queue: &str) -> String {
    format!("{queue}.dmq")
}

/// The first levels of every topic, such as `sale/pos/transaction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPrefix(String);

/// Why a text is no prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "topic prefix must be levels of `A-Z a-z 0-9 _ . : -` in at most {MAX_PREFIX} bytes, such as `sale/pos/transaction`"
)]
pub struct InvalidPrefix;

impl TopicPrefix {
    /// The text, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TopicPrefix {
    fn default() -> Self {
        Self("sale/pos/transaction".to_owned())
    }
}

impl FromStr for TopicPrefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let level = |level: &str| !level.is_empty() && level.bytes().all(is_topic_safe);
        let fits = text.len() <= MAX_PREFIX && text.split('/').all(level);
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidPrefix) }
    }
}

/// What a topic says about its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicKind {
    /// A paid sale.
    Receipt,
    /// A failed payment.
    Failed,
    /// A window's turnover.
    Aggregation,
    /// A sale whose window was final.
    Late,
    /// A message that could not be counted.
    Rejected,
    /// None of ours.
    Other,
}

impl TopicKind {
    /// The level behind the prefix; empty for none of ours.
    pub const fn level(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Failed => "failed",
            Self::Aggregation => "aggregations",
            Self::Late => "late",
            Self::Rejected => "rejected",
            Self::Other => "",
        }
    }
}

/// Builds the topics and subscriptions below one prefix.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topics {
    prefix: TopicPrefix,
    personal_data: bool,
}

impl Topics {
    /// Without `personal_data` a sale's topic has `-` for customer and total.
    pub const fn new(prefix: TopicPrefix, personal_data: bool) -> Self {
        Self { prefix, personal_data }
    }

    /// Where a checked transaction goes: paid sales to `receipt`, failed payments to `failed`.
    pub fn transaction(&self, transaction: &ValidTransaction) -> String {
        if transaction.is_paid() { self.receipt(transaction) } else { self.failed(transaction) }
    }

    /// A paid sale. Its timestamp level is cut to whole seconds where the topic would be too long otherwise.
    pub fn receipt(&self, sale: &ValidTransaction) -> String {
        let timestamp = rfc3339(sale.timestamp);
        let topic = self.receipt_at(sale, &timestamp);
        if topic.len() <= MAX_TOPIC_BYTES {
            return topic;
        }
        let shorter = self.receipt_at(sale, &format!("{}Z", &timestamp[..WHOLE_SECONDS]));
        debug_assert!(shorter.len() <= MAX_TOPIC_BYTES);
        shorter
    }

    /// The topic of a sale as it may be shown: with `-` for cashier, receipt and customer, and for the total, which stands
    /// there only with `personal_data`. A level that is not known is `-` too.
    pub fn shown_receipt(&self, sale: &Sale, method: Option<PaymentMethod>) -> String {
        let (store, id, timestamp) = (sale.store, sale.id, rfc3339(sale.timestamp));
        let method = method.map_or("-", PaymentMethod::as_str);
        self.below(TopicKind::Receipt, format_args!("{store}/-/{method}/success/{timestamp}/{id}/-/-/-"))
    }

    /// How a sale was paid, out of its topic.
    pub fn method_of(receipt: &str) -> Option<PaymentMethod> {
        receipt.rsplit('/').nth(METHOD_FROM_THE_END)?.parse().ok()
    }

    /// A failed payment.
    pub fn failed(&self, transaction: &ValidTransaction) -> String {
        self.failed_payment(transaction.store_id, transaction.transaction_id)
    }

    /// The failed payment of this id; nothing in its topic names a person.
    pub fn failed_payment(&self, store: StoreId, id: TransactionId) -> String {
        self.below(TopicKind::Failed, format_args!("{store}/{id}"))
    }

    /// A window's turnover.
    pub fn aggregation(&self, event: &AggregatedEvent) -> String {
        let (store, id, total) = (event.store_id, event.event_id.as_hyphenated(), event.total_amount);
        self.below(TopicKind::Aggregation, format_args!("{store}/{id}/{total}"))
    }

    /// A sale whose window was final.
    pub fn late(&self, store: StoreId, id: TransactionId) -> String {
        self.below(TopicKind::Late, format_args!("{store}/{id}"))
    }

    /// A message of this queue that could not be counted; what cannot stand in a topic becomes `_`.
    pub fn rejected(&self, queue: &str) -> String {
        let safe = |byte: u8| if is_topic_safe(byte) { char::from(byte) } else { '_' };
        let level: String = queue.bytes().take(MAX_QUEUE).map(safe).collect();
        self.below(TopicKind::Rejected, format_args!("{}", if level.is_empty() { "_" } else { &level }))
    }

    /// Where a publisher asks the broker what becomes of a message that no queue takes.
    pub fn probe(&self, publisher: BrokerUser) -> String {
        format!("{}/check/{}", self.prefix.as_str(), publisher.name())
    }

    /// The subscription to all messages of one kind, such as `sale/pos/transaction/receipt/>`.
    pub fn all(&self, kind: TopicKind) -> String {
        self.below(kind, format_args!(">"))
    }

    /// The subscription of a store's own queue.
    pub fn store_aggregations(&self, store: StoreId) -> String {
        self.below(TopicKind::Aggregation, format_args!("{store}/>"))
    }

    /// What a topic says about its message.
    pub fn kind_of(&self, topic: &str) -> TopicKind {
        let levels = topic.strip_prefix(self.prefix.as_str()).and_then(|rest| rest.strip_prefix('/'));
        match levels.and_then(|rest| rest.split_once('/')).map(|(kind, _)| kind) {
            Some("receipt") => TopicKind::Receipt,
            Some("failed") => TopicKind::Failed,
            Some("aggregations") => TopicKind::Aggregation,
            Some("late") => TopicKind::Late,
            Some("rejected") => TopicKind::Rejected,
            _ => TopicKind::Other,
        }
    }

    fn receipt_at(&self, sale: &ValidTransaction, timestamp: &str) -> String {
        let (store, cashier, id) = (sale.store_id, sale.cashier_id, sale.transaction_id);
        let (method, status, receipt) = (sale.payment_method, sale.payment_status, &sale.receipt.receipt_id);
        let head = format_args!("{store}/{cashier}/{method}/{status}/{timestamp}/{id}");
        if !self.personal_data {
            return self.below(TopicKind::Receipt, format_args!("{head}/-/{receipt}/-"));
        }
        let (total, customer) = (sale.total_amount, &sale.customer_id);
        self.below(TopicKind::Receipt, format_args!("{head}/{total}/{receipt}/{customer}"))
    }

    fn below(&self, kind: TopicKind, rest: fmt::Arguments<'_>) -> String {
        format!("{}/{}/{rest}", self.prefix.as_str(), kind.level())
    }
}

/// `method/status/timestamp/transaction_id/total/receipt_id/customer_id` end the topic of a sale; none of them has a slash.
const METHOD_FROM_THE_END: usize = 6;

/// Bytes of `2024-11-15T10:00:00`.
const WHOLE_SECONDS: usize = 19;

#[cfg(test)]
mod tests;
