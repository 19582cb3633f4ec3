//! The HTTP side: routes, credentials, bounds, refusals and documents.
//! Does not know an actor or the broker; it asks through [`Doors`].

use std::sync::Arc;

use tillstream_supervision::Node;

use crate::faults::Faults;
use crate::live::Live;
use crate::telemetry::LogControl;

mod actors;
mod aggregates;
mod amount;
mod audit;
mod auth;
mod body;
mod documents;
mod doors;
mod errors;
mod events;
mod examples;
mod faults;
mod generator;
mod health;
mod in_flight;
mod journey;
mod ledger;
mod log;
mod metrics;
mod negotiate;
mod openapi;
mod openmetrics;
mod page;
mod prefix;
mod problem;
mod routes;
mod secrets;
mod server;
mod settings;
mod stores;
mod trace;
mod transactions;
mod turnover;
mod unread;
mod waiting;

#[cfg(test)]
mod tests;

pub use auth::{Gate, UserBook, Users};
pub use doors::{Door, Doors};
pub use health::{Figures, Health, awaited};
pub use in_flight::InFlight;
pub use ledger::is_balanced;
pub use openapi::Documents;
pub use server::{BoundServer, bind};
pub use settings::HttpSettings;
pub use waiting::Porter;

/// What every worker of the server shares.
#[derive(Clone)]
pub struct Api {
    /// Bounds and timeouts.
    pub settings: HttpSettings,
    /// Who may do what.
    pub gate: Gate,
    /// The rooms behind.
    pub doors: Doors,
    /// How the process is.
    pub health: Health,
    /// The OpenAPI documents.
    pub documents: Documents,
    /// How many requests wait.
    pub in_flight: InFlight,
    /// The supervision tree of this process.
    pub tree: Arc<dyn Fn() -> Node + Send + Sync>,
    /// What can be broken here.
    pub faults: Faults,
    /// For pages that watch; where reporting runs.
    pub live: Option<Live>,
    /// Which lines are logged.
    pub log: LogControl,
}
