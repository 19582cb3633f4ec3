//! The metrics of this room; the age of the secrets is a metric of the room that keeps the tree.
//! What is counted carries no path and no name.

use std::sync::LazyLock;

use prometheus::{Gauge, IntCounterVec, register_gauge, register_int_counter_vec};

/// How long the token in use is good for without a renewal.
pub static TOKEN_TTL_SECONDS: LazyLock<Gauge> = LazyLock::new(|| {
    let help = "Seconds until the token of Vault ends unless it is renewed; 0 without one, +Inf where it never ends.";
    register_gauge!("vault_token_ttl_seconds", help).expect("the name is valid and registered once, here")
});

/// What a reading can come to.
const OUTCOMES: [&str; 13] = [
    "changed",
    "unchanged",
    "misconfigured",
    "unreachable",
    "timeout",
    "untrusted",
    "sealed",
    "uninitialised",
    "unavailable",
    "login_refused",
    "forbidden",
    "missing",
    "malformed",
];

/// Readings of the secret tree.
pub static REFRESHES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Readings of the secrets from Vault, each counted once by what came of it.";
    register_int_counter_vec!("vault_refreshes_total", help, &["outcome"])
        .expect("the name is valid and registered once, here")
});

/// Makes every series visible from the start, with zeros.
pub(crate) fn register() {
    LazyLock::force(&TOKEN_TTL_SECONDS);
    for outcome in OUTCOMES {
        REFRESHES.with_label_values(&[outcome]);
    }
}
