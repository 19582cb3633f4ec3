//! The keys in use, shared by those who judge tokens and the keeper who reads keys; outlives every incarnation of it.
//! Reads nothing itself, and remembers a bounded number of names whatever it is asked for.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tillstream_supervision::Port;
use tokio::time::Instant;

use crate::keeper::FetchKeys;
use crate::key_set::KeySet;

/// Names of unknown keys that are remembered, of those looked for and of those known to be absent.
const MOST_NAMES: usize = 64;

/// The keys, and what is asked of the keeper.
pub struct Keys {
    reading: ArcSwapOption<Reading>,
    asked: Mutex<Asked>,
    /// The keeper has been told that somebody looks for a key, and has not begun to read since.
    is_told: AtomicBool,
    keeper: Port<FetchKeys>,
}

/// What the issuer published at one moment.
pub struct Reading {
    /// Its keys.
    pub set: KeySet,
    /// Names that were looked for and are not among them.
    pub absent: BTreeSet<String>,
    /// When they were asked for.
    at: Instant,
}

#[derive(Default)]
struct Asked {
    /// Not looked for yet.
    names: BTreeSet<String>,
    /// When the last attempt began.
    attempted: Option<Instant>,
}

/// A reading that has begun. One that fails is dropped: the next token of an unknown key names it again.
pub struct Attempt {
    names: BTreeSet<String>,
    at: Instant,
}

impl Keys {
    /// No keys yet.
    pub fn new(keeper: Port<FetchKeys>) -> Self {
        let is_told = AtomicBool::new(false);
        Self { reading: ArcSwapOption::empty(), asked: Mutex::default(), is_told, keeper }
    }

    /// The keys, if they are young enough.
    pub fn younger_than(&self, max_age: Duration) -> Option<Arc<Reading>> {
        self.reading.load_full().filter(|reading| reading.at.elapsed() <= max_age && !reading.set.is_empty())
    }

    /// The keys, however old.
    pub fn last(&self) -> Option<Arc<Reading>> {
        self.reading.load_full()
    }

    /// Has the keeper read again, for a key of this name. One message at most is under way.
    pub fn look_for(&self, name: &str) {
        let mut asked = self.lock();
        if asked.names.len() < MOST_NAMES {
            asked.names.insert(name.to_owned());
        }
        drop(asked);
        if !self.is_told.swap(true, Ordering::AcqRel) && self.keeper.tell(FetchKeys).is_err() {
            // It is being restarted; the next token tells it.
            self.is_told.store(false, Ordering::Release);
        }
    }

    /// When the last attempt began, if there was one.
    pub fn attempted(&self) -> Option<Instant> {
        self.lock().attempted
    }

    /// The keeper begins to read.
    pub fn begin(&self) -> Attempt {
        self.is_told.store(false, Ordering::Release);
        let mut asked = self.lock();
        let at = Instant::now();
        asked.attempted = Some(at);
        Attempt { names: std::mem::take(&mut asked.names), at }
    }

    /// The keeper has read these: who was looked for before it began and is not there is absent.
    pub fn take(&self, attempt: Attempt, set: KeySet) {
        let before = self.last();
        let known = before.iter().flat_map(|reading| &reading.absent).cloned();
        let absent = attempt.names.into_iter().chain(known).filter(|name| !set.has(name));
        let absent = absent.take(MOST_NAMES).collect();
        self.reading.store(Some(Arc::new(Reading { set, absent, at: attempt.at })));
    }

    /// Whether somebody is looked for.
    pub fn is_wanted(&self) -> bool {
        self.is_told.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    /// How long ago it was asked for.
    pub fn age(&self) -> Duration {
        self.at.elapsed()
    }
}
