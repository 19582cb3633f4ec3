//! The metrics of this room.
//! Handshakes are not counted: the library that accepts connections does not tell of them.

use std::sync::LazyLock;

use prometheus::{Gauge, IntCounterVec, register_gauge, register_int_counter_vec};

/// How long the certificate in use still holds.
pub static EXPIRES_SECONDS: LazyLock<Gauge> = LazyLock::new(|| {
    register_gauge!(
        "tls_certificate_expires_seconds",
        "Seconds until the server's certificate expires; negative after."
    )
    .expect("the name is valid and registered once, here")
});

/// What became of certificates and lists of authorities that differ from those in use.
pub static RELOADS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "tls_reloads_total",
        "Attempts to use another certificate or other authorities: exchanged, or refused while the last good ones stay.",
        &["outcome"]
    )
    .expect("the name is valid and registered once, here")
});

/// Makes every series visible from the start, with zeros.
pub fn register() {
    LazyLock::force(&EXPIRES_SECONDS);
    for outcome in ["exchanged", "refused"] {
        RELOADS.with_label_values(&[outcome]);
    }
}
