//! The whole model of one moment, put together of its parts.
//! Does not read anything; the board does.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::sales::time;

/// What does not change while the process runs.
#[derive(Debug, Clone)]
pub struct About {
    /// Played here.
    pub roles: Vec<&'static str>,
    /// `embedded` or `solace`.
    pub backend: &'static str,
    /// Of all money.
    pub currency: String,
    /// `window.size`.
    pub window: std::time::Duration,
    /// `window.allowed_lateness`.
    pub lateness: std::time::Duration,
    /// Whether an admin may break something.
    pub faults_enabled: bool,
    /// When this process began.
    pub started: DateTime<Utc>,
}

impl About {
    /// The part of the model that never changes.
    pub fn constants(&self) -> Map<String, Value> {
        let constants = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "roles": self.roles,
            "backend": self.backend,
            "currency": self.currency,
            "window_seconds": seconds(self.window),
            "lateness_seconds": seconds(self.lateness),
        });
        if let Value::Object(constants) = constants { constants } else { Map::new() }
    }
}

/// Since when reporting does not answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silence(Option<DateTime<Utc>>);

impl Silence {
    /// Notes whether it has answered.
    pub fn note(&mut self, answered: bool, now: DateTime<Utc>) {
        self.0 = if answered { None } else { self.0.or(Some(now)) };
    }

    /// Whether it has answered last.
    pub const fn is_over(self) -> bool {
        self.0.is_none()
    }

    /// For pages.
    pub fn document(self) -> Value {
        json!({"answers": self.is_over(), "since": self.0.map(time)})
    }
}

/// A whole number where it is one.
pub(super) fn seconds(duration: std::time::Duration) -> Value {
    if duration.subsec_nanos() == 0 { json!(duration.as_secs()) } else { json!(duration.as_secs_f64()) }
}
