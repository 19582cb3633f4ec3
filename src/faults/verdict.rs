//! The verdict on one fault: how long it took, who was disturbed, what was lost or counted twice.
//! Does not measure; the tree and the figures of the process do.

use std::time::Duration;

use serde::Serialize;
use tillstream_supervision::Recovery;

use super::environment::Passage;
use super::figures::Growth;

/// What a fault cost. What could not be measured is null.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Verdict {
    /// From the fault's effect until the supervisor or the watchdog knew (environment: until readiness said so).
    #[schema(required = true, example = 0.41)]
    detection_ms: Option<f64>,
    /// From then until the next incarnation had started, the pause before it included (environment: from the end of
    /// the condition until readiness said that all is well).
    #[schema(required = true, example = 1.2)]
    restart_ms: Option<f64>,
    /// Null for the environment.
    #[schema(required = true, example = 3)]
    generation_before: Option<u64>,
    /// Null for the environment, and when it did not come back.
    #[schema(required = true, example = 4)]
    generation_after: Option<u64>,
    /// Sales that intake told again.
    #[schema(example = 120)]
    replayed: u64,
    /// Messages that were recognised as repetitions, those that tills sent included.
    duplicates: u64,
    /// By how much more sales are missing in the ledger than before; null where nobody could say. The ledger judges
    /// final windows only: while `open` is not 0 this is what is lost so far.
    #[schema(required = true)]
    lost: Option<Difference>,
    /// By how much more sales are too many in the ledger than before; null where nobody could say. While `open` is not
    /// 0 this is what is double so far.
    #[schema(required = true)]
    double: Option<Difference>,
    /// Sales of windows that were not final at the verdict and are therefore not judged yet; null where nobody could
    /// say. Once those windows are final, `GET /api/v1/faults/{id}` shows 0 here and what `lost` and `double` are then
    /// (looked at every 5 s, for 5 minutes; a loss is believed when half a minute of looks has shown it, windows that
    /// take longer stay open here). Whatever else goes wrong until then shows as well.
    #[schema(required = true)]
    open: Option<Difference>,
    /// Other actors that were restarted, or are down.
    disturbed: Vec<String>,
}

/// Sales and their money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Difference {
    /// How many.
    pub count: i64,
    /// In cents.
    pub cents: i64,
}

// === impl Verdict ===

impl Verdict {
    /// On an actor; without a recovery it did not come back.
    pub(super) fn of_actor(recovery: Option<Recovery>, growth: &Growth) -> Self {
        let Some(recovery) = recovery else { return Self::unmeasured(growth) };
        Self {
            detection_ms: Some(milliseconds(recovery.detection)),
            restart_ms: Some(milliseconds(recovery.restart)),
            generation_before: Some(recovery.generation_before),
            generation_after: Some(recovery.generation_after),
            disturbed: recovery.disturbed,
            ..Self::unmeasured(growth)
        }
    }

    /// On the environment.
    pub(super) fn of_environment(passage: &Passage, growth: &Growth) -> Self {
        Self {
            detection_ms: passage.detection.map(milliseconds),
            restart_ms: passage.restart.map(milliseconds),
            ..Self::unmeasured(growth)
        }
    }

    const fn unmeasured(growth: &Growth) -> Self {
        Self {
            detection_ms: None,
            restart_ms: None,
            generation_before: None,
            generation_after: None,
            replayed: growth.replayed,
            duplicates: growth.duplicates,
            lost: growth.lost,
            double: growth.double,
            open: growth.open,
            disturbed: Vec::new(),
        }
    }

    /// Once all windows that it could not judge are final.
    pub(super) const fn revise(&mut self, lost: Difference, double: Difference) {
        self.lost = Some(lost);
        self.double = Some(double);
        self.open = Some(Difference::NONE);
    }
}

impl Difference {
    /// None and nothing.
    pub(super) const NONE: Self = Self { count: 0, cents: 0 };
}

/// To the microsecond: what is behind it is noise.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
