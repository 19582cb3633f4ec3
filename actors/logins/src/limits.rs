//! Who has failed to log in too often: one user from one address, or one address with whatever users and tokens.
//! Keeps no password, only hashes under a key that this process has drawn; and a login that is right takes no lock.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::recent::Recent;
use crate::settings::LoginLimits;

/// 16 in a set: so many thousand pairs of user and address, and 2,048 addresses, are remembered.
const PAIR_SETS: usize = 1024;
const INVENTED_SETS: usize = 512;
const ADDRESS_SETS: usize = 128;
/// Pauses at once; over it the one that ends first ends now.
const MAX_PAUSES: usize = 4096;

/// What failed, of one door.
pub struct FailedLogins {
    key: RandomState,
    pairs: Recent,
    /// Pairs with users that do not exist; apart, so that inventing users pushes no guess at a real one out.
    invented: Recent,
    addresses: Recent,
    /// Until when. Read by every login, written when somebody has failed too often.
    pauses: ArcSwap<HashMap<u64, Instant>>,
    pausing: Mutex<()>,
}

/// A login that failed.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// As whom.
    pub user: &'a [u8],
    /// Whether there is such a user.
    pub is_known: bool,
    /// From where.
    pub address: IpAddr,
    /// By what; only its hash is kept.
    pub secret: &'a [u8],
}

/// What a failed login leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Failure {
    /// For how long what is wrong from this address is refused like a guess too many, where it is: also that of users who
    /// exist, otherwise the answers would tell who does.
    pub paused: Option<Duration>,
    /// Whose pause this failure has begun, in the audit log's words.
    pub begun: Option<&'static str>,
}

/// What a pause is of.
#[derive(Hash)]
enum Whose<'a> {
    Pair(&'a [u8], IpAddr),
    Address(IpAddr),
}

// === impl FailedLogins ===

impl FailedLogins {
    /// How long this user is refused from this address, right or wrong. No lock: where nobody is refused it is one load.
    pub fn pause_of(&self, user: &[u8], address: IpAddr, now: Instant) -> Option<Duration> {
        self.pause(&Whose::Pair(user, neighbourhood(address)), now)
    }

    /// Notes a failure. It counts towards the address whether there is such a user or not: if only invented ones did, the
    /// failure after a hundred would tell which of those before it was none.
    pub fn failed(&self, limits: &LoginLimits, attempt: &Attempt<'_>, now: Instant) -> Failure {
        let address = neighbourhood(attempt.address);
        let pairs = if attempt.is_known { &self.pairs } else { &self.invented };
        let (pair, guess) = (Whose::Pair(attempt.user, address), self.key.hash_one(attempt.secret));
        let is_user_paused = self.note(pairs, &pair, guess, limits.failures, limits, now);
        let failure = self.failed_from(address, self.key.hash_one((attempt.user, attempt.secret)), limits, now);
        if !is_user_paused {
            return failure;
        }
        Failure { begun: Some(failure.begun.map_or("user", |_| "user and address")), ..failure }
    }

    /// Notes a token that does not hold; as [`FailedLogins::failed`].
    pub fn token_failed(&self, limits: &LoginLimits, address: IpAddr, token: &[u8], now: Instant) -> Failure {
        self.failed_from(neighbourhood(address), self.key.hash_one(token), limits, now)
    }

    fn failed_from(&self, address: IpAddr, what: u64, limits: &LoginLimits, now: Instant) -> Failure {
        let who = Whose::Address(address);
        let paused = self.pause(&who, now);
        let begins = paused.is_none() && self.note(&self.addresses, &who, what, limits.address_failures, limits, now);
        Failure { paused, begun: begins.then_some("address") }
    }

    fn pause(&self, whose: &Whose<'_>, now: Instant) -> Option<Duration> {
        let pauses = self.pauses.load();
        if pauses.is_empty() {
            return None;
        }
        let until = pauses.get(&self.key.hash_one(whose))?;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Whether that begins a pause.
    fn note(
        &self,
        table: &Recent,
        who: &Whose<'_>,
        what: u64,
        limit: usize,
        limits: &LoginLimits,
        now: Instant,
    ) -> bool {
        let who = self.key.hash_one(who);
        let is_too_many = limit > 0 && table.note(who, what, limit, limits.within, now);
        if is_too_many {
            self.refuse(who, now + limits.pause, now);
        }
        is_too_many
    }

    /// Copies the pauses: that is rare, because each costs the one who fails a whole limit of attempts.
    fn refuse(&self, who: u64, until: Instant, now: Instant) {
        let _one_at_a_time = self.pausing.lock().unwrap_or_else(PoisonError::into_inner);
        let pauses = self.pauses.load();
        let mut next: HashMap<_, _> = pauses.iter().filter(|(_, until)| **until > now).map(|(w, u)| (*w, *u)).collect();
        if next.len() >= MAX_PAUSES {
            let first = next.iter().min_by_key(|(_, until)| **until).map(|(who, _)| *who);
            first.and_then(|who| next.remove(&who));
        }
        next.insert(who, until);
        self.pauses.store(next.into());
    }
}

impl Default for FailedLogins {
    fn default() -> Self {
        Self {
            key: RandomState::new(),
            pairs: Recent::new(PAIR_SETS),
            invented: Recent::new(INVENTED_SETS),
            addresses: Recent::new(ADDRESS_SETS),
            pauses: ArcSwap::default(),
            pausing: Mutex::default(),
        }
    }
}

/// Whoever has one address of IPv6 has all of its /64.
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests;
