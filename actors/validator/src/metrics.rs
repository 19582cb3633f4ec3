//! The metrics of this room.
//! Only `events` touches them, so that what is logged and what is counted cannot differ.

use std::sync::LazyLock;

use prometheus::{IntCounter, IntCounterVec, register_int_counter_vec};
use tillstream_domain::RULE_CODES;

const ONCE: &str = "the name is valid and registered once, here";

static TRANSACTIONS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Transactions by outcome: accepted as sent, accepted with a corrected total, failed payments, rejected.";
    register_int_counter_vec!("pos_transactions_total", help, &["outcome"]).expect(ONCE)
});

/// One series per rule that a body broke; a body may break several.
pub static REJECTIONS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Broken rules of rejected bodies, by rule.";
    register_int_counter_vec!("pos_rejections_total", help, &["rule"]).expect(ONCE)
});

/// The series of `pos_transactions_total`, looked up once.
pub struct Outcomes {
    /// As sent, paid.
    pub accepted: IntCounter,
    /// Paid, with another total than sent.
    pub corrected: IntCounter,
    /// Recorded without turnover.
    pub payment_failed: IntCounter,
    /// Broke a rule.
    pub rejected: IntCounter,
}

/// All outcomes, present from the start with 0.
pub static OUTCOMES: LazyLock<Outcomes> = LazyLock::new(|| Outcomes {
    accepted: TRANSACTIONS.with_label_values(&["accepted"]),
    corrected: TRANSACTIONS.with_label_values(&["corrected"]),
    payment_failed: TRANSACTIONS.with_label_values(&["payment_failed"]),
    rejected: TRANSACTIONS.with_label_values(&["rejected"]),
});

/// Makes every series visible from the start, with zeros.
pub fn register() {
    LazyLock::force(&OUTCOMES);
    for rule in RULE_CODES {
        REJECTIONS.with_label_values(&[rule]);
    }
}
