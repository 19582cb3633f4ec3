//! The metrics of this room.
//! Each ended span is counted once, when its fate is known.

use std::sync::LazyLock;

use prometheus::{IntCounter, IntCounterVec, register_int_counter_vec};

const ONCE: &str = "the name is valid and registered once, here";

static SPANS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Ended spans: taken by the collector, dropped because too many waited, or not taken by the collector.";
    register_int_counter_vec!("spans_total", help, &["outcome"]).expect(ONCE)
});

/// The collector has them.
pub(crate) static EXPORTED: LazyLock<IntCounter> = LazyLock::new(|| SPANS.with_label_values(&["exported"]));

/// Too many waited.
pub(crate) static DROPPED: LazyLock<IntCounter> = LazyLock::new(|| SPANS.with_label_values(&["dropped"]));

/// The collector was away or said no.
pub(crate) static FAILED: LazyLock<IntCounter> = LazyLock::new(|| SPANS.with_label_values(&["failed"]));

/// Shows all three from the start.
pub(crate) fn show() {
    for outcome in [&EXPORTED, &DROPPED, &FAILED] {
        LazyLock::force(outcome);
    }
}
