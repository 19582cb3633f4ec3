//! A trouble that lasts is logged once, not at every look, and once more when it is over.
//! Does not judge how bad it is.

use tracing::{error, info};

use crate::error::TlsError;
use crate::metrics::RELOADS;

/// What was the matter at the last look.
#[derive(Debug)]
pub struct Trouble {
    /// With what.
    with: &'static str,
    now: Option<String>,
}

// === impl Trouble ===

impl Trouble {
    pub const fn none_with(with: &'static str) -> Self {
        Self { with, now: None }
    }

    /// What it is, if there is one.
    pub fn text(&self) -> Option<&str> {
        self.now.as_deref()
    }

    /// The last good ones stay.
    pub fn begins(&mut self, reason: &TlsError) {
        RELOADS.with_label_values(&["refused"]).inc();
        let text = reason.to_string();
        if self.now.as_ref() != Some(&text) {
            error!(reason = %text, "cannot use the new {}, keeping the last good", self.with);
        }
        self.now = Some(text);
    }

    /// All is well.
    pub fn is_over(&mut self) {
        if self.now.take().is_some() {
            info!("the {} is in order again", self.with);
        }
    }
}
