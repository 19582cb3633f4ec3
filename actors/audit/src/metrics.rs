//! How many records there are, and how many there should have been besides.
//! Does not count what a flood was shortened by: those records say it themselves.

use std::sync::LazyLock;

use prometheus::{IntCounter, IntCounterVec, register_int_counter, register_int_counter_vec};

use crate::record::Verdict;

/// What stands in files.
pub static RECORDS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("audit_records_total", "Audit records that are written, by verdict", &["verdict"])
        .expect("the name is registered once, here")
});

/// What does not.
pub static LOST: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Audit records that could not be written: the disk is full, or too slow for them";
    register_int_counter!("audit_records_lost_total", help).expect("the name is registered once, here")
});

/// Makes every series visible from the start, with zeros.
pub fn show() {
    LazyLock::force(&LOST);
    for verdict in Verdict::ALL {
        RECORDS.with_label_values(&[verdict.name()]);
    }
}
