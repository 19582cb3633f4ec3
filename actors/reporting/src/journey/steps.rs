//! Puts a sale's way together: from its note, its window's note, and how window and ledger stand now.
//! Does not ask anybody; says of each step whether a message said so or whether it follows from what messages said.

use chrono::{DateTime, Utc};
use tillstream_domain::{AggregatedEvent, Correction, Money, Sale, TopicKind, TransactionId};
use tillstream_messages::{Evidence, Journey, JourneyState, JourneyStep, StepKind, ToldAs, ToldWindow};

use super::notes::{Moment, SaleNote, Told, WindowNote};
use crate::settings::ReportingPlan;

/// The rule by which a sale's time names its window.
const EVENT_TIME: &str = "event_time";
/// An event counts as many sales as the ledger's queue has delivered of the window.
const COUNTS: &str = "counts";
/// The store's final windows, late and rejected sales add up to what was accepted for them.
const LEDGER_BALANCE: &str = "ledger_balance";

/// How a sale's window stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    /// The event that holds.
    pub(crate) event: Option<AggregatedEvent>,
    /// When the window's events were read.
    pub(crate) note: WindowNote,
    /// Its store's windows are final up to its end.
    pub(crate) is_settled: bool,
    /// Its store's ledger balances.
    pub(crate) is_balanced: bool,
    /// Sales of it that the ledger has counted and not refused; `None` once it is settled, or before its first one.
    pub(crate) counted: Option<u64>,
    /// Turnover has the sale among the late ones of the window.
    pub(crate) is_late: bool,
}

/// What is known of one sale.
pub(crate) struct Known<'a> {
    pub(crate) id: TransactionId,
    pub(crate) note: &'a SaleNote,
    pub(crate) standing: &'a Standing,
    pub(crate) plan: &'a ReportingPlan,
}

