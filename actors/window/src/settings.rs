//! What an operator may set about windows and repetitions.
//! Does not hold the flow's window; that belongs to the broker's section.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tillstream_domain::WindowRules;

/// Section `[window]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WindowSettings {
    /// Length of a window, in whole milliseconds.
    #[serde(with = "humantime_serde")]
    pub size: Duration,
    /// How far a store's watermark stays behind its newest sale.
    #[serde(with = "humantime_serde")]
    pub disorder: Duration,
    /// After this long without a sale a store follows the queue's progress.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// How long a window that has ended still takes sales before it is final.
    #[serde(with = "humantime_serde")]
    pub allowed_lateness: Duration,
    /// At most one event that is not final per window in this time.
    #[serde(with = "humantime_serde")]
    pub update_interval: Duration,
    /// ISO 4217, written into every event.
    pub currency: String,
    /// Where windows are handed over if validation runs in another process, such as `http://validation:8080`.
    pub validation_url: Option<String>,
    /// Authorities in PEM that an https validation is believed by; unset: the system's.
    pub validation_ca_cert: Option<PathBuf>,
    /// A certificate with its private key in PEM, for a validation that lets in only whom it knows.
    pub validation_client_cert: Option<PathBuf>,
}

impl Default for WindowSettings {
    fn default() -> Self {
        Self {
            size: Duration::from_secs(10),
            disorder: Duration::from_secs(1),
            idle: Duration::from_secs(5),
            allowed_lateness: Duration::from_secs(30),
            update_interval: Duration::from_secs(1),
            currency: "EUR".to_owned(),
            validation_url: None,
            validation_ca_cert: None,
            validation_client_cert: None,
        }
    }
}

/// Section `[dedup]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DedupSettings {
    /// How long the id of a decided sale is remembered.
    #[serde(with = "humantime_serde")]
    pub horizon: Duration,
}

impl Default for DedupSettings {
    fn default() -> Self {
        Self { horizon: Duration::from_secs(24 * 60 * 60) }
    }
}

/// A setting that windows cannot work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSettings {
    /// A window needs a length.
    #[error("`window.size` must be between 1ms and 365days: {0:?}")]
    Size(Duration),
    /// Anything longer than a year is a mistake in the unit.
    #[error("`window.{0}` must be at most 365days")]
    TooLong(&'static str),
    /// Three capital letters.
    #[error("`window.currency` must be three capital letters such as EUR: `{0}`")]
    Currency(String),
}

impl WindowSettings {
    /// The domain's rules.
    ///
    /// # Errors
    /// Names the setting that makes no sense.
    pub fn rules(&self) -> Result<WindowRules, InvalidSettings> {
        let size_ms = millis("size", self.size)?;
        if size_ms < 1 {
            return Err(InvalidSettings::Size(self.size));
        }
        if self.currency.len() != 3 || !self.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidSettings::Currency(self.currency.clone()));
        }
        Ok(WindowRules {
            size_ms,
            disorder_ms: millis("disorder", self.disorder)?,
            idle_ms: millis("idle", self.idle)?,
            allowed_lateness_ms: millis("allowed_lateness", self.allowed_lateness)?,
            update_interval_ms: millis("update_interval", self.update_interval)?,
            currency: self.currency.as_str().into(),
        })
    }
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn millis(name: &'static str, duration: Duration) -> Result<i64, InvalidSettings> {
    if duration > YEAR {
        return Err(InvalidSettings::TooLong(name));
    }
    i64::try_from(duration.as_millis()).map_err(|_| InvalidSettings::TooLong(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_without_a_length_is_refused_at_start() {
        let settings = WindowSettings { size: Duration::from_micros(999), ..WindowSettings::default() };
        assert_eq!(settings.rules(), Err(InvalidSettings::Size(Duration::from_micros(999))));
    }

    #[test]
    fn the_contracts_defaults_are_ten_seconds_and_thirty_of_lateness() {
        let rules = WindowSettings::default().rules().unwrap();
        assert_eq!((rules.size_ms, rules.allowed_lateness_ms, rules.idle_ms), (10_000, 30_000, 5_000));
    }
}
