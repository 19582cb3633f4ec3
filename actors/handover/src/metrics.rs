//! The metrics of this room.
//! What validation does with a window is counted there.

use std::sync::LazyLock;

use prometheus::{IntCounterVec, register_int_counter_vec};

/// Attempts to hand a window over, by what came of them.
pub static ATTEMPTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help =
        "Attempts to hand a window over to validation: taken, refused (not tried again soon), or to be repeated.";
    register_int_counter_vec!("pos_handover_attempts_total", help, &["outcome"])
        .expect("the name is valid and registered once, here")
});

/// Makes every series visible from the start, with zeros.
pub fn register() {
    for outcome in ["taken", "refused", "repeated"] {
        ATTEMPTS.with_label_values(&[outcome]);
    }
}
