//! Reporting: turnover rows as aggregation publishes them, and the ledger's own side as the broker delivers it.
//! Does not aggregate and never asks aggregation: two actors with a database each, fed by two queues.

mod consumer;
mod error;
mod inbox;
mod journey;
mod ledger;
mod leg;
mod metrics;
mod rejects;
mod settings;
mod shelf;
mod storage;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod turnover;
mod wiring;

pub use settings::{ReportingPlan, ReportingSettings};
pub use turnover::{FailedPayments, QueryFailedPayments};
pub use wiring::{ConsumerPorts, FlowPorts, Reporting, ReportingPorts, spawn_reporting};
