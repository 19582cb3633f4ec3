//! Hands windows over to a validation that runs in another process: the same question, the same answers, by HTTP.
//! Keeps nothing: an event is kept by whoever asks until the answer says that the broker has it on disk.

mod client;
mod error;
mod handover;
mod metrics;
mod refusal;
mod settings;

pub use client::{Credentials, ValidationClient};
pub use error::ClientError;
pub use handover::Handover;
pub use settings::HandoverRules;
