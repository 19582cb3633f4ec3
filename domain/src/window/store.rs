//! All windows of one store: recognises repetitions, folds sales, says what is due and remembers what it has decided
//! until it hears that the decision is stored. Does not look into the index; the caller does, between `recognise` and `fold`.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;
use chrono::{DateTime, Utc};

use super::pane::{FinalWindow, OpenWindow, SaleTag};
use super::rules::{QueueProgress, WindowRules, time_of};
use crate::{AggregatedEvent, LateSale, Sale, StoreId, TransactionId};

/// What a store knows of an id that is delivered to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognition {
    /// Nothing: look into the index, then fold.
    New,
    /// This very delivery was told before.
    Known,
    /// The same sale under another binding; it is settled together with the sale.
    DeliveredAgain,
    /// Another message with the same id: settle its delivery, count nothing.
    Duplicate,
}

/// What became of a new sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// It is in its window.
    Counted,
    /// Its window is final: decide it as late. It is remembered until [`StoreWindows::late_decided`].
    Late(HeldLate),
}

/// A late sale that waits for its decision to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldLate {
    /// The sale and its window.
    pub late: LateSale,
    /// The newest delivery of it.
    pub tag: SaleTag,
}

/// Whether an event is the first of its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmissionKind {
    /// The window has just ended.
    First,
    /// More sales came within the allowed lateness.
    Update,
}

/// What has to leave the store now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Publish; a newer event of the window may follow.
    Emission(EmissionKind, AggregatedEvent),
    /// Store, then publish, then settle. Repeated by [`StoreWindows::undecided`] until [`StoreWindows::window_decided`].
    Final(Arc<FinalWindow>),
}

/// The windows of one store.
#[derive(Debug)]
pub struct StoreWindows {
    store: StoreId,
    rules: WindowRules,
    open: BTreeMap<i64, OpenWindow>,
    /// Decided, not known to be stored: frozen.
    closing: BTreeMap<i64, Closing>,
    late: AHashMap<TransactionId, (HeldLate, Vec<SaleTag>)>,
    /// Where every sale of an open or closing window is.
    ids: AHashMap<TransactionId, Place>,
    /// Event time, before idle advance.
    watermark_ms: Option<i64>,
    /// Queue progress at the newest counted sale.
    seen_at: Option<QueueProgress>,
    /// Windows that end at or before this are final.
    final_until_ms: Option<i64>,
    next_decision: u64,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    start_ms: i64,
    position: u32,
}

#[derive(Debug)]
struct Closing {
    decision: Arc<FinalWindow>,
    /// Deliveries of its sales that came after the decision.
    newer_tags: Vec<SaleTag>,
}

impl StoreWindows {
    /// A store without open windows; decisions are numbered from `first_decision`.
    pub fn new(store: StoreId, rules: WindowRules, final_until: Option<DateTime<Utc>>, first_decision: u64) -> Self {
        Self {
            store,
            rules,
            open: BTreeMap::new(),
            closing: BTreeMap::new(),
            late: AHashMap::new(),
            ids: AHashMap::new(),
            watermark_ms: None,
            seen_at: None,
            final_until_ms: final_until.map(|time| time.timestamp_millis()),
            next_decision: first_decision,
        }
    }

    /// Whose windows these are.
    pub const fn store(&self) -> StoreId {
        self.store
    }

    /// Windows that end at or before this are final.
    pub fn final_until(&self) -> Option<DateTime<Utc>> {
        self.final_until_ms.map(time_of)
    }

    /// Windows that still take sales.
    pub fn open_windows(&self) -> usize {
        self.open.len()
    }

