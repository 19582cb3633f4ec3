//! The metrics of this room.
//! The depth of queues is counted by the broker, turnover by others.

use std::sync::LazyLock;

use prometheus::{
    Histogram, IntGauge, IntGaugeVec, exponential_buckets, histogram_opts, register_histogram, register_int_gauge,
    register_int_gauge_vec,
};

const ONCE: &str = "the name is valid and registered once, here";

/// From the order to the broker's word, whatever it was.
pub static PUBLISH_DURATION: LazyLock<Histogram> = LazyLock::new(|| {
    let buckets = exponential_buckets(0.000_5, 2.0, 15).expect("the series is positive and grows");
    register_histogram!(histogram_opts!(
        "pos_publish_duration_seconds",
        "Time from a publish to the broker's answer that it is on disk.",
        buckets
    ))
    .expect(ONCE)
});

/// Publishes that wait for the broker's word.
pub static PUBLISH_IN_FLIGHT: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("pos_publish_in_flight", "Publishes that wait for the broker's answer.").expect(ONCE)
});

/// Whether the broker takes messages.
pub static BROKER_CONNECTED: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "1 while the session can publish, 0 while it cannot.";
    register_int_gauge_vec!("broker_connected", help, &["backend"]).expect(ONCE)
});
