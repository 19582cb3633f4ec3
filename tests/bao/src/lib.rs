//! A real OpenBao for tests: started, initialised, sealed, frozen, killed and started again, each in a directory of its own.
//! Knows no secret tree and no policy of ours; a test writes what it needs with the root token.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

mod certificates;
mod configuration;
mod process;
mod server;

pub use process::{in_environment, program};
pub use server::{Bao, BaoOptions};
