//! tillstream's session on a Solace event broker: one actor that publishes, one actor per queue that delivers.
//! Knows neither what a payload means nor who consumes it; the only room that calls the vendor's C library.
//!
//! Outgoing messages are built with `solace-rs`. What version 0.8 of it lacks goes through `solace-rs-sys` in `ffi`, the
//! only unsafe code of the workspace: sessions (it can set neither the publish window nor non-blocking sends and tells
//! neither tag nor reason with an event), flows, and the correlation tag, content type and user properties of a message.

mod access;
mod client_name;
#[expect(unsafe_code, reason = "the boundary to the C library; every block says why it is sound")]
mod ffi;
mod flow;
mod inspect;
mod metrics;
mod pauses;
mod publisher;
mod settings;

pub use access::{Access, AccessBook, AccessError};
pub use flow::{Hands, SolaceFlow, SolaceFlowWiring};
pub use inspect::{Finding, FindingState, Inspection, inspect};
pub use publisher::{PublisherWiring, SolacePublisher};
pub use settings::SolaceSettings;

#[cfg(test)]
#[path = "../tests/scripted/mod.rs"]
mod scripted;
