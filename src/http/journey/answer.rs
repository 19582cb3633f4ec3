//! The journey as JSON, and what each of its words means: the comments here are the API document's.
//! Does not decide anything; reporting has.

use serde::Serialize;
use tillstream_domain::rfc3339;
use tillstream_messages::{Evidence, Journey, JourneyState, JourneyStep, StepKind, ToldAs, ToldWindow};
use utoipa::ToSchema;

use crate::http::amount::Amount;

/// Where one sale is, and how it came there.
#[derive(Debug, Serialize, ToSchema)]
pub struct JourneyAnswer {
    /// In canonical form.
    #[schema(format = "uuid")]
    pub(super) transaction_id: String,
    /// Where it was rung up.
    #[schema(example = "STORE_1")]
    pub(super) store_id: String,
    /// As it was recorded: the sum of its lines.
    pub(super) amount: Amount,
    /// ISO 4217.
    #[schema(example = "EUR")]
    pub(super) currency: String,
    /// Where it is now.
    pub(super) state: StateAnswer,
    /// In the order in which a sale takes them.
    pub(super) steps: Vec<StepAnswer>,
}

/// Where a sale is: `accepted` the broker has it, and more cannot be said now (its window is final and the store's ledger does not
/// balance at this moment: this sale may be counted, or on its way to be told as late); `in_open_window` its window still takes
/// sales, and what was told of the window so far need not count this one; `in_window` its window still takes sales, and the newest
/// event of it counts this one; `in_final_window` counted in a window that changes no more; `late` counted as late of its window;
/// `payment_failed` recorded, no turnover; `rejected` refused, because its id belongs to another sale that is not known here any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateAnswer {
    /// The broker has it.
    Accepted,
    /// Its window still takes sales and need not count it yet.
    InOpenWindow,
    /// The newest event of its window counts it.
    InWindow,
    /// Counted for good.
    InFinalWindow,
    /// Counted as late.
    Late,
    /// Recorded, no turnover.
    PaymentFailed,
    /// Its id belongs to another sale.
    Rejected,
}

/// How a step is known: `observed` a message said so; `inferred` it follows from what messages said.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceAnswer {
    /// A message said so.
    Observed,
    /// It follows from what messages said.
    Inferred,
}

/// One step.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepAnswer {
    /// What happened.
    #[serde(flatten)]
    pub(super) what: WhatAnswer,
    /// When: by validation's clock for `received` and `corrected`, else when reporting read the message that says so. Null where
    /// no message did, or one of before this process started.
    #[schema(format = "date-time")]
    pub(super) at: Option<String>,
    /// How it is known.
    pub(super) evidence: EvidenceAnswer,
    /// The queue whose message said so, or what it follows from: `event_time`, `counts`, `ledger_balance`.
    #[schema(example = "sale_pos_transaction_ledger.q")]
    pub(super) source: String,
}

/// What happened.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum WhatAnswer {
    /// Validation took it from the till.
    Received {
        /// What the till's clock said: the event time, which names the window.
        #[schema(format = "date-time")]
        till_timestamp: String,
        /// What validation's clock said.
        #[schema(format = "date-time")]
        accepted_at: String,
        /// Of the trace that the message belongs to, where it does.
        #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
        trace_id: Option<String>,
    },
    /// Validation replaced an amount by the sum of the lines. The till was told.
    Corrected {
        /// `total_amount` or `receipt.total_amount`.
        field: &'static str,
        /// What the till had sent.
        sent: Amount,
        /// What holds.
        recorded: Amount,
    },
    /// The broker has it on disk: the till got its 200, which says of a failed payment that it was recorded as such.
    Published {
        /// `receipt`, or `failed` for a failed payment.
        topic_kind: &'static str,
        /// Where to, without what names people: cashier, receipt, customer and the total are `-`.
        topic: String,
        /// The message's id on the broker.
        #[schema(format = "uuid")]
        message_id: String,
        /// The queue that brings it to reporting.
        queue: String,
        /// How often that queue delivered this sale: repetitions of the till and of the broker, which count once. Other sales of the
        /// same id are in `rejected`. 0 while that queue is behind the one that told of it, and for a failed payment.
        deliveries: u16,
    },
    /// The window that its event time belongs to, as it stands now.
    Window {
        /// Inclusive.
        #[schema(format = "date-time")]
        window_start: String,
        /// Exclusive.
        #[schema(format = "date-time")]
        window_end: String,
        /// The event that holds; null while none was told.
        told: Option<ToldAnswer>,
    },
    /// The window's turnover was told, after validation had the sale and so perhaps with it.
    Aggregate {
        /// Of those that this process has read: `first`, the newest `update` after it, `final`.
        kind: KindAnswer,
        /// What it said.
        told: ToldAnswer,
    },
    /// It came when its window was final: it counts in that window's `late_amount`.
    Late,
    /// The payment failed: recorded, no turnover.
    PaymentFailed,
    /// A sale of this id was refused, because another one had the id first. It counts as rejected in the ledger, once for each content.
    Rejected {
        /// Always `conflict`.
        reason: &'static str,
        /// Of the refused sale.
        store_id: String,
        /// Of the refused sale.
        amount: Amount,
        /// As which sale the id is known.
        detail: String,
        /// How often a sale of this id was refused, repetitions among them; what else stands here is the last one's.
        times: u16,
    },
}

