//! The metrics of this room.
//! No label ever holds what a token says.

use std::sync::LazyLock;

use prometheus::{Gauge, IntCounterVec, IntGauge, register_gauge, register_int_counter_vec, register_int_gauge};

/// Tokens by what became of them.
pub static VERIFICATIONS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("token_verifications_total", "Bearer tokens, by outcome", &["outcome"])
        .expect("the name is valid and registered once, here")
});

/// Readings of the issuer's keys by what they came to.
pub static FETCHES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("token_key_fetches_total", "Readings of the issuer's keys, by outcome", &["outcome"])
        .expect("the name is valid and registered once, here")
});

/// How many keys verify tokens.
pub static KEYS: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("token_keys", "Keys of the issuer that are in use")
        .expect("the name is valid and registered once, here")
});

/// How long ago the keys were read.
pub static KEYS_AGE_SECONDS: LazyLock<Gauge> = LazyLock::new(|| {
    register_gauge!("token_keys_age_seconds", "Seconds since the issuer's keys were last read successfully.")
        .expect("the name is valid and registered once, here")
});

/// What becomes of a token where there is an issuer.
const OUTCOMES: [&str; 19] = [
    "good",
    "no_role",
    "several_roles",
    "no_keys",
    "key_not_known_yet",
    "too_long",
    "malformed",
    "type",
    "critical",
    "algorithm",
    "unknown_key",
    "ambiguous_key",
    "signature",
    "missing_claim",
    "issuer",
    "audience",
    "expired",
    "not_yet_valid",
    "issued_in_future",
];

/// Makes every series visible from the start, with zeros.
pub fn register() {
    LazyLock::force(&KEYS);
    LazyLock::force(&KEYS_AGE_SECONDS);
    for outcome in OUTCOMES {
        VERIFICATIONS.with_label_values(&[outcome]);
    }
    for outcome in ["read", "failed"] {
        FETCHES.with_label_values(&[outcome]);
    }
}
