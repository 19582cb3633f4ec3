//! Secrets and certificates from Vault or OpenBao: logs in by AppRole, keeps its token alive, reads the tree again and again.
//! Does not know who uses a secret, never writes to Vault, and shows neither token, secret id nor value to anybody.
//!
//! Every reading is all or nothing: when Vault goes away, is sealed or refuses half way, nothing of it is taken and the last good
//! tree stays in use. Each path is consistent in itself; two paths may have been read a moment apart. See ADR 0007.
//!
//! Two things are never done: the text of an answer is not looked at (status codes mean the same on Vault and OpenBao, texts do
//! not), and the wall clock decides nothing (lifetimes run from the moment before a request by the monotonic clock).

mod actor;
mod certificate;
mod credentials;
mod error;
mod limit;
mod memory;
mod metrics;
mod pauses;
mod reading;
mod schedule;
mod server;
mod session;
mod settings;
mod token;
mod unwrapping;
mod wiring;

pub use actor::VaultSecrets;
pub use error::VaultError;
pub use metrics::{REFRESHES, TOKEN_TTL_SECONDS};
pub use settings::VaultSettings;
pub use wiring::VaultWiring;
