//! A drill from outside: own sales over HTTP, seeded faults, and an account of its own that is compared to the cent.
//! Knows the service by its HTTP interface only and shares no counting code with it.

mod account;
mod api;
mod book;
mod cents;
mod comparison;
mod delays;
mod drill;
mod error;
mod faults;
mod generator;
mod injection;
mod kinds;
mod load;
mod options;
mod pace;
mod plan;
mod quantiles;
mod report;
mod revision;
mod sale;
mod script;
mod service;
mod settle;
mod sleepers;
mod stores;
mod summary;
mod till;
mod timeline;
mod tree;
mod watch;

pub use drill::{Line, Stop, drill};
pub use error::DrillError;
pub use injection::State;
pub use kinds::FaultKind;
pub use options::{Options, Tempo};
pub use report::Report;
pub use script::Script;
pub use stores::Stores;
pub use timeline::Second;