/// Which event of a window.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KindAnswer {
    /// The first.
    First,
    /// The newest after the first.
    Update,
    /// The one that closed it.
    Final,
}

/// What an event said of a window. `(final, transaction_count)` is its revision: the greater one holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToldAnswer {
    /// The event.
    #[schema(format = "uuid")]
    pub(super) event_id: String,
    /// How many distinct sales.
    pub(super) transaction_count: u64,
    /// Their money.
    pub(super) total_amount: Amount,
    /// No further event follows; later sales are late.
    pub(super) r#final: bool,
}

impl From<&Journey> for JourneyAnswer {
    fn from(journey: &Journey) -> Self {
        let id = journey.id.to_string();
        Self {
            store_id: journey.store.to_string(),
            amount: Amount(journey.amount),
            currency: journey.currency.clone(),
            state: journey.state.into(),
            steps: journey.steps.iter().map(|step| StepAnswer::of(step, &id)).collect(),
            transaction_id: id,
        }
    }
}

impl StepAnswer {
    fn of(step: &JourneyStep, id: &str) -> Self {
        Self {
            what: WhatAnswer::of(&step.what, id),
            at: step.at.map(rfc3339),
            evidence: match step.evidence {
                Evidence::Observed => EvidenceAnswer::Observed,
                Evidence::Inferred => EvidenceAnswer::Inferred,
            },
            source: step.source.clone(),
        }
    }
}

impl WhatAnswer {
    fn of(what: &StepKind, id: &str) -> Self {
        match what {
            StepKind::Received { timestamp, accepted_at, trace_id } => Self::Received {
                till_timestamp: rfc3339(*timestamp),
                accepted_at: rfc3339(*accepted_at),
                trace_id: trace_id.map(|trace| format!("{trace:032x}")),
            },
            StepKind::Corrected { field, sent, recorded } => {
                Self::Corrected { field, sent: Amount(*sent), recorded: Amount(*recorded) }
            }
            StepKind::Published { kind, topic, queue, deliveries } => Self::Published {
                topic_kind: kind,
                topic: topic.clone(),
                message_id: id.to_owned(),
                queue: queue.clone(),
                deliveries: *deliveries,
            },
            StepKind::Window { start, end, told } => Self::Window {
                window_start: rfc3339(*start),
                window_end: rfc3339(*end),
                told: told.as_ref().map(ToldAnswer::from),
            },
            StepKind::Aggregate { kind, told } => Self::Aggregate { kind: (*kind).into(), told: told.into() },
            StepKind::Late => Self::Late,
            StepKind::PaymentFailed => Self::PaymentFailed,
            StepKind::Rejected { store, amount, detail, times } => Self::Rejected {
                reason: "conflict",
                store_id: store.to_string(),
                amount: Amount(*amount),
                detail: detail.clone(),
                times: *times,
            },
        }
    }
}

impl From<JourneyState> for StateAnswer {
    fn from(state: JourneyState) -> Self {
        match state {
            JourneyState::Accepted => Self::Accepted,
            JourneyState::InOpenWindow => Self::InOpenWindow,
            JourneyState::InWindow => Self::InWindow,
            JourneyState::InFinalWindow => Self::InFinalWindow,
            JourneyState::Late => Self::Late,
            JourneyState::PaymentFailed => Self::PaymentFailed,
            JourneyState::Rejected => Self::Rejected,
        }
    }
}

impl From<ToldAs> for KindAnswer {
    fn from(kind: ToldAs) -> Self {
        match kind {
            ToldAs::First => Self::First,
            ToldAs::Update => Self::Update,
            ToldAs::Final => Self::Final,
        }
    }
}

impl From<&ToldWindow> for ToldAnswer {
    fn from(told: &ToldWindow) -> Self {
        Self {
            event_id: told.event_id.as_hyphenated().to_string(),
            transaction_count: told.transaction_count,
            total_amount: Amount(told.total),
            r#final: told.is_final,
        }
    }
}
