//! Section `[log]`.
//! Where lines go cannot be set: to standard error, which whoever runs the process collects.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is logged, how, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// What is logged, as in `info,tillstream_window=debug`; the variable `RUST_LOG` goes first.
    pub filter: String,
    /// How.
    pub format: LogFormat,
    /// Lines of one cause, that is of one place in the code, within `within`; more are suppressed and counted. 0: all of
    /// them.
    pub burst: u64,
    /// The same for errors, which have a budget of their own.
    pub error_burst: u64,
    /// How long a budget lasts.
    #[serde(with = "humantime_serde")]
    pub within: Duration,
    /// Lines that wait for whoever reads them; more are lost and counted.
    pub queue: usize,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For a person.
    Pretty,
    /// For a machine.
    Json,
}

impl LogFormat {
    /// Whether a person reads it.
    pub const fn is_pretty(self, is_terminal: bool) -> bool {
        match self {
            Self::Auto => is_terminal,
            Self::Pretty => true,
            Self::Json => false,
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Auto,
            burst: 50,
            error_burst: 200,
            within: Duration::from_secs(10),
            queue: 8_192,
        }
    }
}
