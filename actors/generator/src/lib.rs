//! Tills: a simulator that rings up sales over HTTP, a replay of recorded sales, and the one client that both post with.
//! Knows the service by its HTTP interface and by nothing else.

mod account;
mod catalog;
mod client;
mod error;
mod generator;
mod lanes;
mod metrics;
mod notebook;
mod pace;
mod rate;
mod recording;
mod replay;
mod sales;
mod settings;
#[cfg(test)]
mod testing;

pub use account::{GeneratorAccount, StoreAccount};
pub use client::{Credentials, PosClient, Posted, RetryRules};
pub use error::{ClientError, Unanswered};
pub use generator::{FinishSales, Generator, GeneratorPorts, Observe, spawn_generator};
pub use notebook::Notebook;
pub use pace::Profile;
pub use rate::Rate;
pub use recording::{RecordingSummary, write_recording};
pub use replay::{MalformedLine, ReplayError, ReplayOptions, ReplayProgress, ReplayReport, replay};
pub use sales::{Mix, SaleStream, TillSale};
pub use settings::{PosSettings, Shares};
