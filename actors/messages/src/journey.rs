//! The question what became of one sale, and the answer: its steps, each with how reporting knows of it.
//! Carries no cashier and no customer; how a step is written for a reader is HTTP's business.

use actix::Message;
use chrono::{DateTime, Utc};
use tillstream_domain::{Money, StoreId, TransactionId};
use uuid::Uuid;

use crate::QueryError;

/// Asks for the way of one sale.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Journey, JourneyError>")]
pub struct QueryJourney {
    /// Whose.
    pub id: TransactionId,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JourneyError {
    /// None of the sales that reporting remembers.
    #[error(
        "transaction `{id}` is not known here: it was never accepted, or a moment ago (ask again), or longer ago than \
         `reporting.journeys_for` or the newest {newest} sales or the start of this process; turnover and ledger count it all the same"
    )]
    Unknown {
        /// Which.
        id: TransactionId,
        /// `reporting.journeys`.
        newest: usize,
    },
    /// Reporting cannot say now.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// Where a sale is, and how it came there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journey {
    /// Which sale.
    pub id: TransactionId,
    /// Where it was rung up.
    pub store: StoreId,
    /// The (corrected) total.
    pub amount: Money,
    /// ISO 4217.
    pub currency: String,
    /// Where it is now.
    pub state: JourneyState,
    /// In the order in which a sale takes them.
    pub steps: Vec<JourneyStep>,
}

/// Where a sale is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JourneyState {
    /// The broker has it; more cannot be said now.
    Accepted,
    /// Its window still takes sales, and what was told of the window need not count this one yet.
    InOpenWindow,
    /// Its window still takes sales; the newest event of it counts this one.
    InWindow,
    /// Counted in a window that changes no more.
    InFinalWindow,
    /// Counted as late of its window.
    Late,
    /// The payment failed: recorded, no turnover.
    PaymentFailed,
    /// Refused, because the id belongs to another sale.
    Rejected,
}

/// How a step is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// A message said so.
    Observed,
    /// It follows from what messages said.
    Inferred,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JourneyStep {
    /// When, if that is known.
    pub at: Option<DateTime<Utc>>,
    /// How it is known.
    pub evidence: Evidence,
    /// The queue whose message said it, or what it follows from: `event_time`, `counts`, `ledger_balance`.
    pub source: String,
    /// What happened.
    pub what: StepKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepKind {
    /// Validation took it from the till.
    Received {
        /// What the till's clock said.
        timestamp: DateTime<Utc>,
        /// What validation's clock said.
        accepted_at: DateTime<Utc>,
        /// Of the message's trace, where it had one.
        trace_id: Option<u128>,
    },
    /// Validation replaced an amount by the sum of the lines.
    Corrected {
        /// Which.
        field: &'static str,
        /// What the till had sent.
        sent: Money,
        /// What holds.
        recorded: Money,
    },
    /// The broker has it on disk.
    Published {
        /// Such as `receipt`.
        kind: &'static str,
        /// Without the levels that name people.
        topic: String,
        /// The queue that delivered it to reporting.
        queue: String,
        /// How often that queue delivered this sale: a till's repetitions and the broker's, not other sales of the same id. 0: not
        /// yet, or a failed payment.
        deliveries: u16,
    },
    /// Its window, and what is known of that now.
    Window {
        /// Inclusive.
        start: DateTime<Utc>,
        /// Exclusive.
        end: DateTime<Utc>,
        /// The event that holds; none was told yet.
        told: Option<ToldWindow>,
    },
    /// The window's turnover was told.
    Aggregate {
        /// Which of them.
        kind: ToldAs,
        /// What it said.
        told: ToldWindow,
    },
    /// It came when its window was final.
    Late,
    /// The payment failed.
    PaymentFailed,
    /// A sale of this id was refused, because another one had it first.
    Rejected {
        /// Of the refused one.
        store: StoreId,
        /// Of the refused one.
        amount: Money,
        /// As which sale the id is known.
        detail: String,
        /// How often one was refused, repetitions among them; the others of this step are the last one's.
        times: u16,
    },
}

/// Which event of a window, of those that this process has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToldAs {
    /// The first.
    First,
    /// The newest after the first.
    Update,
    /// The one that closed it.
    Final,
}

/// What an event said of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldWindow {
    /// The event.
    pub event_id: Uuid,
    /// How many sales.
    pub transaction_count: u64,
    /// Their money.
    pub total: Money,
    /// No further event follows.
    pub is_final: bool,
}
