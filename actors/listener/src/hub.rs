//! What every connection of one incarnation works with.
//! Holds no state of its own.

use tillstream_broker::Broker;

use crate::accounts::Accounts;
use crate::memory::ListenerMemory;
use crate::settings::ListenerSettings;

/// Broker, users, bounds, and what connections share.
pub(crate) struct Hub {
    pub(crate) broker: Broker,
    pub(crate) accounts: Accounts,
    pub(crate) settings: ListenerSettings,
    pub(crate) memory: ListenerMemory,
}
