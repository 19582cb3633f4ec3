//! The broker's metrics, as CONTRACT 7 names them.
//! Does not decide when they change; queues do.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus::{Histogram, IntGaugeVec, exponential_buckets, register_histogram, register_int_gauge_vec};

const ONCE: &str = "name and labels are constants that no other room registers";

/// Messages that a queue holds, delivered or not, until they are acknowledged.
pub(crate) static QUEUE_DEPTH: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!("broker_queue_depth", "Messages stored for a queue and not acknowledged", &["queue"])
        .expect(ONCE)
});

/// Messages that a queue's consumer has and has not acknowledged.
pub(crate) static UNACKNOWLEDGED: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!("broker_unacknowledged", "Messages delivered and not acknowledged", &["queue"]).expect(ONCE)
});

/// Bytes of what a queue holds.
pub(crate) static QUEUE_BYTES: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "Bytes stored for a queue and not acknowledged: payloads, properties, topics and ids";
    register_int_gauge_vec!("broker_queue_bytes", help, &["queue"]).expect(ONCE)
});

/// What a queue may hold.
pub(crate) static QUEUE_MAX_BYTES: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "Bytes that may be stored for a queue before it refuses or discards";
    register_int_gauge_vec!("broker_queue_max_bytes", help, &["queue"]).expect(ONCE)
});

/// From the first write of a commit until it is synced.
static COMMIT_DURATION: LazyLock<Histogram> = LazyLock::new(|| {
    let buckets = exponential_buckets(0.000_25, 2.0, 14).expect("the series is positive and grows");
    register_histogram!("broker_commit_duration_seconds", "Duration of a commit, its sync included", buckets)
        .expect(ONCE)
});

/// How many publishers share the price of a sync.
static COMMIT_MESSAGES: LazyLock<Histogram> = LazyLock::new(|| {
    let help = "Messages stored by a commit; 0 for one that holds only what consumers did";
    let buckets = vec![0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 4_096.0];
    register_histogram!("broker_commit_messages", help, buckets).expect(ONCE)
});

/// Makes what has no label visible before the first commit.
pub(crate) fn register() {
    LazyLock::force(&COMMIT_DURATION);
    LazyLock::force(&COMMIT_MESSAGES);
}

/// A commit has landed.
// A number of messages is a float only inside the histogram.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn committed(time: Duration, messages: usize) {
    COMMIT_DURATION.observe(time.as_secs_f64());
    COMMIT_MESSAGES.observe(messages as f64);
}
