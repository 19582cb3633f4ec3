//! Which trace a figure of a histogram came from: the newest example for each bucket of each series.
//! Renders nothing; whoever serves metrics in a format that has exemplars looks here.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::trace::TraceIds;

/// Series with examples; beyond so many a new one gets none. Series are bounded anyway, this is the second wall.
const MAX_SERIES: usize = 512;

/// One observation whose trace is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exemplar {
    /// Which span of which trace.
    pub ids: TraceIds,
    /// What was observed.
    pub value: f64,
    /// When.
    pub at: DateTime<Utc>,
}

/// The examples of one histogram. Label values come in the order in which the histogram has its labels.
#[derive(Debug)]
pub struct Exemplars {
    bounds: &'static [f64],
    series: Mutex<Option<Series>>,
}

type Series = HashMap<Vec<String>, Vec<Option<Exemplar>>>;

// === impl Exemplar ===

impl Exemplar {
    /// Observed now.
    #[must_use]
    pub fn now(ids: TraceIds, value: f64) -> Self {
        Self { ids, value, at: Utc::now() }
    }
}

// === impl Exemplars ===

impl Exemplars {
    /// For a histogram with these upper bounds, ascending, +Inf not among them.
    #[must_use]
    pub const fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, series: Mutex::new(None) }
    }

    /// Keeps an example. Called for traces that are kept only, so it is rare and may lock.
    pub fn note(&self, labels: &[&str], exemplar: Exemplar) {
        let bucket = self.bounds.partition_point(|bound| *bound < exemplar.value);
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let series = series.get_or_insert_default();
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        if series.len() >= MAX_SERIES && !series.contains_key(&labels) {
            return;
        }
        let buckets = series.entry(labels).or_insert_with(|| vec![None; self.bounds.len() + 1]);
        buckets[bucket] = Some(exemplar);
    }

    /// The example of the bucket with this upper bound.
    pub fn of(&self, labels: &[&str], upper_bound: f64) -> Option<Exemplar> {
        let bucket = self.bounds.partition_point(|bound| *bound < upper_bound);
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        series.as_ref()?.get(&labels)?.get(bucket).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar_for_test(trace: u128, value: f64) -> Exemplar {
        Exemplar { ids: TraceIds { trace, span: 1 }, value, at: DateTime::UNIX_EPOCH }
    }

    fn trace_in(exemplars: &Exemplars, labels: &[&str], bound: f64) -> Option<u128> {
        exemplars.of(labels, bound).map(|exemplar| exemplar.ids.trace)
    }

    #[test]
    fn a_bucket_has_the_newest_example_that_lies_in_it_and_no_other_series_has() {
        let exemplars = Exemplars::new(&[0.1, 1.0]);
        for (trace, value) in [(1, 0.1), (2, 0.5), (3, 1.0), (4, 7.0)] {
            exemplars.note(&["a"], exemplar_for_test(trace, value));
        }
        let found = [0.1, 1.0, f64::INFINITY].map(|bound| trace_in(&exemplars, &["a"], bound));
        assert_eq!(found, [Some(1), Some(3), Some(4)]);
        assert_eq!(trace_in(&exemplars, &["b"], 0.1), None);
    }

    #[test]
    fn series_without_end_do_not_fill_the_memory() {
        let exemplars = Exemplars::new(&[1.0]);
        for number in 0..MAX_SERIES + 10 {
            exemplars.note(&[&number.to_string()], exemplar_for_test(1, 0.5));
        }
        let beyond = (MAX_SERIES + 5).to_string();
        assert_eq!(trace_in(&exemplars, &["5"], 1.0), Some(1));
        assert_eq!(trace_in(&exemplars, &[&beyond], 1.0), None);
    }
}
