//! What outlives a connection and an incarnation of the listener: publisher flows by name, ids of deliveries, peers, and
//! who has failed to log in.
//! Does not outlive the process: a client that resumes after that is told so and publishes again (see ADR 0005).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use tillstream_audit::AuditTrail;
use tillstream_logins::{AuditLog, FailedLogins};

use crate::locks::lock;
use crate::peers::Peers;
use crate::publisher::PublisherFlow;
use crate::switchboard::Switchboard;

/// How far ahead of the wall clock the clock of an earlier process may have been: ten years, in microseconds. Bound to
/// the clock, because what one process believes the next one must believe as well; and far below what is no exact number
/// in every client language.
const FURTHEST_AHEAD: u64 = 315_360_000_000_000;

/// Shared by all incarnations of one listener: make it once and clone it into the wiring.
#[derive(Clone, Default)]
pub struct ListenerMemory(Arc<Inner>);

struct Inner {
    peers: Peers,
    switchboard: Switchboard,
    failed: FailedLogins,
    audit: AuditLog,
    publishers: Mutex<HashMap<String, Arc<Mutex<PublisherFlow>>>>,
    last_publisher: AtomicU32,
    last_delivery: AtomicU64,
    /// Part of flow names, so that those of an earlier process are not known by chance.
    began: u64,
}

// === impl ListenerMemory ===

impl ListenerMemory {
    /// Empty; refusals are recorded in this trail.
    pub fn new(trail: AuditTrail) -> Self {
        Self(Arc::new(Inner { audit: AuditLog::new("smf", trail), ..Inner::default() }))
    }

    /// With ids from 1 on, so that made-up acknowledgements meet them.
    #[cfg(feature = "rehearsal")]
    pub(crate) fn rehearsed() -> Self {
        Self(Arc::new(Inner::began(0)))
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.0.peers
    }

    pub(crate) fn switchboard(&self) -> &Switchboard {
        &self.0.switchboard
    }

    pub(crate) fn failed(&self) -> &FailedLogins {
        &self.0.failed
    }

    pub(crate) fn audit(&self) -> &AuditLog {
        &self.0.audit
    }

    /// An id above all that were given before, in this process and, as long as the clock does not go back, in earlier ones.
    pub(crate) fn fresh_id(&self) -> u64 {
        self.0.last_delivery.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A client has got that id from a process whose clock was ahead: ours go on behind it. False when that cannot be: the
    /// client would drop what it gets, and ids that followed it would be out of reach for the next process.
    #[must_use]
    pub(crate) fn has_seen(&self, id: u64) -> bool {
        let possible = id <= self.0.began.max(microseconds()).saturating_add(FURTHEST_AHEAD);
        if possible {
            self.0.last_delivery.fetch_max(id, Ordering::Relaxed);
        }
        possible
    }

    /// A new publisher flow. Over the limit, the one that has been without a connection for the longest is forgotten.
    pub(crate) fn new_publisher(&self, user: &str, remembered: usize) -> Arc<Mutex<PublisherFlow>> {
        let number = self.0.last_publisher.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let name = format!("tillstream/{:x}/{number}", self.0.began);
        let flow = Arc::new(Mutex::new(PublisherFlow::new(name.clone(), user.to_owned(), number)));
        let mut publishers = lock(&self.0.publishers);
        if publishers.len() >= remembered {
            forget_one(&mut publishers, remembered);
        }
        publishers.insert(name, Arc::clone(&flow));
        flow
    }

    /// The publisher flow of that name.
    pub(crate) fn publisher(&self, name: &str) -> Option<Arc<Mutex<PublisherFlow>>> {
        lock(&self.0.publishers).get(name).cloned()
    }

    /// Its client has closed it for good.
    pub(crate) fn forget_publisher(&self, name: &str) {
        lock(&self.0.publishers).remove(name);
    }
}

/// Flows with a connection stay and do not count: there are no more of them than connections may have. One that is in use
/// is not waited for.
fn forget_one(publishers: &mut HashMap<String, Arc<Mutex<PublisherFlow>>>, remembered: usize) {
    let idle = |flow: &Mutex<PublisherFlow>| flow.try_lock().ok().and_then(|flow| flow.left());
    let left: Vec<_> = publishers.iter().filter_map(|(name, flow)| idle(flow).map(|at| (at, name))).collect();
    if left.len() < remembered {
        return;
    }
    let oldest = left.into_iter().min().map(|(_, name)| name.clone());
    oldest.and_then(|name| publishers.remove(&name));
}

// === impl Inner ===

impl Inner {
    fn began(began: u64) -> Self {
        Self {
            peers: Peers::default(),
            switchboard: Switchboard::default(),
            failed: FailedLogins::default(),
            audit: AuditLog::new("smf", AuditTrail::default()),
            publishers: Mutex::default(),
            last_publisher: AtomicU32::new(0),
            last_delivery: AtomicU64::new(began),
            began,
        }
    }
}

impl Default for Inner {
    /// The wall clock in microseconds: no broker delivers a million messages per second for as long as it was away.
    fn default() -> Self {
        Self::began(microseconds())
    }
}

/// The wall clock.
fn microseconds() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or_default()
}
