//! One session of the publisher with all that waits for its word.
//! Does not decide which session is used for what.

use std::sync::Arc;

use ahash::AHashMap;
use tillstream_messages::PublishError;

use crate::access::Access;
use crate::ffi::{Failure, Sent, Session, UnfitMessage};
use crate::publisher::parcel::{Owed, Parcel};
use crate::publisher::probe::probe;

/// A session and the publishes that it carries.
pub struct Link {
    /// Tells its events from those of others.
    pub id: u64,
    /// As whom it logged in.
    pub access: Arc<Access>,
    session: Session,
    window: usize,
    waiting: AHashMap<u64, Owed>,
    probe: Option<u64>,
}

/// What became of a parcel.
pub enum Handed {
    /// It is on its way.
    Taken,
    /// There is no room; here it is again.
    Back(Parcel),
    /// It cannot be built.
    Unfit(Owed, UnfitMessage),
    /// It cannot be sent.
    Failed(Owed, Failure),
}

/// What a word of the broker is about.
pub enum Subject {
    /// A publish.
    Publish(Owed),
    /// The session's own probe.
    Probe,
}

// === impl Link ===

impl Link {
    /// A session that carries nothing yet.
    pub fn new(id: u64, access: Arc<Access>, session: Session, window: usize) -> Self {
        Self { id, access, session, window, waiting: AHashMap::with_capacity(window), probe: None }
    }

    /// Sends the probe; the broker's word about it comes as any other.
    pub fn send_probe(&mut self, topic: &str, tag: u64) -> Result<(), Failure> {
        let message = probe(topic, tag).map_err(|reason| Failure::of(0, &reason.to_string()))?;
        match self.session.send(&message)? {
            Sent::Taken => self.probe = Some(tag),
            Sent::NoRoom => return Err(Failure::of(0, "the broker grants no window for publishes")),
        }
        Ok(())
    }

    /// Sends a parcel if there is room.
    pub fn hand(&mut self, mut parcel: Parcel) -> Handed {
        if self.waiting.len() >= self.window {
            return Handed::Back(parcel);
        }
        let sent = match parcel.message() {
            Ok(message) => self.session.send(message),
            Err(reason) => return Handed::Unfit(parcel.owed, reason),
        };
        match sent {
            Ok(Sent::NoRoom) => return Handed::Back(parcel),
            Err(failure) => return Handed::Failed(parcel.owed, failure),
            Ok(Sent::Taken) => self.waiting.insert(parcel.tag, parcel.owed),
        };
        Handed::Taken
    }

    /// Who waits for the word about this tag; nobody does twice.
    pub fn settle(&mut self, tag: u64) -> Option<Subject> {
        if self.probe == Some(tag) {
            self.probe = None;
            return Some(Subject::Probe);
        }
        self.waiting.remove(&tag).map(Subject::Publish)
    }

    /// Whether nobody waits.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether it can be trusted no more to tell everything.
    pub fn is_poisoned(&self) -> bool {
        self.session.is_poisoned()
    }

    /// Ends it; who waits does not know whether the broker has the message, and sends it again.
    pub fn give_up(self, reason: &str) {
        for owed in self.waiting.into_values() {
            owed.refuse(|_| PublishError::Down(reason.to_owned()));
        }
    }
}
