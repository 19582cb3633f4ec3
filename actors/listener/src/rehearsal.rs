//! A connection without a socket: bytes in, bytes out, for tests and fuzz targets.
//! Serves nobody, and is built only where its feature is on.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::BytesMut;
use tillstream_broker::Broker;
use tillstream_smf::Frame;
use tokio::time::Instant;

use crate::accounts::Accounts;
use crate::desk::Desk;
use crate::hub::Hub;
use crate::memory::ListenerMemory;
use crate::outgoing::Outgoing;
use crate::settings::ListenerSettings;

/// One connection's state machine.
pub struct Rehearsal {
    desk: Desk,
    outgoing: Arc<Outgoing>,
    input: BytesMut,
}

// === impl Rehearsal ===

impl Rehearsal {
    /// A connection on which nobody has logged in, the first of a listener of its own.
    pub fn new(broker: Broker, accounts: Accounts, settings: ListenerSettings) -> Self {
        let memory = ListenerMemory::rehearsed();
        let outgoing = Arc::new(Outgoing::new(settings.max_outgoing_bytes));
        let number = memory.peers().number();
        let hub = Arc::new(Hub { broker, accounts, settings, memory });
        let desk = Desk::new(hub, number, IpAddr::V4(Ipv4Addr::LOCALHOST), Arc::clone(&outgoing));
        Self { desk, outgoing, input: BytesMut::new() }
    }

    /// Puts bytes to the connection and gives back what it says, as long as it lasts.
    ///
    /// # Errors
    /// Why it ended.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<BytesMut, String> {
        let now = Instant::now();
        self.input.extend_from_slice(bytes);
        while let Some(frame) =
            Frame::take_from(&mut self.input, &self.desk.limits()).map_err(|error| error.to_string())?
        {
            self.desk.receive(&frame, now).map_err(|parting| parting.to_string())?;
        }
        self.desk.advance(&mut Context::from_waker(Waker::noop()), now).map_err(|parting| parting.to_string())?;
        Ok(std::mem::take(&mut *self.outgoing.bytes()))
    }

    /// Bytes that it keeps for frames that are not whole.
    pub fn kept(&self) -> usize {
        self.input.len()
    }
}
