//! The tills' own metrics, with the names of the original generator.
//! Nothing counts from them; the account does.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus::{Histogram, IntCounterVec, register_histogram, register_int_counter_vec};

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// 200.
    Success,
    /// An answer that no repetition changes.
    HttpError,
    /// No answer, or one that asks to try again.
    RequestError,
}

static REQUESTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("request_count_total", "Attempts of tills to post a sale, by how they ended", &["status"])
        .expect("the name is registered once, here")
});

static LATENCY: LazyLock<Histogram> = LazyLock::new(|| {
    register_histogram!("request_latency_seconds", "Duration of a till's attempt to post a sale")
        .expect("the name is registered once, here")
});

// === impl Attempt ===

impl Attempt {
    const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::HttpError => "http_error",
            Self::RequestError => "request_error",
        }
    }
}

/// Counts one attempt.
pub(crate) fn attempted(attempt: Attempt, duration: Duration) {
    REQUESTS.with_label_values(&[attempt.label()]).inc();
    LATENCY.observe(duration.as_secs_f64());
}

/// Makes every series visible from the start, with zeros.
pub(crate) fn register() {
    LazyLock::force(&LATENCY);
    for attempt in [Attempt::Success, Attempt::HttpError, Attempt::RequestError] {
        REQUESTS.with_label_values(&[attempt.label()]);
    }
}
