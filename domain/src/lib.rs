//! The pure heart of tillstream: identifiers and money that cannot exist invalid, the rules for a transaction,
//! the window algebra, topics and the ledger equation.
//! Has no `async fn`, no clock and no I/O: time enters as an argument, storage leaves as a value.

mod access;
mod aggregate;
mod corrections;
mod events;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
mod ids;
mod json;
mod ledger;
mod money;
mod rule_error;
mod rules;
mod sale;
#[cfg(feature = "openapi")]
pub mod schema;
mod time;
mod topics;
mod transaction;
mod window;
mod words;

pub use access::{Action, BrokerUser, SecretReader, UserRole};
pub use aggregate::AggregatedEvent;
pub use corrections::SentTotals;
pub use events::{LateSale, RejectReason, RejectedMessage};
pub use ids::{CashierId, Identifier, InvalidId, StoreId, TransactionId};
pub use ledger::{Imbalance, Ledger, LedgerOverflow, Tally};
pub use money::{InvalidMoney, Money};
pub use rule_error::{Correction, RULE_CODES, RuleCode, RuleError};
pub use rules::{Checked, ClockSuspicion, Rules, Till};
pub use sale::{PoisonPayload, Sale};
pub use time::{parse_rfc3339, rfc3339};
pub use topics::{
    AGGREGATION_QUEUE, InvalidPrefix, LEDGER_QUEUE, MAX_TOPIC_BYTES, REJECTED_QUEUE, REPORTING_QUEUE, TopicKind,
    TopicPrefix, Topics, dead_message_queue, store_queue,
};
pub use transaction::{Item, PaymentMethod, PaymentStatus, Receipt, ValidTransaction};
pub use window::{
    Due, EmissionKind, FinalWindow, Fold, FoldedSale, HeldLate, QueueProgress, Recognition, SaleTag, StoreWindows,
    WindowRules,
};
pub use words::UnknownWord;
