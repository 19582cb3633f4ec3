//! What waits for one client to read it, and whom to wake when there is more.
//! Writes to no socket. The bound holds for everything that others decide about: queues and direct messages.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use bytes::{Buf, BytesMut};
use futures_util::task::AtomicWaker;
use tillstream_smf::{EncodeError, Reply};

use crate::locks::lock;
use crate::metrics;

/// In the first byte of a message: others before it were dropped.
const DISCARD_INDICATION: u8 = 0x80;
/// A buffer that has grown beyond this is given back when it is empty.
const KEPT: usize = 256 << 10;

/// The bytes for one client.
pub(crate) struct Outgoing {
    bytes: Mutex<BytesMut>,
    limit: usize,
    /// A direct message was dropped and the client has not been told.
    gap: AtomicBool,
    /// The task that writes.
    pub(crate) writer: AtomicWaker,
}

// === impl Outgoing ===

impl Outgoing {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Mutex::default(), limit, gap: AtomicBool::new(false), writer: AtomicWaker::new() }
    }

    /// Whether the client must read before it gets more.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= self.limit
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.bytes).len()
    }

    /// Answers the client itself, whatever waits already: it asks for no more while the buffer is full, because nothing
    /// is read from it then.
    pub(crate) fn say(&self, reply: &Reply) -> Result<(), EncodeError> {
        reply.encode(&mut lock(&self.bytes))
    }

    /// Passes a direct message on as it came, or drops it.
    pub(crate) fn pass_on(&self, frame: &[u8]) {
        let mut bytes = lock(&self.bytes);
        if bytes.len() + frame.len() > self.limit {
            self.gap.store(true, Ordering::Relaxed);
            metrics::DIRECT_DROPPED.with_label_values(&["slow"]).inc();
            return;
        }
        let start = bytes.len();
        bytes.extend_from_slice(frame);
        if self.gap.swap(false, Ordering::Relaxed) {
            bytes[start] |= DISCARD_INDICATION;
        }
        drop(bytes);
        self.writer.wake();
    }

    /// The bytes themselves, for writing several frames or writing them out.
    pub(crate) fn bytes(&self) -> MutexGuard<'_, BytesMut> {
        lock(&self.bytes)
    }

    /// How much waits at most before more is refused.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }
}

/// Forgets what was written; a buffer that one burst has blown up is let go.
pub(crate) fn written(bytes: &mut BytesMut, count: usize) {
    bytes.advance(count);
    if bytes.is_empty() && bytes.capacity() > KEPT {
        *bytes = BytesMut::new();
    }
}
