//! Where publishes wait for the engine, and how it is woken.
//! Does not store anything; what is here is not promised to anybody yet.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::errors::PublishError;
use crate::message::OutboundMessage;
use crate::round::{Outcome, Publishing, Round};
use crate::settings::BrokerSettings;
use crate::shared::lock;
use crate::topic::Route;

/// A message whose publisher waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) message: OutboundMessage,
    pub(crate) route: Route,
}

/// Publishes on their way to the engine.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Contents>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Contents {
    messages: Vec<Waiting>,
    bytes: usize,
    round: Arc<Round>,
    /// Why nothing can be stored at present.
    trouble: Option<String>,
    closing: bool,
    /// Something else than a message wants the engine.
    rung: bool,
    stalled_until: Option<Instant>,
    withheld_until: Option<Instant>,
}

/// What the engine finds when it wakes.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) messages: Vec<Waiting>,
    pub(crate) round: Arc<Round>,
    pub(crate) closing: bool,
    /// Answers are held back until then.
    pub(crate) withheld_until: Option<Instant>,
}

// === impl Inbox ===

impl Inbox {
    /// Lets a message join the next round.
    pub(crate) fn join(&self, waiting: Waiting, settings: &BrokerSettings) -> Publishing {
        let bytes = waiting.message.len();
        let mut contents = lock(&self.waiting);
        if let Some(error) = contents.refusal(bytes, settings) {
            return Publishing::refused(error);
        }
        let place = contents.messages.len();
        contents.messages.push(waiting);
        contents.bytes += bytes;
        let round = Arc::clone(&contents.round);
        drop(contents);
        if place == 0 {
            self.bell.notify_one();
        }
        Publishing::waiting(round, place as u32)
    }

    /// Wakes the engine for something else than a message.
    pub(crate) fn ring(&self) {
        lock(&self.waiting).rung = true;
        self.bell.notify_one();
    }

    /// Waits until there is something to do, at most until the deadline, and takes all of it.
    pub(crate) fn wait(&self, deadline: Instant) -> Found {
        let mut contents = lock(&self.waiting);
        while let Some(timeout) = contents.nap(deadline) {
            let (woken, _) = self.bell.wait_timeout(contents, timeout).unwrap_or_else(|poisoned| poisoned.into_inner());
            contents = woken;
        }
        contents.rung = false;
        contents.bytes = 0;
        Found {
            messages: std::mem::take(&mut contents.messages),
            round: std::mem::take(&mut contents.round),
            closing: contents.closing,
            withheld_until: contents.withheld_until,
        }
    }

    /// From now on every publish is refused with this reason, also those that wait already.
    pub(crate) fn set_trouble(&self, reason: &str) {
        let mut contents = lock(&self.waiting);
        contents.trouble = Some(reason.to_owned());
        contents.bytes = 0;
        contents.messages.clear();
        let round = std::mem::take(&mut contents.round);
        drop(contents);
        round.finish(Outcome::all(Err(PublishError::Storage(reason.to_owned()))));
    }

    /// The engine is gone, for this reason: nobody will answer those that still wait.
    pub(crate) fn turn_away(&self, reason: &str) {
        let round = {
            let mut contents = lock(&self.waiting);
            contents.closing = true;
            contents.trouble = Some(reason.to_owned());
            contents.messages.clear();
            std::mem::take(&mut contents.round)
        };
        round.finish(Outcome::all(Err(PublishError::Closed)));
    }

    pub(crate) fn clear_trouble(&self) {
        lock(&self.waiting).trouble = None;
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        lock(&self.waiting).trouble.clone()
    }

    pub(crate) fn stall(&self, duration: Duration) {
        lock(&self.waiting).stalled_until = Some(Instant::now() + duration);
        self.bell.notify_one();
    }

    pub(crate) fn withhold(&self, duration: Duration) {
        lock(&self.waiting).withheld_until = Some(Instant::now() + duration);
    }

    /// No publish is taken any more; those that wait are still stored.
    pub(crate) fn close(&self) {
        lock(&self.waiting).closing = true;
        self.bell.notify_one();
    }
}

// === impl Contents ===

impl Contents {
    fn refusal(&self, bytes: usize, settings: &BrokerSettings) -> Option<PublishError> {
        if self.closing {
            return Some(PublishError::Closed);
        }
        if let Some(reason) = &self.trouble {
            return Some(PublishError::Storage(reason.clone()));
        }
        let full = self.messages.len() >= settings.max_waiting_messages
            || self.bytes.saturating_add(bytes) > settings.max_waiting_bytes;
        full.then_some(PublishError::Overloaded)
    }

    /// How long the engine may sleep; `None` when there is something to do.
    fn nap(&mut self, deadline: Instant) -> Option<Duration> {
        if self.closing {
            return None;
        }
        let now = Instant::now();
        if let Some(until) = self.stalled_until {
            if now < until {
                return Some(until - now);
            }
            self.stalled_until = None;
        }
        let busy = self.rung || !self.messages.is_empty() || now >= deadline;
        (!busy).then(|| deadline - now)
    }
}
