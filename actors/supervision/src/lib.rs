//! An OTP-like supervision tree on plain actix: actors restart in place with a fresh value and keep mailbox and address.
//! Knows no actor of tillstream and holds no business state.
//!
//! A panic is caught where it happens, so nothing here needs a panic hook and none is installed. The process should
//! install one that logs through `tracing` (the default hook writes to stderr and is slow with backtraces).

mod backoff;
mod berth;
mod cell;
mod context;
mod envelope;
mod error;
mod exit;
mod fault;
mod fence;
mod gauges;
mod handle;
mod incarnation;
mod injection;
mod intensity;
mod interval;
mod keeper;
mod metrics;
mod node;
mod place;
mod plan;
mod port;
mod roster;
mod seat;
mod shared;
mod spec;
mod supervisor;
mod tally;
mod tenant;
mod unit;
mod vitals;
mod watchdog;

pub use context::SupervisedContext;
pub use error::{AskError, FaultError, SpawnError, TellError};
pub use fault::Fault;
pub use handle::Handle;
pub use injection::{Injection, Outcome, Recovery};
pub use node::{Node, ShutdownReport};
pub use place::Place;
pub use port::{Port, Slot};
pub use spec::{ActorSpec, Backoff, Intensity, Restart, Strategy, SupervisorSpec};
pub use supervisor::Supervisor;
pub use watchdog::{Liveness, Watchdog, WatchdogSettings};

/// Declares that a type may be restarted with a fresh value. Nothing that lacks it can be spawned.
#[macro_export]
macro_rules! supervised {
    ($actor:ty) => {
        impl ::actix::Supervised for $actor {}
    };
}
