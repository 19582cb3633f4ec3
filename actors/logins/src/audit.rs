//! One line per refusal, so that somebody can see later who tried what: a few per second in full, the rest as a count.
//! Loses nothing without a count and shows no secret; what strangers chose is made printable and short.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::limits::neighbourhood;

/// Lines in full, and as many again for beginnings of pauses. Escapes make a line up to 830 bytes long, so both together are
/// 7 GB a day at the very worst; as a rule it is 300 bytes, and pauses are few.
const PER_SECOND: usize = 50;
/// Of those, from one address: a flood from there leaves room for the refusals of others.
const PER_ADDRESS: usize = 10;
const SECOND: Duration = Duration::from_secs(1);
/// Of a name that somebody logs in by; no real one is longer.
const MAX_SHOWN: usize = 64;

/// The audit log of one door. What is not written yet is written when it is dropped.
pub struct AuditLog {
    /// `http` or `smf`.
    door: &'static str,
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

/// Lines in full, and of whom; a refusal without an address is nobody's.
#[derive(Default)]
struct Lines {
    written: usize,
    by_address: HashMap<Option<IpAddr>, usize>,
}

// === impl AuditLog ===

impl AuditLog {
    /// An empty one.
    pub fn new(door: &'static str) -> Self {
        Self { door, second: Mutex::default() }
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

    fn write(&self, refusal: &Refusal<'_>) {
        let Refusal { user, wanted, object, address, trace, reason, begun } = *refusal;
        let (user, object) = (user.map(printable), object.map(printable));
        warn!(
            target: "audit",
            door = self.door,
            user.name = user.as_deref(),
            http.route = (self.door == "http").then_some(wanted),
            smf.request = (self.door == "smf").then_some(wanted),
            smf.object = object.as_deref(),
            client.address = address.map(tracing::field::display),
            trace.id = trace,
            reason,
            pause.begun = begun,
            "refused"
        );
    }

    fn count(&self, unwritten: &BTreeMap<&'static str, u64>) {
        for (reason, refusals) in unwritten {
            warn!(target: "audit", door = self.door, reason, refusals, "{refusals} more refused within a second");
        }
    }

    fn second(&self) -> MutexGuard<'_, Second> {
        self.second.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        let unwritten = std::mem::take(&mut self.second().unwritten);
        self.count(&unwritten);
    }
}

// === impl Second ===

impl Second {
    /// Whether it is to be written in full; then its line is taken. A beginning that finds its own lines taken is a refusal
    /// like any other.
    fn has_room_for(&mut self, refusal: &Refusal<'_>) -> bool {
        let address = refusal.address.map(neighbourhood);
        (refusal.begun.is_some() && self.beginnings.take(address)) || self.refusals.take(address)
    }
}

// === impl Lines ===

impl Lines {
    fn take(&mut self, address: Option<IpAddr>) -> bool {
        if self.written >= PER_SECOND {
            return false;
        }
        let of_address = self.by_address.entry(address).or_default();
        let is_free = *of_address < PER_ADDRESS;
        if is_free {
            *of_address += 1;
            self.written += 1;
        }
        is_free
    }
}

/// Short, on one line, and unable to look like something else: control characters and those that change the direction of
/// writing are written as escapes, and so are the signs that escapes and quotes are made of.
fn printable(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
