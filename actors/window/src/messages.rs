//! What the room's own actors tell each other: intake → router → window → outbox, and the answers the other way.
//! Everything here is told at least once and folded once; no reader may rely on hearing it exactly once.

use std::sync::Arc;

use actix::Message;
use chrono::{DateTime, Utc};
use tillstream_domain::{
    AggregatedEvent, FinalWindow, HeldLate, Money, QueueProgress, RejectedMessage, Sale, SaleTag, StoreId,
    TransactionId,
};
use tillstream_messages::{DeliveryTag, TraceContext};
use tillstream_traces::Step;

use crate::steps::Steps;

/// Epoch of the journal's tags: a spilled sale is told again under a number of the journal.
pub(crate) const JOURNAL_EPOCH: u32 = SaleTag::COPIES;

/// A sale under way, with the name of its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ToldSale {
    pub sale: Sale,
    pub tag: SaleTag,
    /// Delivered before; then the same id is no duplicate.
    pub redelivered: bool,
}

/// Whose sales are told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    All,
    Store(StoreId),
}

/// Answers one request to tell again; a request of an earlier incarnation is recognised by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    pub scope: Scope,
    pub number: u64,
}

/// Fact (intake → router): sales in delivery order, and how far the queue has been read.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct SalesDelivered {
    pub sales: Vec<ToldSale>,
    /// Of those that are sampled; none where they are told again.
    pub steps: Steps,
    /// `None` while it stands still.
    pub progress: Option<QueueProgress>,
    /// `None` for the first telling.
    pub again: Option<Request>,
}

/// Fact (intake → router → window): everything that the request asked for has been told.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct ToldAgain(pub Request);

/// Order (window, router, outbox → intake): tell again what is not settled.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct TellAgain(pub Request);

/// Fact (router → window): the store's part of a batch.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct StoreSales {
    pub sales: Vec<ToldSale>,
    /// Of those that are sampled.
    pub steps: Steps,
    pub progress: Option<QueueProgress>,
    pub again: Option<Request>,
    /// Counts what the router has told this window.
    pub round: u64,
}

/// Fact (router → window): the queue has been read this far. Only windows with something open are told.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct TimePassed {
    pub progress: Option<QueueProgress>,
    pub round: u64,
}

/// Fact (window → router): nothing was open after this round; time need not be told until the next sale.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct WindowIdle {
    pub store: StoreId,
    pub round: u64,
}

/// Order (window → outbox): store that this window is final, publish it, settle its sales.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct DecideFinal {
    pub window: Arc<FinalWindow>,
    /// Lasts until the broker has the event; none where the decision is repeated.
    pub step: Step,
}

/// Order (window → outbox): store that this sale is late, publish it, settle it.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(crate) struct DecideLate {
    pub held: HeldLate,
    /// The sale's, if it is known and sampled; none where the decision is repeated.
    pub trace: Option<TraceContext>,
}

/// Order (router, intake → outbox): store that this message cannot be counted, publish why, settle it.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub(crate) struct DecideRejected {
    pub message: RejectedMessage,
    pub tag: SaleTag,
    /// The message's, if it is known; none where it is told again.
    pub trace: Option<TraceContext>,
}

/// Order (window → outbox): these deliveries are repetitions; settle them once everything before is stored.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Settle {
    pub tags: Vec<SaleTag>,
    /// Ids that turned out to be decided: the router need not keep them as open.
    pub decided: Vec<TransactionId>,
}

/// Order (window → outbox): publish an event that is not final. Nothing is lost if this is.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Emit {
    pub event: AggregatedEvent,
    /// Lasts until the broker has the event, or a newer one has taken its place.
    pub step: Step,
}

/// Fact (outbox → router → window): what became of decisions, once it is stored.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct DecisionsStored(pub Vec<Stored>);

/// One decision's fate.
#[derive(Debug, Clone)]
pub(crate) enum Stored {
    /// The window is final.
    Window(Arc<FinalWindow>),
    /// Another decision about the window was stored before: whoever made this one knows too little and must ask again.
    Overtaken(Arc<FinalWindow>),
    /// The sale is late.
    Late(HeldLate),
    /// The id was decided before.
    Known(TransactionId),
    /// This sale is rejected, because its id is another one's.
    Rejected { id: TransactionId, store: StoreId, amount: Money },
}

/// Fact (router → window): a decision of this window is stored.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct WindowDecided {
    pub window_start: DateTime<Utc>,
    pub decision: u64,
    /// Whether another one was stored in its place.
    pub overtaken: bool,
}

/// Fact (router → window): a late sale's decision is stored.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct LateDecided {
    pub id: TransactionId,
    pub tag: SaleTag,
}

/// Fact (outbox → intake): these deliveries need not be kept any longer; acknowledge them.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct SalesSettled {
    pub tags: Vec<SaleTag>,
}

/// Order (intake → outbox): keep these sales on disk until they are decided. The reply comes once they are synced.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), JournalUnavailable>")]
pub(crate) struct JournalSales {
    /// With their numbers in the journal.
    pub sales: Vec<(u64, Sale)>,
}

/// Asks (intake → outbox) for the sales on disk, by number.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<(u64, Sale)>, JournalUnavailable>")]
pub(crate) struct LoadJournal;

/// The journal cannot be written or read now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal of unsettled sales is not available: {0}")]
pub(crate) struct JournalUnavailable(pub String);

/// Asks the outbox to store, publish and settle all it has in hand. The reply comes when nothing is left.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Drain;

pub(crate) const fn sale_tag(tag: DeliveryTag) -> SaleTag {
    SaleTag { epoch: tag.epoch, number: tag.number }
}

pub(crate) const fn delivery_tag(tag: SaleTag) -> DeliveryTag {
    DeliveryTag { epoch: tag.epoch, number: tag.number }
}
