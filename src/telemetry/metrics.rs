//! How many log lines there are, and how many there are not.
//! Names no cause: a line that says how many were suppressed does.

use std::sync::LazyLock;

use prometheus::{IntCounter, IntCounterVec, register_int_counter, register_int_counter_vec};
use tracing::Level;

/// Lines on their way to standard error.
pub static LINES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("log_lines_total", "Log lines, by level", &["level"])
        .expect("the name is registered once, here")
});

/// Lines beyond the budget of their cause.
pub static SUPPRESSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Log lines beyond the budget of their cause; a line says how many of which";
    register_int_counter_vec!("log_lines_suppressed_total", help, &["level"])
        .expect("the name is registered once, here")
});

/// Lines of `log_lines_total` that nobody got.
pub static LOST: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Log lines lost because whoever reads standard error is too slow or has stopped";
    register_int_counter!("log_lines_lost_total", help).expect("the name is registered once, here")
});

/// Makes every series visible from the start, with zeros.
pub fn show() {
    LazyLock::force(&LOST);
    for level in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
        LINES.with_label_values(&[name(level)]);
        SUPPRESSED.with_label_values(&[name(level)]);
    }
}

/// Label of a level.
pub const fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}