    /// Nothing is open and nothing waits for its decision: time need not pass here.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty() && self.closing.is_empty() && self.late.is_empty()
    }

    /// Compares a delivery with everything that is not decided yet, and remembers the delivery where the sale is known.
    pub fn recognise(&mut self, id: TransactionId, tag: SaleTag) -> Recognition {
        if let Some(place) = self.ids.get(&id).copied() {
            return self.recognise_folded(place, tag);
        }
        match self.late.get_mut(&id) {
            Some((held, older)) => adopt(&mut held.tag, older, tag),
            None => Recognition::New,
        }
    }

    /// Folds a sale that neither [`Self::recognise`] nor the index knows.
    pub fn fold(&mut self, sale: &Sale, tag: SaleTag, progress: Option<QueueProgress>) -> Fold {
        let start_ms = self.rules.start_of(sale.timestamp);
        if self.final_until_ms.is_some_and(|until| self.rules.end_of(start_ms) <= until) {
            return Fold::Late(self.hold_late(sale, tag, start_ms));
        }
        let window = self.open.entry(start_ms).or_insert_with(|| OpenWindow::new(sale.timestamp));
        let position = window.push(sale, tag);
        self.ids.insert(sale.id, Place { start_ms, position });
        let newest = sale.timestamp.min(sale.accepted_at).timestamp_millis() - self.rules.disorder_ms;
        self.watermark_ms = self.watermark_ms.max(Some(newest));
        self.seen_at = progress;
        Fold::Counted
    }

    /// What is due at this queue progress; `now_ms` is a monotonic clock that only spaces events that are not final.
    pub fn advance(&mut self, progress: Option<QueueProgress>, now_ms: i64) -> Vec<Due> {
        let mut due = Vec::new();
        let Some(mark) = self.mark(progress) else { return due };
        while let Some(entry) = self.open.first_entry() {
            if mark < self.rules.final_at(*entry.key()) {
                break;
            }
            let (start_ms, window) = entry.remove_entry();
            due.push(Due::Final(self.decide(start_ms, window)));
        }
        for (&start_ms, window) in &mut self.open {
            if mark < self.rules.end_of(start_ms) {
                break;
            }
            if let Some(kind) = emission(window, now_ms, self.rules.update_interval_ms) {
                due.push(Due::Emission(kind, window.event(self.store, start_ms, &self.rules, false)));
            }
        }
        due
    }

    /// Decisions that nobody has confirmed yet; telling them again is harmless.
    pub fn undecided(&self) -> (Vec<Arc<FinalWindow>>, Vec<HeldLate>) {
        let windows = self.closing.values().map(|closing| Arc::clone(&closing.decision)).collect();
        (windows, self.late.values().map(|(held, _)| *held).collect())
    }

    /// Whether this decision was made here and is not confirmed yet.
    pub fn has_decided(&self, window_start: DateTime<Utc>, decision: u64) -> bool {
        let closing = self.closing.get(&window_start.timestamp_millis());
        closing.is_some_and(|closing| closing.decision.decision == decision)
    }

    /// A final window is stored: forgets it. Returns deliveries of its sales that the decision did not know,
    /// or `None` where this is not the decision that was made here: the store's state is then stale.
    pub fn window_decided(&mut self, window_start: DateTime<Utc>, decision: u64) -> Option<Vec<SaleTag>> {
        let start_ms = window_start.timestamp_millis();
        if !self.has_decided(window_start, decision) {
            return None;
        }
        let closing = self.closing.remove(&start_ms)?;
        for sale in &closing.decision.sales {
            self.ids.remove(&sale.id);
        }
        Some(closing.newer_tags)
    }

    /// A late sale is stored: forgets it. Returns its deliveries other than the one that the decision named.
    pub fn late_decided(&mut self, id: TransactionId, named: SaleTag) -> Vec<SaleTag> {
        let Some((held, mut tags)) = self.late.remove(&id) else { return Vec::new() };
        tags.push(held.tag);
        tags.retain(|&tag| tag != named);
        tags
    }
}

// === impl StoreWindows: helpers ===
impl StoreWindows {
    fn recognise_folded(&mut self, place: Place, tag: SaleTag) -> Recognition {
        if let Some(window) = self.open.get_mut(&place.start_ms) {
            let sale = &mut window.sales[place.position as usize];
            return adopt(&mut sale.tag, &mut window.older_tags, tag);
        }
        let closing = self.closing.get_mut(&place.start_ms).expect("an id is in an open or a closing window");
        let named = closing.decision.sales[place.position as usize].tag;
        if named == tag || closing.newer_tags.contains(&tag) {
            return Recognition::Known;
        }
        if named.epoch == tag.epoch && tag.epoch != SaleTag::COPIES {
            return Recognition::Duplicate;
        }
        closing.newer_tags.push(tag);
        Recognition::DeliveredAgain
    }

    fn hold_late(&mut self, sale: &Sale, tag: SaleTag, start_ms: i64) -> HeldLate {
        let (window_start, window_end) = (time_of(start_ms), time_of(self.rules.end_of(start_ms)));
        let held = HeldLate { late: LateSale { sale: *sale, window_start, window_end }, tag };
        self.late.insert(sale.id, (held, Vec::new()));
        held
    }

    fn decide(&mut self, start_ms: i64, window: OpenWindow) -> Arc<FinalWindow> {
        let event = window.event(self.store, start_ms, &self.rules, true);
        let (sales, older_tags) = (window.sales, window.older_tags);
        let follows = self.final_until_ms.map(time_of);
        let decision = Arc::new(FinalWindow { decision: self.next_decision, follows, event, sales, older_tags });
        self.next_decision += 1;
        self.final_until_ms = self.final_until_ms.max(Some(self.rules.end_of(start_ms)));
        self.closing.insert(start_ms, Closing { decision: Arc::clone(&decision), newer_tags: Vec::new() });
        decision
    }

    /// The watermark, carried on by queue progress where no sale has come for long enough.
    fn mark(&mut self, progress: Option<QueueProgress>) -> Option<i64> {
        let watermark = self.watermark_ms?;
        let Some(now) = progress else { return Some(watermark) };
        match self.seen_at {
            Some(seen) if seen.span == now.span => Some(watermark + self.idle_advance(now.at_ms - seen.at_ms)),
            // The first progress of a binding: what came before it cannot be measured.
            _ => {
                self.seen_at = Some(now);
                Some(watermark)
            }
        }
    }

    const fn idle_advance(&self, elapsed_ms: i64) -> i64 {
        if elapsed_ms > self.rules.idle_ms { elapsed_ms } else { 0 }
    }
}

/// Makes `tag` the newest delivery of a sale.
fn adopt(newest: &mut SaleTag, older: &mut Vec<SaleTag>, tag: SaleTag) -> Recognition {
    if *newest == tag {
        return Recognition::Known;
    }
    if newest.epoch == tag.epoch && tag.epoch != SaleTag::COPIES {
        return Recognition::Duplicate;
    }
    older.push(std::mem::replace(newest, tag));
    Recognition::DeliveredAgain
}

/// Whether a window that has ended has news and may tell them.
fn emission(window: &mut OpenWindow, now_ms: i64, interval_ms: i64) -> Option<EmissionKind> {
    let count = window.sales.len();
    let kind = match window.emitted {
        None => EmissionKind::First,
        Some((sent, at)) if sent != count && now_ms - at >= interval_ms => EmissionKind::Update,
        Some(_) => return None,
    };
    window.emitted = Some((count, now_ms));
    Some(kind)
}
