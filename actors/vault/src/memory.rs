//! What outlives an incarnation: the token, an unwrapped secret id, the tree in use, how often a login was in vain.
//! Asks nobody, and holds its locks for no longer than it takes to look or to put.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tillstream_secrets::LastGood;

use crate::limit::Limit;
use crate::token::Token;
use crate::unwrapping::Unwrapping;

/// Shared by all incarnations of one process.
pub struct Memory {
    /// The tree in use.
    pub last_good: LastGood,
    token: Mutex<Held>,
    limits: [Mutex<Limit>; 2],
    unwrapping: Mutex<Option<Unwrapping>>,
}

/// The token, and how many logins there were.
#[derive(Default)]
struct Held {
    token: Option<Token>,
    logins: u64,
}

/// What a token is used for: a policy that is missing for one must not hold up the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Reading the tree.
    Reading,
    /// Having a certificate issued.
    Issuing,
}

// === impl Memory ===

impl Memory {
    /// Nobody has logged in yet.
    pub fn new(last_good: LastGood) -> Self {
        Self { last_good, token: Mutex::default(), limits: Default::default(), unwrapping: Mutex::default() }
    }

    /// The token in use, unless it is over.
    pub fn token(&self) -> Option<Token> {
        let mut held = lock(&self.token);
        held.token.take_if(|token| token.is_over());
        held.token.clone()
    }

    /// Uses the token that `make` builds of the number of this login.
    pub fn log_in(&self, make: impl FnOnce(u64) -> Token) -> Token {
        let mut held = lock(&self.token);
        held.logins += 1;
        let token = make(held.logins);
        held.token = Some(token.clone());
        token
    }

    /// Uses a renewed token, unless another login has come between.
    pub fn renew(&self, token: Token) {
        let mut held = lock(&self.token);
        if held.token.as_ref().is_some_and(|in_use| in_use.login == token.login) {
            held.token = Some(token);
        }
    }

    /// How often logins may be tried.
    pub fn limit(&self, purpose: Purpose) -> MutexGuard<'_, Limit> {
        lock(&self.limits[purpose as usize])
    }

    /// The secret id that was unwrapped, or is being unwrapped.
    pub fn unwrapping(&self) -> MutexGuard<'_, Option<Unwrapping>> {
        lock(&self.unwrapping)
    }
}

/// Nothing is left half written by a panic in here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
