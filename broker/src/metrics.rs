//! The broker's metrics, as CONTRACT 7 names them.
//! Does not decide when they change; queues do.

use std::sync::LazyLock;

use prometheus::{IntGaugeVec, register_int_gauge_vec};

/// Messages that a queue holds, delivered or not, until they are acknowledged.
pub(crate) static QUEUE_DEPTH: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!("broker_queue_depth", "Messages stored for a queue and not acknowledged", &["queue"])
        .expect("name and labels are constants that no other room registers")
});

/// Messages that a queue's consumer has and has not acknowledged.
pub(crate) static UNACKNOWLEDGED: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!("broker_unacknowledged", "Messages delivered and not acknowledged", &["queue"])
        .expect("name and labels are constants that no other room registers")
});
