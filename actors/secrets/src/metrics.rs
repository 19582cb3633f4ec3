//! The metrics of this room.
//! The rate of refreshes belongs to the Vault room, which has leases to renew.

use std::sync::LazyLock;

use prometheus::{Gauge, register_gauge};

/// How long ago the tree in use was last confirmed.
pub static SECRETS_AGE_SECONDS: LazyLock<Gauge> = LazyLock::new(|| {
    register_gauge!("secrets_age_seconds", "Seconds since the secrets were last read successfully.")
        .expect("the name is valid and registered once, here")
});
