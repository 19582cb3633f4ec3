//! What can be set about the live page.
//! Does not hold what bounds a frame; those bounds belong to its shape.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Section `[live]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LiveSettings {
    /// How often the model is built while a page is open, at most; 1 to 10.
    pub updates_per_second: u32,
    /// Frames that all open pages together are sent in a second: with many of them each gets fewer updates.
    pub frames_per_second: u32,
    /// Pages that may be open at once; one more is a 503.
    pub max_pages: usize,
    /// Of these, pages of one user; one more is a 429. Half of them by default, so that nobody takes the places of all others.
    pub max_pages_per_user: usize,
    /// Stores with windows and ledger of their own in the model: those with the most turnover in the last minute; 1 to 100.
    pub top_stores: usize,
}

/// A bound that is not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`live.{key}` must be from {from} to {to}")]
pub struct InvalidLive {
    key: &'static str,
    from: usize,
    to: usize,
}

impl LiveSettings {
    /// Whether all bounds are kept.
    ///
    /// # Errors
    /// Names the first that is not.
    pub fn check(&self) -> Result<(), InvalidLive> {
        let bounds = [
            ("updates_per_second", self.updates_per_second as usize, 1, 10),
            ("frames_per_second", self.frames_per_second as usize, 1, 100_000),
            ("max_pages", self.max_pages, 0, 100_000),
            ("max_pages_per_user", self.max_pages_per_user, 1, 100_000),
            ("top_stores", self.top_stores, 1, 100),
        ];
        let broken = bounds.into_iter().find(|(_, value, from, to)| value < from || value > to);
        broken.map_or(Ok(()), |(key, _, from, to)| Err(InvalidLive { key, from, to }))
    }

    /// From one update to the next while so many pages are open.
    pub fn interval(&self, pages: usize) -> Duration {
        let at_least = Duration::from_secs(1) / self.updates_per_second.max(1);
        let pages = u32::try_from(pages).unwrap_or(u32::MAX);
        at_least.max(Duration::from_secs(1).saturating_mul(pages) / self.frames_per_second.max(1))
    }
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self {
            updates_per_second: 4,
            frames_per_second: 1_000,
            max_pages: 1_000,
            max_pages_per_user: 500,
            top_stores: 12,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_many_pages_each_gets_fewer_updates_and_all_together_no_more_frames() {
        let settings = LiveSettings::default();
        assert_eq!(settings.interval(0), Duration::from_millis(250));
        assert_eq!(settings.interval(250), Duration::from_millis(250));
        assert_eq!(settings.interval(1_000), Duration::from_secs(1));
    }

    #[test]
    fn a_bound_that_is_not_kept_is_named() {
        assert_eq!(LiveSettings::default().check(), Ok(()));
        let fast = LiveSettings { updates_per_second: 11, ..LiveSettings::default() };
        assert_eq!(fast.check().unwrap_err().to_string(), "`live.updates_per_second` must be from 1 to 10");
    }
}
