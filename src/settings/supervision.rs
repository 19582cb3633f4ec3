//! Section `[supervision]`: how often an actor may fail, and how long it pauses then.
//! Does not restart anything; the tree does, by the specs that this section turns into.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tillstream_supervision::{Backoff, Intensity, Strategy, SupervisorSpec};

/// Section `[supervision]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SupervisionSettings {
    /// Failures within `within` that are still fine; one more and the supervisor gives the actor up for a while.
    pub max_restarts: usize,
    /// The time over which failures are counted.
    #[serde(with = "humantime_serde")]
    pub within: Duration,
    /// Pause before the second restart in a row; it doubles with each one.
    #[serde(with = "humantime_serde")]
    pub backoff_min: Duration,
    /// Longest pause before a restart.
    #[serde(with = "humantime_serde")]
    pub backoff_max: Duration,
}

// === impl SupervisionSettings ===

impl SupervisionSettings {
    /// A supervisor of that name that restarts only the child that failed.
    pub fn one_for_one(&self, name: &str) -> SupervisorSpec {
        let spec = SupervisorSpec::new(name, Strategy::OneForOne);
        let backoff = Backoff { min: self.backoff_min, max: self.backoff_max, ..spec.backoff };
        let intensity = Intensity { max: self.max_restarts, within: self.within };
        SupervisorSpec { intensity, backoff, ..spec }
    }
}

impl Default for SupervisionSettings {
    fn default() -> Self {
        Self {
            max_restarts: 10,
            within: Duration::from_secs(30),
            backoff_min: Duration::from_millis(20),
            backoff_max: Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_has_the_budget_and_the_pauses_of_the_settings() {
        let seconds = Duration::from_secs;
        let settings = SupervisionSettings {
            max_restarts: 3,
            within: seconds(7),
            backoff_min: seconds(1),
            backoff_max: seconds(4),
        };
        let spec = settings.one_for_one("windows");
        assert_eq!((spec.name.as_str(), spec.intensity.max, spec.intensity.within), ("windows", 3, seconds(7)));
        assert_eq!((spec.backoff.min, spec.backoff.max), (seconds(1), seconds(4)));
    }
}
