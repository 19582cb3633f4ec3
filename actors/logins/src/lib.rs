//! What every door needs that people log in at: passwords compared in constant time, predecessors that hold for a while,
//! limits for those who guess, and an audit of refusals that no flood can fill.
//! Knows neither HTTP nor SMF, lets nobody in itself and reads no clock: each door says what time it is.

mod audit;
mod book;
mod credentials;
mod limits;
mod recent;
mod settings;

pub use audit::{AuditLog, Refusal};
pub use book::{CredentialBook, Holder};
pub use credentials::{Credentials, MAX_CREDENTIALS};
pub use limits::{Attempt, FailedLogins, Failure};
pub use settings::LoginLimits;
