//! tillstream's session on the embedded broker: one actor that publishes, one actor per queue that delivers.
//! Knows neither what a payload means nor who consumes it; a backend that answers the same messages can replace it.

mod flow;
mod publisher;
mod pump;
mod queues;
mod settings;
mod trace;

pub use flow::{EmbeddedFlow, FlowWiring};
pub use publisher::EmbeddedPublisher;
pub use queues::embedded_queues;
pub use settings::EmbeddedBrokerSettings;
