//! The room's metrics, all of them, under the names of the contract.
//! Does not decide when to count.

use std::sync::LazyLock;

use prometheus::{
    Histogram, IntCounter, IntCounterVec, IntGauge, register_histogram, register_int_counter, register_int_counter_vec,
    register_int_gauge,
};

/// Windows told to the outside, by kind: `first`, `update`, `final`.
pub(crate) static WINDOWS_EMITTED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "pos_windows_emitted_total",
        "Events of windows that were handed to publishing.",
        &["kind"]
    )
    .expect("the name is registered once")
});

/// How long after its end a window was first told, by the wall clock.
pub(crate) static WINDOW_DELAY: LazyLock<Histogram> = LazyLock::new(|| {
    let buckets = vec![0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 30.0, 60.0, 300.0, 3600.0];
    register_histogram!("pos_window_delay_seconds", "First emission of a window minus its end.", buckets)
        .expect("the name is registered once")
});

/// Windows that still take sales.
pub(crate) static OPEN_WINDOWS: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("pos_open_windows", "Windows that still take sales.").expect("the name is registered once")
});

/// Sales that came when their window was final.
pub(crate) static LATE: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("pos_late_total", "Sales whose window was final.").expect("the name is registered once")
});

/// Repetitions of a sale, other than redeliveries of the same message.
pub(crate) static DUPLICATES: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("pos_duplicates_total", "Messages with the id of a sale that is counted already.")
        .expect("the name is registered once")
});

/// Sales that were on their way before and are told or delivered again, because an actor or the process restarted.
pub(crate) static REPLAYED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("pos_replayed_total", "Sales that were told or delivered again after a restart.")
        .expect("the name is registered once")
});

/// Decided events that a validator called invalid: each of them waits for an operator.
pub(crate) static INVALID_EVENTS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("pos_invalid_aggregates_total", "Refusals of a decided event; it is retried slowly.")
        .expect("the name is registered once")
});

/// Makes every metric visible from the start, with zeros.
pub(crate) fn register() {
    for kind in ["first", "update", "final"] {
        WINDOWS_EMITTED.with_label_values(&[kind]);
    }
    LazyLock::force(&WINDOW_DELAY);
    LazyLock::force(&OPEN_WINDOWS);
    LazyLock::force(&LATE);
    LazyLock::force(&DUPLICATES);
    LazyLock::force(&REPLAYED);
    LazyLock::force(&INVALID_EVENTS);
}
