//! The metrics of the live page.
//! Does not count requests; the HTTP side does, a stream once it has ended.

use std::sync::LazyLock;

use prometheus::{
    IntCounter, IntCounterVec, IntGauge, register_int_counter, register_int_counter_vec, register_int_gauge,
};

use super::places::NoPlace;

/// Open pages.
pub static PAGES: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("live_pages", "Live pages that are open").expect("the name is registered once, here")
});

/// Frames by kind.
pub static FRAMES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Frames handed to live pages: the whole model, what has changed, or a sign of life";
    register_int_counter_vec!("live_frames_total", help, &["kind"]).expect("the name is registered once, here")
});

/// Frames that a page did not get.
pub static SKIPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Changes that a live page was too slow for; it got the whole model instead";
    register_int_counter!("live_frames_skipped_total", help).expect("the name is registered once, here")
});

/// Pages that were not opened.
pub static REFUSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Live pages refused because all places are taken, or all that one user may have";
    register_int_counter_vec!("live_refused_total", help, &["reason"]).expect("the name is registered once, here")
});

/// Makes every series visible from the start, with zeros.
pub fn show() {
    LazyLock::force(&PAGES);
    LazyLock::force(&SKIPPED);
    for kind in ["snapshot", "change", "beat"] {
        FRAMES.with_label_values(&[kind]);
    }
    for reason in NoPlace::LABELS {
        REFUSED.with_label_values(&[reason]);
    }
}
