//! Makes a Vault or OpenBao server ready for this system, from any state in which it finds it, and looks after it later.
//! Does not read secrets for a running service, and prints nothing: whoever calls says what was done.

mod administrator;
mod approles;
mod audit;
mod authority;
mod certificate;
mod client;
mod error;
mod keep;
mod keys;
mod kv;
mod operator;
mod policies;
mod private;
mod server;
mod set_up;
mod status;
mod steps;

pub use approles::{Delivery, Lifetimes, RoleFiles};
pub use certificate::{Certificate, write_certificate};
pub use client::{Client, ServerAddress};
pub use error::SetUpError;
pub use keep::Trouble;
pub use keys::Keys;
pub use kv::Kv;
pub use operator::{Operator, Rotated};
pub use server::Condition;
pub use set_up::{Administration, Outcome, Progress, SetUp, State};
pub use status::{RoleStatus, Status, status};
