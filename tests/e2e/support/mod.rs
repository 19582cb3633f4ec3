//! What every end-to-end test needs: a running service, sales to post, windows to read, and waiting with a deadline.
//! Asserts nothing of its own beyond "it runs".
#![cfg_attr(
    not(feature = "solace"),
    allow(dead_code, unused_imports, reason = "outages need a broker that is not in the process")
)]

mod app;
mod backend;
mod broker;
mod collector;
mod disk;
mod drill;
mod exposition;
mod expressions;
mod faults;
mod holder;
mod live;
mod load;
mod output;
#[cfg(feature = "solace")]
mod own_broker;
mod process;
mod proxy;
mod refusal;
mod rotel;
mod sale;
mod setup;
mod till;
mod tls;
mod vault;
mod vault_scene;
mod wait;
mod windows;

pub use app::TestApp;
pub use backend::Backend;
pub use broker::TestBroker;
pub use collector::{Collector, SeenSpan};
pub use disk::SmallDisk;
pub use drill::{Drill, count_from, seed};
pub use exposition::{Declarations, Exposition};
pub use expressions::{expressions, monitoring, named, recorded};
pub use faults::assert_nothing_lost;
pub use holder::Holder;
pub use load::{Account, Load};
#[cfg(feature = "solace")]
pub use own_broker::OwnBroker;
pub use proxy::{Proxy, Way, Weather};
pub use rotel::Rotel;
pub use sale::{Sale, cents_of};
pub use setup::Setup;
pub use till::{Answer, Badge, SALES, try_send};
pub use tls::{Authority, Pair, Trust};
pub use vault::{LONG_LIVED, SHORT_LIVED, TestVault};
pub use vault_scene::{TILL, VaultScene};
pub use wait::{eventually, pause};
pub use windows::{Window, sum_of};
