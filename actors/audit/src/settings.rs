//! Where records go and how many are kept.
//! What is recorded cannot be set: either all of it or nothing.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Less than that and one write could be larger than a file.
const SMALLEST_FILE: u64 = 1 << 20;

/// Section `[audit]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSettings {
    /// Whether anything is recorded.
    pub enabled: bool,
    /// Where the files are; unset: `audit` in the data directory. A second process that wants the same one writes
    /// into `-2` behind its name, and so on.
    pub directory: Option<PathBuf>,
    /// Files that are kept of each of the two kinds, the one that is written included.
    pub keep: usize,
    /// Bytes of a file; one that is full, or of another day, is closed.
    pub max_file: u64,
    /// Records that wait for the disk; more are lost and counted.
    pub queue: usize,
    /// Whether each record is a log line as well, for whoever collects nothing but the log.
    pub log: bool,
}

/// Settings that cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuditSettingsError {
    /// Nothing could be kept of the file before.
    #[error("`audit.keep` must be at least 2 and `audit.queue` at least 1")]
    Nothing,
    /// Not even what is written at once would fit.
    #[error("`audit.max_file` must be at least {SMALLEST_FILE}")]
    SmallFile,
}

impl AuditSettings {
    /// Whether they can be followed.
    ///
    /// # Errors
    /// Says which one cannot.
    pub const fn check(&self) -> Result<(), AuditSettingsError> {
        if self.keep < 2 || self.queue == 0 {
            return Err(AuditSettingsError::Nothing);
        }
        if self.max_file < SMALLEST_FILE {
            return Err(AuditSettingsError::SmallFile);
        }
        Ok(())
    }
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self { enabled: true, directory: None, keep: 16, max_file: 16 << 20, queue: 8_192, log: false }
    }
}
