//! The spans of sampled sales on their way through the room, beside the sales and not in them: a sale that is not sampled
//! costs no byte and no allocation. Keeps nothing for later: a sale that is told again has no span any more.
//!
//! The first telling of a delivery carries the span `process …` from the intake over the router to the window, which ends it
//! with `fold sale` below it. Whatever is told again, by whomever and after whichever restart, is told without: its fold has
//! no span of its own, and its window is not linked to it. A message that the broker delivers again is another delivery and has
//! another `process …`.

use std::collections::{BTreeMap, VecDeque};

use chrono::DateTime;
use tillstream_domain::{AggregatedEvent, Sale, SaleTag, WindowRules, rfc3339};
use tillstream_messages::TraceContext;
use tillstream_traces::Step;

use crate::messages::ToldSale;

/// So many sales of a window are linked to its events; more would tell nobody more.
const MOST_LINKS: usize = 32;

/// Spans of the sampled ones among some sales, in the order of the sales.
#[derive(Debug, Default)]
pub(crate) struct Steps(VecDeque<(SaleTag, Step)>);

/// The sampled sales in windows that are open.
#[derive(Debug, Default)]
pub(crate) struct Links(BTreeMap<i64, Vec<TraceContext>>);

// === impl Steps ===

impl Steps {
    /// Keeps the span of this delivery, if it has one.
    pub(crate) fn push(&mut self, tag: SaleTag, step: Step) {
        if step.is_kept() {
            self.0.push_back((tag, step));
        }
    }

    /// The span of this delivery, if it has one. To be asked for in order: those of earlier deliveries end here.
    pub(crate) fn take(&mut self, tag: SaleTag) -> Step {
        while let Some((first, _)) = self.0.front()
            && *first <= tag
        {
            let taken = self.0.pop_front().filter(|(first, _)| *first == tag);
            if let Some((_, step)) = taken {
                return step;
            }
        }
        Step::none()
    }

    /// Keeps these behind its own.
    pub(crate) fn append(&mut self, mut later: Self) {
        self.0.append(&mut later.0);
    }

    /// The spans of these sales, to be asked for in order.
    pub(crate) fn split_off(&mut self, sales: &[ToldSale]) -> Self {
        let mut part = Self::default();
        if !self.0.is_empty() {
            sales.iter().for_each(|told| part.push(told.tag, self.take(told.tag)));
        }
        part
    }

    /// Ends them all: their sales will be told again.
    pub(crate) fn give_up(self, reason: &'static str) {
        self.0.into_iter().for_each(|(_, mut step)| step.fail(reason));
    }
}

// === impl Links ===

impl Links {
    /// This window holds that sale, if the sale has a span.
    pub(crate) fn add(&mut self, start_ms: i64, step: &Step) {
        let Some(context) = step.context() else { return };
        let sales = self.0.entry(start_ms).or_default();
        if sales.len() < MOST_LINKS {
            sales.push(context.clone());
        }
    }

    /// What the window's next event is linked to.
    pub(crate) fn of(&self, start_ms: i64) -> &[TraceContext] {
        self.0.get(&start_ms).map_or(&[], Vec::as_slice)
    }

    /// The window is final.
    pub(crate) fn forget(&mut self, start_ms: i64) {
        self.0.remove(&start_ms);
    }

    /// The span of an event, which lasts until the broker has it. None where the window holds no sampled sale.
    pub(crate) fn emit(&self, event: &AggregatedEvent, outcome: &'static str) -> Step {
        let mut step = tillstream_traces::emit_window(self.of(event.window_start.timestamp_millis()));
        if step.is_kept() {
            step.store(&event.store_id);
            step.window(&rfc3339(event.window_start), &rfc3339(event.window_end));
            step.sales(event.transaction_count);
            step.outcome(outcome);
        }
        step
    }
}

/// Says which sale was delivered.
pub(crate) fn describe_sale(step: &mut Step, sale: &Sale) {
    step.store(&sale.store);
    step.transaction(&sale.id);
}

/// Says which window a sale belongs to, and what became of it there.
pub(crate) fn describe_fold(step: &mut Step, sale: &Sale, rules: &WindowRules, outcome: &'static str) {
    if !step.is_kept() {
        return;
    }
    let start_ms = rules.start_of(sale.timestamp);
    let shown = |millis| DateTime::from_timestamp_millis(millis).map(rfc3339).unwrap_or_default();
    step.store(&sale.store);
    step.window(&shown(start_ms), &shown(rules.end_of(start_ms)));
    step.outcome(outcome);
}

#[cfg(test)]
mod tests {
    use tillstream_domain::fixtures::sample_aggregate;
    use tillstream_traces::testing::{keep_spans, sent_context, spans_of};
    use tillstream_traces::{Read, process};

    use super::*;

    const fn tag(epoch: u32, number: u64) -> SaleTag {
        SaleTag { epoch, number }
    }

    fn sampled() -> Step {
        keep_spans(1.0);
        process(Read::Aggregation, Some(&sent_context(true)))
    }

    #[test]
    fn a_span_is_found_by_its_delivery_also_behind_sales_that_have_none_or_went_missing() {
        let mut steps = Steps::default();
        for number in [2, 5, 6] {
            steps.push(tag(3, number), sampled());
        }
        steps.push(tag(3, 7), Step::none());
        let found: Vec<bool> = [tag(0, 90), tag(3, 1), tag(3, 2), tag(3, 2), tag(3, 6), tag(3, 7)]
            .map(|tag| steps.take(tag).is_kept())
            .to_vec();
        assert_eq!(found, [false, false, true, false, true, false]);
        assert!(steps.0.is_empty());
    }

    #[test]
    fn nothing_is_allocated_for_sales_without_a_span() {
        let (mut steps, mut links) = (Steps::default(), Links::default());
        let used = allocation_counter::measure(|| {
            for number in 1..1_000 {
                steps.push(tag(1, number), Step::none());
                links.add(0, &steps.take(tag(1, number)));
            }
        });
        assert_eq!(used.count_total, 0);
    }

    #[test]
    fn a_window_is_linked_to_its_first_sales_and_to_no_more_than_the_most() {
        keep_spans(1.0);
        let event = sample_aggregate();
        let start_ms = event.window_start.timestamp_millis();
        let mut links = Links::default();
        let sales: Vec<Step> = (0..MOST_LINKS + 5).map(|_| sampled()).collect();
        sales.iter().for_each(|sale| links.add(start_ms, sale));

        let emitted = links.emit(&event, "first");
        let ids = emitted.ids().unwrap();
        drop(emitted);

        let span = spans_of(ids.trace).remove(0);
        let first: Vec<_> = sales[..MOST_LINKS].iter().filter_map(Step::ids).collect();
        assert_eq!((span.ids, span.parent, span.links.clone()), (ids, None, first));
        assert_eq!(span.says("pos.window.sales"), event.transaction_count.to_string());
        links.forget(start_ms);
        assert!(!links.emit(&event, "final").is_kept());
    }
}
