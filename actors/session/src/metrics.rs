//! The metrics of this room.
//! The depth of queues is counted by the broker, turnover by others.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use prometheus::{
    Histogram, IntGauge, IntGaugeVec, histogram_opts, register_histogram, register_int_gauge, register_int_gauge_vec,
};
use tillstream_messages::{Exemplars, Leg};

use crate::backend::Backend;

const ONCE: &str = "the name is valid and registered once, here";

/// Upper bounds of a publish: a sync takes milliseconds, a stalled disk seconds.
const PUBLISH_SECONDS: [f64; 15] =
    [0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192];

/// Traces of publishes, for a format that can show them.
pub static PUBLISH_EXEMPLARS: Exemplars = Exemplars::new(&PUBLISH_SECONDS);

/// From the order to the broker's word, whatever it was.
pub static PUBLISH_DURATION: LazyLock<Histogram> = LazyLock::new(|| {
    register_histogram!(histogram_opts!(
        "pos_publish_duration_seconds",
        "Time from a publish to the broker's answer that it is on disk.",
        PUBLISH_SECONDS.to_vec()
    ))
    .expect(ONCE)
});

/// Publishes that wait for the broker's word.
pub static PUBLISH_IN_FLIGHT: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("pos_publish_in_flight", "Publishes that wait for the broker's answer.").expect(ONCE)
});

/// Whether the broker takes messages.
static BROKER_CONNECTED: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "1 while every session of this process can publish, 0 while one cannot.";
    register_int_gauge_vec!("broker_connected", help, &["backend"]).expect(ONCE)
});

/// Which legs of which backend can publish: a process that plays several roles has a session for each.
static STANDING: Mutex<BTreeMap<(Backend, Leg), bool>> = Mutex::new(BTreeMap::new());

/// Makes every series of a process with sessions on this backend visible, before anybody has logged in.
pub fn register(backend: Backend) {
    LazyLock::force(&PUBLISH_DURATION);
    LazyLock::force(&PUBLISH_IN_FLIGHT);
    BROKER_CONNECTED.with_label_values(&[backend.as_str()]);
}

/// Shows whether the session behind this leg can publish.
pub fn show_connected(backend: Backend, leg: Leg, is_connected: bool) {
    let mut standing = STANDING.lock().unwrap_or_else(PoisonError::into_inner);
    standing.insert((backend, leg), is_connected);
    let all = standing.iter().filter(|((of, _), _)| *of == backend).all(|(_, stands)| *stands);
    BROKER_CONNECTED.with_label_values(&[backend.as_str()]).set(i64::from(all));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_connected_while_every_session_on_it_is() {
        let shown = || BROKER_CONNECTED.with_label_values(&[Backend::Solace.as_str()]).get();
        let show = |leg, is_connected| show_connected(Backend::Solace, leg, is_connected);
        show(Leg::Publish, true);
        assert_eq!(shown(), 1);
        show(Leg::PublishAggregation, false);
        show(Leg::Publish, true);
        assert_eq!(shown(), 0, "the other one is down");
        show(Leg::PublishAggregation, true);
        assert_eq!(shown(), 1);
    }
}
