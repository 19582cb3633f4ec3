//! The metrics of this room.
//! The depth of queues is counted by the broker; clients and topics are never labels.

use std::sync::LazyLock;

use prometheus::{IntCounterVec, IntGauge, register_int_counter_vec, register_int_gauge};

use crate::parting::Parting;

const ONCE: &str = "the name is valid and registered once, here";

/// Open connections, logged in or not.
pub static CONNECTIONS: LazyLock<IntGauge> =
    LazyLock::new(|| register_int_gauge!("smf_connections", "Open SMF connections.").expect(ONCE));

/// Logins that were refused.
pub static LOGINS_REFUSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "SMF logins refused, by reason: unauthorized, limited, closed, name, vpn, full.";
    register_int_counter_vec!("smf_logins_refused_total", help, &["reason"]).expect(ONCE)
});

/// What clients that are logged in may not do.
pub static REFUSALS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "SMF requests refused for want of a right: publish, bind, subscribe. Each is in the audit log, in full or in \
                a count.";
    register_int_counter_vec!("smf_refusals_total", help, &["request"]).expect(ONCE)
});

/// Connections that ended for another reason than the client's will.
pub static CONNECTIONS_CLOSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "SMF connections closed by the listener, by reason.";
    register_int_counter_vec!("smf_connections_closed_total", help, &["reason"]).expect(ONCE)
});

/// Bytes read and written.
pub static BYTES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("smf_bytes_total", "Bytes of SMF connections, in or out.", &["direction"]).expect(ONCE)
});

/// Direct messages that did not reach a subscriber.
pub static DIRECT_DROPPED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help =
        "Direct messages dropped: slow (a subscriber does not read), denied (no right to publish) or topic (too long).";
    register_int_counter_vec!("smf_direct_dropped_total", help, &["reason"]).expect(ONCE)
});

/// Makes every series visible from the start, with zeros.
pub fn register() {
    LazyLock::force(&CONNECTIONS);
    let series: [(&IntCounterVec, &[&str]); 5] = [
        (&LOGINS_REFUSED, &["unauthorized", "limited", "closed", "name", "vpn", "full"]),
        (&REFUSALS, &["publish", "bind", "subscribe"]),
        (&CONNECTIONS_CLOSED, &Parting::LABELS),
        (&BYTES, &["in", "out"]),
        (&DIRECT_DROPPED, &["slow", "denied", "topic"]),
    ];
    for (metric, values) in series {
        values.iter().for_each(|value| drop(metric.with_label_values(&[value])));
    }
}
