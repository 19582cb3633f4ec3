//! The broker that carries this process's sales: opened here, or reached.
//! Spawns nothing but what a session spawns, and knows no consumer.

use std::sync::Arc;

use anyhow::Context;
use tillstream_broker::Broker;
use tillstream_embedded::embedded_queues;
use tillstream_session::Backend;
use tillstream_supervision::{Place, Supervisor};

use super::Shared;
use super::session::{EmbeddedSession, Session};
use crate::settings::Settings;

/// A broker as this process has it.
#[derive(Clone)]
pub enum Carrier {
    /// In this process.
    Embedded(Broker),
    /// Elsewhere.
    #[cfg(feature = "solace")]
    Solace,
}

// === impl Carrier ===

impl Carrier {
    /// The broker of the settings.
    ///
    /// # Errors
    /// It cannot be opened, or is not built in.
    pub fn open(settings: &Settings, shared: &Shared) -> anyhow::Result<Self> {
        match settings.broker.backend {
            Backend::Embedded => Ok(Self::Embedded(open_broker(settings, shared)?)),
            #[cfg(feature = "solace")]
            Backend::Solace => Ok(Self::Solace),
            #[cfg(not(feature = "solace"))]
            Backend::Solace => Err(super::Unsupported::SolaceNotBuiltIn.into()),
        }
    }

    /// A session on it, whose actors this supervisor gets.
    ///
    /// # Errors
    /// Says what is missing.
    pub fn session(
        &self,
        settings: &Settings,
        shared: &Shared,
        supervisor: Supervisor,
        place: Place,
    ) -> anyhow::Result<Box<dyn Session>> {
        match self {
            Self::Embedded(broker) => {
                let (broker, board) = (broker.clone(), shared.board.clone());
                Ok(Box::new(EmbeddedSession::new(supervisor, place, broker, settings.broker.clone(), board)))
            }
            #[cfg(feature = "solace")]
            Self::Solace => Ok(Box::new(super::session::SolaceSession::new(supervisor, place, settings, shared))),
        }
    }

    /// The broker, where it is in this process.
    pub fn embedded(&self) -> Option<&Broker> {
        match self {
            Self::Embedded(broker) => Some(broker),
            #[cfg(feature = "solace")]
            Self::Solace => None,
        }
    }
}

/// Opens the broker in the data directory, with the contract's queues.
///
/// # Errors
/// Names the directory.
pub fn open_broker(settings: &Settings, shared: &Shared) -> anyhow::Result<Broker> {
    let directory = settings.broker_dir();
    let queues = embedded_queues(shared.prefix.as_str(), settings.rules.max_store, &settings.broker);
    let storage = shared.faults.storage.clone();
    Broker::open_gated(&directory, Arc::new(move || storage.check()), settings.broker.broker(), queues)
        .with_context(|| format!("open the broker in `{}`", directory.display()))
}
