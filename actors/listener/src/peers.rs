//! The connections as others see them: numbers, client names, and closing them from outside.
//! Serves none of them; that is what each connection's own task does.

use std::collections::{HashMap, HashSet};
use std::net::{Shutdown, TcpStream as StdStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, TryLockError};

use tokio::net::TcpStream;
use tracing::warn;

use crate::desk::Desk;
use crate::locks::lock;
use crate::metrics;
use crate::outgoing::Outgoing;

/// One connection.
pub(crate) struct Peer {
    /// Names it; never used twice.
    pub(crate) number: u64,
    /// All that it holds.
    pub(crate) desk: Mutex<Desk>,
    /// What it has still to read.
    pub(crate) outgoing: Arc<Outgoing>,
    /// Shared, so that it can be cut from another thread.
    pub(crate) stream: Arc<TcpStream>,
    /// Somebody else serves its client from now on.
    revoked: AtomicBool,
}

/// All connections.
#[derive(Default)]
pub(crate) struct Peers {
    last: AtomicU64,
    present: Mutex<HashMap<u64, Arc<Peer>>>,
    /// Client names, each of one connection.
    names: Mutex<HashMap<String, u64>>,
}

// === impl Peer ===

impl Peer {
    pub(crate) fn new(number: u64, desk: Desk, outgoing: Arc<Outgoing>, stream: TcpStream) -> Arc<Self> {
        let desk = Mutex::new(desk);
        Arc::new(Self { number, desk, outgoing, stream: Arc::new(stream), revoked: AtomicBool::new(false) })
    }

    /// Whether its task must end without another word.
    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
    }

    /// Tells both sides that it is over; its task closes the desk.
    pub(crate) fn cut(&self) {
        self.revoked.store(true, Ordering::Release);
        // A handle of its own for the moment: the stream is registered with a thread that may be blocked.
        if let Ok(handle) = self.stream.as_fd().try_clone_to_owned() {
            // A client that has gone already needs no telling.
            let _ = StdStream::from(handle).shutdown(Shutdown::Both);
        }
        self.outgoing.writer.wake();
    }

    /// Takes everything away from it, wherever its task is.
    fn evict(&self) {
        self.cut();
        match self.desk.try_lock() {
            Ok(mut desk) => desk.close(),
            Err(TryLockError::Poisoned(desk)) => desk.into_inner().close(),
            // It is inside the broker right now; its task finds itself revoked when it comes out.
            Err(TryLockError::WouldBlock) => warn!(connection = self.number, "connection is busy, closes itself"),
        }
    }
}

// === impl Peers ===

impl Peers {
    /// A number for the next connection.
    pub(crate) fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How many have logged in.
    pub(crate) fn clients(&self) -> usize {
        lock(&self.names).len()
    }

    /// How many there are, strangers included.
    pub(crate) fn count(&self) -> usize {
        lock(&self.present).len()
    }

    /// A connection begins.
    pub(crate) fn enter(&self, peer: &Arc<Peer>) {
        let mut present = lock(&self.present);
        present.insert(peer.number, Arc::clone(peer));
        metrics::CONNECTIONS.set(present.len() as i64);
    }

    /// A connection has ended.
    pub(crate) fn leave(&self, number: u64) {
        let mut present = lock(&self.present);
        let gone = present.remove(&number);
        metrics::CONNECTIONS.set(present.len() as i64);
        drop(present);
        drop(gone); // Not under the lock: it may be the last to hold the socket.
    }

    /// Cuts one connection.
    pub(crate) fn cut(&self, number: u64) {
        let peer = lock(&self.present).get(&number).cloned();
        peer.into_iter().for_each(|peer| peer.cut());
    }

    /// Cuts the connection on which nobody has logged in for the longest; false when there is none. It counts no more,
    /// though its task has still to end.
    pub(crate) fn cut_oldest_stranger(&self) -> bool {
        let named: HashSet<u64> = lock(&self.names).values().copied().collect();
        let mut present = lock(&self.present);
        let oldest = present.keys().filter(|number| !named.contains(number)).min().copied();
        let stranger = oldest.and_then(|number| present.remove(&number));
        drop(present);
        stranger.inspect(|stranger| stranger.cut()).is_some()
    }

    /// Ends all connections: their tasks belong to an earlier incarnation.
    pub(crate) fn evict_all(&self) {
        let all: Vec<Arc<Peer>> = lock(&self.present).drain().map(|(_, peer)| peer).collect();
        metrics::CONNECTIONS.set(0);
        all.iter().for_each(|peer| peer.evict());
    }

    /// Has every connection look again at what it may do.
    pub(crate) fn wake_all(&self) {
        lock(&self.present).values().for_each(|peer| peer.outgoing.writer.wake());
    }

    /// Gives a client name to a connection, unless another one has it.
    pub(crate) fn claim(&self, name: &str, number: u64) -> bool {
        let mut names = lock(&self.names);
        let holder = *names.entry(name.to_owned()).or_insert(number);
        holder == number
    }

    /// Frees a client name, if it is this connection's.
    pub(crate) fn release(&self, name: &str, number: u64) {
        let mut names = lock(&self.names);
        if names.get(name) == Some(&number) {
            names.remove(name);
        }
    }
}
