//! Pauses between attempts: each twice the last up to a bound, and never the same for two processes.
//! Does not wait and counts no attempts; trying goes on for ever.

use std::time::Duration;

use crate::settings::SolaceSettings;

/// The pauses of one actor.
#[derive(Debug, Clone)]
pub struct Pauses {
    shortest: Duration,
    longest: Duration,
    next: Duration,
}

// === impl Pauses ===

impl Pauses {
    /// Starts with the shortest.
    pub fn new(settings: &SolaceSettings) -> Self {
        let SolaceSettings { backoff_min: shortest, backoff_max, .. } = *settings;
        Self { shortest, longest: backoff_max.max(shortest), next: shortest }
    }

    /// How long to wait now: between a half and the whole, so that clients of a broker that comes back do not come at once.
    pub fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.longest);
        whole.mul_f64(fastrand::f64().mul_add(0.5, 0.5))
    }

    /// After a success the next pause is the shortest again.
    pub fn reset(&mut self) {
        self.next = self.shortest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_over_after_a_success() {
        let settings = SolaceSettings::default();
        let mut pauses = Pauses::new(&settings);
        let wholes = [200, 400, 800, 1600, 3200, 5000, 5000].map(Duration::from_millis);

        for whole in wholes {
            let pause = pauses.next();

            assert!(pause >= whole / 2 && pause <= whole, "{pause:?} of {whole:?}");
        }
        pauses.reset();
        assert!(pauses.next() <= settings.backoff_min);
    }
}
