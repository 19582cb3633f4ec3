//! Clients on real sockets against the listener on a real broker.
//! The other side of the wire is the codec's own, proven on the official library's frames.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod bench;
mod client;
mod consuming;
mod direct;
mod endings;
mod logins;
mod publishing;
mod roles;
mod traces;

use std::future::Future;

/// Runs a test where actors can live.
fn in_tree(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}
