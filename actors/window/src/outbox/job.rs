//! One thing that the outbox has in hand: what is to be stored, and what follows once it is.
//! Does not store and does not publish.

use std::sync::Arc;

use tillstream_domain::{FinalWindow, RejectedMessage, SaleTag, StoreId, TransactionId};
use tillstream_traces::Step;
use tokio::sync::oneshot;

use crate::messages::Stored;
use crate::metrics;
use crate::state::{Entry, Outcome, PendingKey};

/// Something to be stored, and what to do when it is.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) entry: Entry,
    pub(super) tags: Vec<SaleTag>,
    pub(super) decided: Vec<TransactionId>,
    pub(super) in_hand: Option<InHand>,
    pub(super) reply: Option<oneshot::Sender<()>>,
    /// Of the window's emission.
    pub(super) step: Step,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum InHand {
    Window(StoreId, u64),
    Message(PendingKey, SaleTag),
}

impl Job {
    pub(super) const fn decision(entry: Entry, tags: Vec<SaleTag>, in_hand: InHand) -> Self {
        Self { entry, tags, decided: Vec::new(), in_hand: Some(in_hand), reply: None, step: Step::none() }
    }

    pub(super) const fn settle(
        tags: Vec<SaleTag>,
        decided: Vec<TransactionId>,
        reply: Option<oneshot::Sender<()>>,
    ) -> Self {
        Self { entry: Entry::Settle, tags, decided, in_hand: None, reply, step: Step::none() }
    }

    /// What the router and the windows hear.
    pub(super) fn stored(&self, outcome: &Outcome) -> Vec<Stored> {
        match (&self.entry, outcome) {
            (Entry::Final(_), Outcome::Premature) => Vec::new(),
            (Entry::Final(window), Outcome::Overtaken) => vec![Stored::Overtaken(Arc::clone(window))],
            (Entry::Final(window), _) => vec![Stored::Window(Arc::clone(window))],
            (Entry::Late(..), Outcome::Premature) => Vec::new(),
            (Entry::Late(held, _), _) => vec![Stored::Late(*held)],
            (Entry::Settle, _) => self.decided.iter().copied().map(Stored::Known).collect(),
            (Entry::Rejected(rejected, _), _) => rejected_sale(rejected),
            (Entry::Journal(_), _) => Vec::new(),
        }
    }

    /// Counts what has just been decided. Not earlier: a window that starts over decides again what was not stored.
    pub(super) fn count(&self) {
        match &self.entry {
            Entry::Final(_) => metrics::WINDOWS_EMITTED.with_label_values(&["final"]).inc(),
            Entry::Late(..) => metrics::LATE.inc(),
            Entry::Rejected(..) | Entry::Settle | Entry::Journal(_) => {}
        }
    }

    /// The deliveries that a published event settles.
    pub(super) fn settled_by_publishing(self) -> (Vec<SaleTag>, Option<Arc<FinalWindow>>) {
        let Entry::Final(window) = self.entry else { return (self.tags, None) };
        let newest = window.sales.iter().map(|sale| sale.tag);
        (newest.chain(window.older_tags.iter().copied()).collect(), Some(window))
    }
}

/// What the router hears of a rejection; nothing of a message that is no sale.
pub(super) fn rejected_sale(rejected: &RejectedMessage) -> Vec<Stored> {
    let id = TransactionId::new(rejected.message_id);
    let sale = rejected.store.zip(rejected.amount);
    sale.map(|(store, amount)| Stored::Rejected { id, store, amount }).into_iter().collect()
}
