//! What the sessions on all brokers have in common: the far end of a flow, delivery tags, the publish window, metrics.
//! Knows no broker; a backend is whoever answers the messages of a session with the help of these.

mod backend;
mod consumer;
mod line;
mod metrics;
mod tags;

pub use backend::{Backend, UnknownBackend};
pub use consumer::FlowConsumer;
pub use line::{Line, Waiting};
pub use metrics::{PUBLISH_EXEMPLARS, register as register_metrics, show_connected};
pub use tags::Tags;
