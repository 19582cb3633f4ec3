//! The trace of a sale: which steps of its way have a span, what a span says, and how spans leave the process.
//! Decides nothing about a sale and is never waited for: where spans cannot be delivered they are dropped and counted.
//!
//! A step starts only where its trace is sampled, and whether it is, is decided once: by whoever sent a `traceparent`, or by
//! `traces.ratio` where there is none. What is not sampled builds no span anywhere. A context travels in messages, never in a
//! thread, so that a span has the parent that its message names and no other; the one thing that threads keep is which
//! trace the log lines of the future that is being polled belong to.
//!
//! | module | what it is for |
//! | --- | --- |
//! | `catalogue` | every span: its name, kind and attributes |
//! | `step` | one span while it lasts |
//! | `sampling` | which trace a request belongs to, and whether its spans are kept |
//! | `correlation` | which trace log lines belong to |
//! | `exporting` | from ended spans to a collector, bounded and counted |
//! | `testing` | ended spans in memory, for tests; behind the feature of this name |

mod catalogue;
mod correlation;
mod counting;
mod error;
mod exporting;
mod metrics;
mod sampling;
mod settings;
mod step;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

#[cfg(test)]
mod tests;

pub use catalogue::{
    HttpServer, Read, SERVER_TARGET, Sent, emit_window, finish_server, fold_sale, post, process, send, server,
    validate_sale,
};
pub use correlation::{Correlated, Correlation, current};
pub use error::TracesError;
pub use exporting::{Exporting, layer, start};
pub use sampling::{Beginning, Origin, is_on};
pub use settings::{Protocol, TracesSettings};
pub use step::Step;
