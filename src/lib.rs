//! The tillstream process: settings, wiring, HTTP and command line around the rooms.
//! Does not know how a room works inside; `startup` is the only place that sees two of them at once.

pub mod asyncapi;
pub mod cli;
pub mod commands;
pub mod disk;
pub mod faults;
pub mod http;
pub mod live;
pub mod roles;
pub mod settings;
pub mod shutdown;
pub mod startup;
pub mod telemetry;
