//! Who was refused, corrected, rejected or broke something on purpose, in files of its own that survive a restart.
//! Decides nothing and waits for no disk: whoever hands in a record goes on at once, and what is lost is counted.

mod files;
mod metrics;
mod printable;
mod record;
mod settings;
mod trail;
mod writer;

pub use printable::printable;
pub use record::{Record, Verdict};
pub use settings::{AuditSettings, AuditSettingsError};
pub use trail::AuditTrail;
