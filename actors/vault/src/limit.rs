//! How often a login may be tried as a cure for a 403.
//! Does not log in; and a token that comes to its end is replaced without asking here.

use std::time::Duration;

use tokio::time::Instant;

use crate::pauses::pause;
use crate::settings::VaultSettings;

/// Of one purpose; kept over incarnations, so that a killed actor does not begin to hammer.
#[derive(Debug, Default)]
pub struct Limit {
    in_vain: u32,
    not_before: Option<Instant>,
}

// === impl Limit ===

impl Limit {
    /// How long until a login may be tried; nothing when it may be now.
    pub fn wait(&self) -> Option<Duration> {
        let left = self.not_before?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// A fresh token was refused as well: the policy is not there, and the next login has to wait.
    pub fn in_vain(&mut self, settings: &VaultSettings) {
        self.in_vain = self.in_vain.saturating_add(1);
        let pause = pause(settings.relogin_min, settings.relogin_max, self.in_vain);
        self.not_before = Some(Instant::now() + pause);
    }

    /// What was refused is allowed.
    pub fn cured(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_hour_without_a_policy_costs_a_login_a_minute_and_not_one_per_reading() {
        let (mut limit, settings) = (Limit::default(), VaultSettings::default());
        let mut logins = 0;
        for _ in 0..3_600 {
            if limit.wait().is_none() {
                logins += 1;
                limit.in_vain(&settings);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!((60..=130).contains(&logins), "{logins} logins");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_login_need_not_wait_and_neither_does_the_first_after_a_cure() {
        let (mut limit, settings) = (Limit::default(), VaultSettings::default());
        assert_eq!(limit.wait(), None);
        limit.in_vain(&settings);
        assert!(limit.wait().is_some());
        limit.cured();
        assert_eq!(limit.wait(), None);
    }
}
