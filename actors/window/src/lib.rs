//! Aggregation: sales of a queue's flow come in, decided windows go out, and only then the sales are acknowledged.
//! Knows neither the broker nor HTTP; both are ports that the caller hands in.

mod intake;
mod messages;
mod metrics;
mod outbox;
mod pipeline;
mod router;
mod settings;
mod state;
mod steps;
mod window;

pub use messages::Drain;
pub use pipeline::{
    Aggregation, AggregationError, AggregationPlaces, AggregationPorts, AggregationSettings, spawn_aggregation,
};
pub use settings::{DedupSettings, InvalidSettings, WindowSettings};
pub use state::StateError;
