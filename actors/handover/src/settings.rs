//! How long one hand-over tries before whoever asked has to ask again.
//! Does not hold the address; that is `window.validation_url`, because only a process with windows needs it.

use std::time::Duration;

/// The patience of one hand-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandoverRules {
    /// An attempt without an answer after this long counts as cut: a hung service holds nothing up for longer.
    pub request_timeout: Duration,
    /// First pause between two attempts where the service names none; doubles.
    pub first_pause: Duration,
    /// No pause is longer, whatever `Retry-After` says.
    pub longest_pause: Duration,
    /// Trouble that is over by then, such as a restart, is nobody's business.
    pub passing: Duration,
    /// After this long the asker hears that validation is not there. Shorter than the asker waits, so that no two
    /// hand-overs of one event run side by side.
    pub patience: Duration,
}

impl Default for HandoverRules {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(4),
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(1),
            passing: Duration::from_secs(1),
            patience: Duration::from_secs(8),
        }
    }
}
