//! The room against a real OpenBao: what operators and outages do to Vault, and what everybody else then knows.
//! One server is shared by all tests that do it no harm; each has its own mounts, role and policy there.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod certificates;
mod logins;
mod outages;
mod readings;
mod strangers;
mod support;
mod tokens;