impl Known<'_> {
    /// The answer.
    pub(crate) fn journey(&self) -> Journey {
        let sale = self.note.sale(self.id);
        let (state, source) = self.place();
        let mut steps = vec![self.received(&sale)];
        steps.extend(self.corrected(&sale));
        steps.push(self.published(&sale));
        if self.note.counts() {
            steps.push(self.window(&sale, source));
            steps.extend(self.aggregates(&sale));
        }
        steps.extend(self.endings());
        let currency = self.standing.event.as_ref().map_or(&self.plan.currency, |event| &event.currency);
        Journey { id: self.id, store: sale.store, amount: sale.amount, currency: currency.clone(), state, steps }
    }

    /// Where it is, and where its window follows from.
    fn place(&self) -> (JourneyState, &str) {
        let (note, standing) = (self.note, self.standing);
        if !note.counts() {
            let failed = note.failed_at.is_some();
            return (if failed { JourneyState::PaymentFailed } else { JourneyState::Rejected }, EVENT_TIME);
        }
        if note.late_at.is_some() || standing.is_late {
            return (JourneyState::Late, &self.plan.reporting_queue);
        }
        let Some(event) = &standing.event else {
            let open = !standing.is_settled;
            return (if open { JourneyState::InOpenWindow } else { JourneyState::Accepted }, EVENT_TIME);
        };
        // A sale that is neither in a final window nor late yet would be missing in the ledger.
        if standing.is_settled && standing.is_balanced {
            return (JourneyState::InFinalWindow, LEDGER_BALANCE);
        }
        // Both queues have one order: an event that counts as many sales as the ledger counts all that the ledger has seen.
        let counts_all =
            standing.counted.is_some_and(|counted| event.transaction_count >= counted) && !standing.is_settled;
        match (counts_all, event.is_final || standing.is_settled) {
            (true, true) => (JourneyState::InFinalWindow, COUNTS),
            (true, false) => (JourneyState::InWindow, COUNTS),
            (false, true) => (JourneyState::Accepted, EVENT_TIME),
            (false, false) => (JourneyState::InOpenWindow, EVENT_TIME),
        }
    }

    fn received(&self, sale: &Sale) -> JourneyStep {
        let (timestamp, accepted_at, trace_id) = (sale.timestamp, sale.accepted_at, self.note.trace_id());
        observed(Some(accepted_at), self.origin(), StepKind::Received { timestamp, accepted_at, trace_id })
    }

    fn corrected(&self, sale: &Sale) -> impl Iterator<Item = JourneyStep> {
        let sent = self.note.sent();
        let fields = [(Correction::TOTAL, sent.total), (Correction::RECEIPT_TOTAL, sent.receipt_total)];
        let (at, recorded, origin) = (sale.accepted_at, sale.amount, self.origin());
        fields.into_iter().filter_map(move |(field, sent)| {
            let what = StepKind::Corrected { field, sent: sent?, recorded };
            Some(observed(Some(at), origin, what))
        })
    }

    fn published(&self, sale: &Sale) -> JourneyStep {
        let (note, plan) = (self.note, self.plan);
        let refused_at = note.refused.as_ref().map(|refused| refused.at);
        if let (false, Some(failed_at)) = (note.counts(), note.failed_at) {
            let topic = plan.topics.failed_payment(sale.store, sale.id);
            let (kind, queue) = (TopicKind::Failed.level(), plan.reporting_queue.clone());
            let what = StepKind::Published { kind, topic, queue, deliveries: note.deliveries };
            return observed(Some(failed_at.time()), &plan.reporting_queue, what);
        }
        let topic = plan.topics.shown_receipt(sale, note.method);
        let (kind, queue) = (TopicKind::Receipt.level(), plan.ledger_queue.clone());
        let what = StepKind::Published { kind, topic, queue, deliveries: note.deliveries };
        match note.read_at.map(Moment::time).or(refused_at) {
            Some(at) => observed(Some(at), &plan.ledger_queue, what),
            // The ledger's queue is behind the other one, which says that it is late.
            None => inferred(None, &plan.reporting_queue, what),
        }
    }

    fn window(&self, sale: &Sale, source: &str) -> JourneyStep {
        let event = self.standing.event.as_ref();
        let what = StepKind::Window {
            start: self.window_start(sale),
            end: event.map_or_else(|| self.window_end(sale), |event| event.window_end),
            told: event.map(told_of),
        };
        let at = event.and_then(|event| self.standing.note.read_at(event));
        if source == self.plan.reporting_queue { observed(at, source, what) } else { inferred(at, source, what) }
    }

    /// An event that was read before validation had the sale cannot count it, and none counts a late one.
    fn aggregates(&self, sale: &Sale) -> impl Iterator<Item = JourneyStep> {
        let accepted_at = sale.accepted_at;
        let (sale, start, is_late) =
            (*sale, self.window_start(sale), self.note.late_at.is_some() || self.standing.is_late);
        let may_count = move |told: &Told| !is_late && told.at >= Moment::of(accepted_at);
        let told = self.standing.note.told().filter(move |(_, told)| may_count(told));
        told.map(move |(kind, told)| {
            let what = StepKind::Aggregate { kind, told: told_at(&sale, start, kind, told) };
            observed(Some(told.at.time()), &self.plan.reporting_queue, what)
        })
    }

    fn endings(&self) -> impl Iterator<Item = JourneyStep> {
        let (note, plan) = (self.note, self.plan);
        let by = |at: Option<Moment>, what| Some(observed(Some(at?.time()), &plan.reporting_queue, what));
        let late = by(note.late_at, StepKind::Late);
        let failed = by(note.failed_at, StepKind::PaymentFailed);
        let refused = note.refused.as_ref().map(|refused| {
            let (store, amount, detail) = (refused.store, refused.amount, refused.detail.clone());
            let what = StepKind::Rejected { store, amount, detail, times: refused.times };
            observed(Some(refused.at), &plan.ledger_queue, what)
        });
        [late, failed, refused].into_iter().flatten()
    }

    /// The queue whose message says what the sale is.
    fn origin(&self) -> &str {
        let note = self.note;
        let is_ledgers = note.read_at.is_some() || (note.late_at.is_none() && note.failed_at.is_none());
        if is_ledgers { &self.plan.ledger_queue } else { &self.plan.reporting_queue }
    }

    fn window_start(&self, sale: &Sale) -> DateTime<Utc> {
        time(self.plan.window_start(sale.timestamp.timestamp_micros()))
    }

    fn window_end(&self, sale: &Sale) -> DateTime<Utc> {
        let start = self.plan.window_start(sale.timestamp.timestamp_micros());
        time(start.saturating_add(self.plan.window_micros()))
    }
}

fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

fn told_of(event: &AggregatedEvent) -> ToldWindow {
    ToldWindow {
        event_id: event.event_id,
        transaction_count: event.transaction_count,
        total: event.total_amount,
        is_final: event.is_final,
    }
}

fn told_at(sale: &Sale, start: DateTime<Utc>, kind: ToldAs, told: Told) -> ToldWindow {
    let (count, is_final) = (told.count.get(), kind == ToldAs::Final);
    ToldWindow {
        event_id: AggregatedEvent::id_of(sale.store, start, count, is_final),
        transaction_count: count,
        total: Money::from_cents(told.cents),
        is_final,
    }
}

fn observed(at: Option<DateTime<Utc>>, source: &str, what: StepKind) -> JourneyStep {
    JourneyStep { at, evidence: Evidence::Observed, source: source.to_owned(), what }
}

fn inferred(at: Option<DateTime<Utc>>, source: &str, what: StepKind) -> JourneyStep {
    JourneyStep { at, evidence: Evidence::Inferred, source: source.to_owned(), what }
}
