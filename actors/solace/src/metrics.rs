//! The metrics of this room.
//! What all brokers' sessions count alike is counted by the room that they share.

use std::sync::LazyLock;

use prometheus::{
    IntCounterVec, IntGauge, IntGaugeVec, opts, register_int_counter_vec, register_int_gauge, register_int_gauge_vec,
};

const ONCE: &str = "the name is valid and registered once, here";

/// Sessions that the client library holds; more than one per user of the broker only while one replaces another.
pub static SESSIONS: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("solace_sessions", "Sessions that the Solace client library holds open.").expect(ONCE)
});

/// Logins by what came of them.
pub static LOGINS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Attempts to log in at the Solace broker, by what came of them.";
    register_int_counter_vec!("solace_logins_total", help, &["outcome"]).expect(ONCE)
});

/// What flows hold. The embedded broker tells the same of its own queues, so where one runs in the same process, as in
/// tests, its figures are the ones that are shown.
pub static UNACKNOWLEDGED: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let options = opts!("broker_unacknowledged", "Messages delivered and not acknowledged");
    register_int_gauge_vec!(options.clone(), &["queue"])
        .unwrap_or_else(|_| IntGaugeVec::new(options, &["queue"]).expect("the name is valid"))
});

/// Makes every series of a session visible before it logs in.
pub fn register() {
    LazyLock::force(&SESSIONS);
    for outcome in ["up", "failed"] {
        LOGINS.with_label_values(&[outcome]);
    }
}
