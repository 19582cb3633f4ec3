//! What HTTP and aggregation ask of a validator, and its verdicts.
//! Does not carry HTTP status codes; the routes translate.

use actix::Message;
use bytes::Bytes;
use tillstream_domain::{AggregatedEvent, Correction, RuleError, TransactionId};

use crate::{PublishError, TraceContext};

/// Order: check one body, correct it, publish it. The reply comes once the broker has it on disk.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<SaleAccepted, SaleRefused>")]
pub struct ValidateSale {
    /// The request body as it came.
    pub body: Bytes,
    /// The trace of the request, carried on to the message.
    pub trace: Option<TraceContext>,
}

/// What kind of transaction was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Paid: turnover.
    Paid,
    /// The payment failed: recorded, no turnover.
    PaymentFailed,
}

/// The broker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleAccepted {
    /// In canonical form.
    pub transaction_id: TransactionId,
    /// Paid or failed.
    pub outcome: Outcome,
    /// What the service changed; empty when nothing.
    pub corrections: Vec<Correction>,
}

/// The broker does not have it, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaleRefused {
    /// The body breaks these rules; trying again is pointless.
    #[error("the body breaks {} rules", .0.len())]
    Invalid(Vec<RuleError>),
    /// Most recent sales of several cashiers lie in the future: our clock is wrong, not theirs.
    #[error("this service's clock seems to be wrong: recent sales of several cashiers lie in the future")]
    ClockSuspect,
    /// Not acknowledged; the till tries again with the same id.
    #[error(transparent)]
    Unavailable(#[from] PublishError),
}

/// Order: check an aggregated event and publish it. The reply comes once the broker has it on disk.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), AggregateRefused>")]
pub struct PublishAggregate {
    /// The event, published byte for byte as it is written by the domain.
    pub event: AggregatedEvent,
    /// The trace of the window's emission.
    pub trace: Option<TraceContext>,
}

/// Why an aggregate was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AggregateRefused {
    /// The event breaks these rules.
    #[error("the event breaks {} rules", .0.len())]
    Invalid(Vec<RuleError>),
    /// Not acknowledged; the sender tries again.
    #[error(transparent)]
    Unavailable(#[from] PublishError),
}

// === impl ValidateSale ===

impl ValidateSale {
    /// A sale of no trace.
    #[must_use]
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), trace: None }
    }
}
