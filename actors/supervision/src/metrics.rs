//! Metrics of the tree (CONTRACT 7), in the default registry; `actor` is the kind, never one series per store.
//! Up and depth are read at scrape time from the actors themselves, so that messages touch no metric.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, IntCounterVec, IntGauge, register_histogram, register_int_counter_vec, register_int_gauge,
};

use crate::exit::REASONS;
use crate::gauges::ActorGauges;
use crate::tally::{Tallies, Tally};

const ONCE: &str = "registered once per process under a name of our own";

static RESTARTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Restarts of actors by reason: panic, stop, hang, blocked, thread, group, start_failed, gone";
    register_int_counter_vec!("actor_restarts_total", help, &["actor", "reason"]).expect(ONCE)
});

static RESTART_DURATION: LazyLock<Histogram> = LazyLock::new(|| {
    let help = "From the failure of an actor until started() of its next incarnation returned, backoff included";
    let buckets = vec![1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
    let opts = HistogramOpts::new("actor_restart_duration_seconds", help).buckets(buckets);
    register_histogram!(opts).expect(ONCE)
});

static ZOMBIES: LazyLock<IntGauge> = LazyLock::new(|| {
    let help = "Threads that were blocked, are replaced and have not ended yet";
    register_int_gauge!("actor_zombies", help).expect(ONCE)
});

static GAUGES: LazyLock<ActorGauges> = LazyLock::new(|| {
    let gauges = ActorGauges::new().expect("name and help are not empty");
    prometheus::register(Box::new(gauges.clone())).expect(ONCE);
    gauges
});

static TALLIES: LazyLock<Tallies> = LazyLock::new(|| {
    let tallies = Tallies::new().expect("name and help are not empty");
    prometheus::register(Box::new(tallies.clone())).expect(ONCE);
    tallies
});

/// Makes every series of a kind visible, so that its first restart is an increase and not an appearance.
pub(crate) fn declare(kind: &'static str) {
    LazyLock::force(&RESTART_DURATION);
    for reason in REASONS {
        RESTARTS.with_label_values(&[kind, reason]);
    }
}

/// Where the actors of this kind count their work.
pub(crate) fn tally(kind: &'static str) -> Arc<Tally> {
    TALLIES.of(kind)
}

/// The actors that `actor_up` and `actor_mailbox_depth` are read from.
pub(crate) fn gauges() -> &'static ActorGauges {
    &GAUGES
}

pub(crate) fn zombies() -> &'static IntGauge {
    &ZOMBIES
}

pub(crate) fn restarted(kind: &str, reason: &str) {
    RESTARTS.with_label_values(&[kind, reason]).inc();
}

pub(crate) fn restart_took(time: Duration) {
    RESTART_DURATION.observe(time.as_secs_f64());
}
