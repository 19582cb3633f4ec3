//! One audit record per refusal, so that somebody can see later who tried what: a few per second in full, the rest as a count.
//! Leaves nothing out without a count and shows no secret; files are the audit trail's.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tillstream_audit::{AuditTrail, Record, Verdict};

use crate::limits::neighbourhood;

/// Records of refusals that are not the first of their address within a second, and as many again for beginnings of pauses.
const PER_SECOND: usize = 50;
/// Of those, from one address.
const PER_ADDRESS: usize = 10;
/// The first refusal of each address has room of its own: however much comes from a few addresses, and fifty may send
/// enough to fill what is above, whoever knocks from another is seen.
const FIRSTS_PER_SECOND: usize = 200;
const SECOND: Duration = Duration::from_secs(1);

/// The refusals of one door. What is not written yet is written when it is dropped.
pub struct AuditLog {
    /// `http` or `smf`.
    door: &'static str,
    trail: AuditTrail,
    second: Mutex<Second>,
}

/// Who was refused what, and why.
#[derive(Debug, Clone, Copy, Default)]
pub struct Refusal<'a> {
    /// Proven, or what [`CredentialBook::shown`](crate::CredentialBook::shown) makes of what was given; none where nobody said.
    pub user: Option<&'a str>,
    /// What was wanted: a route, or a request of SMF.
    pub wanted: &'a str,
    /// On what, where that is not said yet: a topic or a queue.
    pub object: Option<&'a str>,
    /// From where.
    pub address: Option<IpAddr>,
    /// The sender's trace.
    pub trace: Option<&'a str>,
    /// One of few words.
    pub reason: &'static str,
    /// Whose pause it has begun: [`Failure::begun`](crate::Failure::begun).
    pub begun: Option<&'static str>,
}

/// What happened since it began.
#[derive(Default)]
struct Second {
    began: Option<Instant>,
    refusals: Lines,
    /// Apart, because they are what an operator has to see of a flood.
    beginnings: Lines,
    unwritten: BTreeMap<&'static str, u64>,
}

/// Records in full, and of whom; a refusal without an address is nobody's.
#[derive(Default)]
struct Lines {
    firsts: usize,
    more: usize,
    by_address: HashMap<Option<IpAddr>, usize>,
}

// === impl AuditLog ===

impl AuditLog {
    /// An empty one that leads to this trail.
    pub fn new(door: &'static str, trail: AuditTrail) -> Self {
        Self { door, trail, second: Mutex::default() }
    }

    /// Writes or counts a refusal.
    pub fn note(&self, refusal: &Refusal<'_>, now: Instant) {
        self.flush(now);
        let mut second = self.second();
        second.began.get_or_insert(now);
        if !second.has_room_for(refusal) {
            *second.unwritten.entry(refusal.reason).or_default() += 1;
            return;
        }
        drop(second);
        self.write(refusal);
    }

    /// Writes how many went unwritten, once their second is over. To be called now and then, because nobody may be refused
    /// for a long time after a flood.
    pub fn flush(&self, now: Instant) {
        let mut second = self.second();
        if second.began.is_none_or(|began| now.saturating_duration_since(began) < SECOND) {
            return;
        }
        let over = std::mem::take(&mut *second);
        drop(second);
        self.count(&over.unwritten);
    }

    /// Writes how many went unwritten, without waiting for the end of their second.
    pub fn count_rest(&self) {
        let unwritten = std::mem::take(&mut self.second().unwritten);
        self.count(&unwritten);
    }

    fn write(&self, refusal: &Refusal<'_>) {
        self.trail.write(Record {
            who: refusal.user.map(str::to_owned),
            address: refusal.address,
            route: refusal.wanted.to_owned(),
            reason: Some(refusal.reason),
            trace_id: refusal.trace.map(str::to_owned),
            object: refusal.object.map(str::to_owned),
            pause_begun: refusal.begun,
            ..Record::new(Verdict::Unauthorised, self.door)
        });
    }

    fn count(&self, unwritten: &BTreeMap<&'static str, u64>) {
        for (reason, refusals) in unwritten {
            let record = Record::new(Verdict::Unauthorised, self.door);
            self.trail.write(Record { reason: Some(reason), suppressed: Some(*refusals), ..record });
        }
    }

    fn second(&self) -> MutexGuard<'_, Second> {
        self.second.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.count_rest();
    }
}

// === impl Second ===

impl Second {
    /// Whether it is to be written in full; then its place is taken. A beginning that finds its own places taken is a refusal
    /// like any other.
    fn has_room_for(&mut self, refusal: &Refusal<'_>) -> bool {
        let address = refusal.address.map(neighbourhood);
        (refusal.begun.is_some() && self.beginnings.take(address)) || self.refusals.take(address)
    }
}

// === impl Lines ===

impl Lines {
    fn take(&mut self, address: Option<IpAddr>) -> bool {
        // Not entered where there is no room: whoever has a whole network would fill the memory otherwise.
        let of_address = self.by_address.get(&address).copied().unwrap_or_default();
        let (taken, room) =
            if of_address == 0 { (&mut self.firsts, FIRSTS_PER_SECOND) } else { (&mut self.more, PER_SECOND) };
        if *taken == room || of_address == PER_ADDRESS {
            return false;
        }
        *taken += 1;
        self.by_address.insert(address, of_address + 1);
        true
    }
}

#[cfg(test)]
mod tests;
