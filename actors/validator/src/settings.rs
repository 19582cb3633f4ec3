//! The `[rules]`, `[topics]` and `[validation]` sections.
//! The topic prefix is not among them: it comes with the secrets, as every backend's does.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tillstream_domain::Rules;

/// All that validators are set by; each field is a section of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidatorSettings {
    /// What a transaction may say.
    pub rules: RuleSettings,
    /// What topics tell.
    pub topics: TopicSettings,
    /// The pool.
    pub validation: ValidationSettings,
}

/// The `[rules]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleSettings {
    /// How far a till's clock may be ahead of ours.
    #[serde(with = "humantime_serde")]
    pub max_future_skew: Duration,
    /// Stores are `STORE_1` to this number.
    pub max_store: u32,
    /// Cashiers are `CASHIER_1` to this number.
    pub max_cashier: u32,
}

/// The `[topics]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicSettings {
    /// Whether a sale's topic names customer and total; `-` when not.
    pub personal_data: bool,
}

/// The `[validation]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidationSettings {
    /// How many validators work side by side.
    pub pool: usize,
    /// How many bodies may wait for each of them; more are refused.
    pub mailbox: usize,
    /// A sale that the broker has not acknowledged by then is answered as unavailable.
    #[serde(with = "humantime_serde")]
    pub publish_timeout: Duration,
}

impl RuleSettings {
    /// The rules of the domain with these bounds.
    pub fn rules(&self) -> Rules {
        // A skew that no calendar holds is no bound at all.
        let max_future_skew = chrono::TimeDelta::from_std(self.max_future_skew).unwrap_or(chrono::TimeDelta::MAX);
        Rules { max_future_skew, max_store: self.max_store, max_cashier: self.max_cashier }
    }
}

impl Default for RuleSettings {
    fn default() -> Self {
        Self { max_future_skew: Duration::from_secs(60), max_store: 10, max_cashier: 8 }
    }
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self { personal_data: true }
    }
}

impl Default for ValidationSettings {
    fn default() -> Self {
        Self { pool: 2, mailbox: 1024, publish_timeout: Duration::from_secs(5) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_domain() {
        assert_eq!(RuleSettings::default().rules(), Rules::default());
    }
}
