//! The actor of the model tests, and the page on which it notes what no incarnation may forget.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, Handler, Message};
use tillstream_supervision::{AskError, SupervisedContext, supervised};
use tokio::time::Instant;

/// Number `1` of a sender's notes to one clerk is followed by its number `2`.
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[rtype(result = "u64")]
pub struct Note {
    pub sender: u64,
    pub number: u64,
}

#[derive(Debug, Default)]
pub struct Facts {
    live: u32,
    built: Vec<Instant>,
    /// By the incarnation that lives.
    taken: Vec<Note>,
    /// By all of them, with how often.
    ever: HashMap<Note, u32>,
    /// The last one before an incarnation ended.
    in_hand: HashSet<Note>,
    newest: HashMap<u64, u64>,
    /// Panics in `started()` as long as this is set.
    pub broken: bool,
    /// What must never happen and did; a panic would only be taken for a failure of the actor.
    violations: Vec<String>,
}

/// What is known of one clerk over all of its incarnations.
#[derive(Debug, Clone, Default)]
pub struct Page(Arc<Mutex<Facts>>);

impl Page {
    pub fn with<R>(&self, look: impl FnOnce(&mut Facts) -> R) -> R {
        look(&mut self.0.lock().expect("nobody panics with it"))
    }

    /// The next incarnation.
    pub fn clerk(&self) -> Clerk {
        self.with(|facts| {
            if facts.live > 0 {
                facts.violations.push("built before the last incarnation was dropped".to_owned());
            }
            facts.live += 1;
            facts.built.push(Instant::now());
            facts.taken.clear();
        });
        Clerk { page: self.clone(), count: 0 }
    }

    /// Whether that answer can be true.
    pub fn check(&self, note: Note, answer: Result<u64, AskError>) {
        self.with(|facts| {
            let times = facts.ever.get(&note).copied().unwrap_or_default();
            let allowed = match answer {
                Ok(_) => times == 1,
                Err(AskError::Lost) => times == 1 && facts.in_hand.contains(&note),
                Err(AskError::Full | AskError::NotDelivered) => times == 0,
                // Removed, or the time was up, with the note in the mailbox or in hand.
                Err(AskError::Terminated | AskError::Timeout) => times <= 1,
            };
            assert!(allowed, "{note:?} was taken {times} times and answered with {answer:?}");
        });
    }

    pub fn builds_since(&self, start: Instant) -> usize {
        self.with(|facts| facts.built.iter().filter(|built| **built >= start).count())
    }

    pub fn is_alive(&self) -> bool {
        self.with(|facts| facts.live > 0)
    }

    pub fn violations(&self) -> Vec<String> {
        self.with(|facts| facts.violations.clone())
    }
}

/// Counts the notes it is given.
pub struct Clerk {
    page: Page,
    count: u64,
}

supervised!(Clerk);
impl Actor for Clerk {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        assert!(!self.page.with(|facts| facts.broken), "no disk");
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        self.page.with(|facts| {
            facts.live -= 1;
            facts.in_hand.extend(facts.taken.last().copied());
        });
    }
}

impl Handler<Note> for Clerk {
    type Result = u64;
    fn handle(&mut self, note: Note, _: &mut Self::Context) -> u64 {
        self.count += 1;
        let count = self.count;
        self.page.with(|facts| {
            facts.taken.push(note);
            *facts.ever.entry(note).or_default() += 1;
            let newest = facts.newest.insert(note.sender, note.number);
            if newest.is_some_and(|newest| newest >= note.number) {
                facts.violations.push(format!("{note:?} after number {newest:?}"));
            }
            if facts.taken.len() as u64 != count {
                facts.violations.push(format!("{count} counted, {} taken", facts.taken.len()));
            }
        });
        count
    }
}

/// How long the asks of one sender wait.
pub fn patience(sender: u64) -> Duration {
    Duration::from_millis(if sender.is_multiple_of(3) { 500 } else { 20_000 })
}
