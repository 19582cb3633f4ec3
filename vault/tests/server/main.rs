//! Sets up real servers: from every state, killed after every step, three times over; and asks them what each role may do.
//! Needs OpenBao (`cargo xtask set-up openbao`).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]

mod agent;
mod bench;
mod leftovers;
mod operator;
mod rights;
mod states;
