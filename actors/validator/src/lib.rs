//! Validators: the rules applied to one body, the result published, and an answer only after the broker's.
//! Knows no HTTP and no store's total; a sale that leaves here is on the broker or was refused.

mod clock_watch;
mod events;
mod metrics;
mod pool;
mod settings;
mod validator;

pub use pool::{ValidatorPool, ValidatorWiring, spawn_validators};
pub use settings::{RuleSettings, TopicSettings, ValidationSettings, ValidatorSettings};
