//! Drives the real binary from outside, through HTTP, signals and its files, as tills and operators would.
//! Does not link the service's code, but for a broker that a test spoils from within: what these tests know of money, windows and
//! sums they compute themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says so by panicking")]
#![allow(clippy::print_stderr, reason = "a failing test shows what the service said")]

mod access;
mod audit;
mod blindness;
mod canaries;
mod command_line;
mod counting;
mod crash;
mod disk_full;
mod drill;
mod environment;
mod escalation;
mod faults;
mod health;
mod http_answers;
mod http_bodies;
mod http_queries;
mod journey;
mod live;
mod logs;
mod metrics;
mod network;
#[cfg(feature = "solace")]
mod old_broker_defects;
mod old_defects;
mod old_secret_defects;
#[cfg(feature = "solace")]
mod outages;
#[cfg(feature = "solace")]
mod queues;
#[cfg(feature = "solace")]
mod refusals;
mod replay;
mod shutdown;
#[cfg(feature = "solace")]
mod solace_check;
mod storms;
mod support;
mod sync_proof;
mod tls;
mod tokens;
mod trace;
mod traces;
#[cfg(feature = "solace")]
mod vault_broker;
mod vault_certificate;
mod vault_rotation;
mod vault_setup;
mod vault_start;
mod vault_troubles;
