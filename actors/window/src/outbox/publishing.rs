//! Which events wait for their publication, which are under way, and when a failed one is tried again.
//! Does not publish and reads no clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use tillstream_domain::{FinalWindow, SaleTag};
use tillstream_messages::TraceContext;
use tillstream_traces::Step;
use uuid::Uuid;

use crate::state::{PendingEvent, PendingKey};

/// Publishes under way at once; more wait, so that an outage of the broker costs no storm afterwards.
const MAX_IN_FLIGHT: usize = 256;

const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// The events to be published.
#[derive(Debug, Default)]
pub(crate) struct Publishing {
    events: AHashMap<PendingKey, Waiting>,
    queue: VecDeque<PendingKey>,
    in_flight: usize,
}

/// An event whose turn it is.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) key: PendingKey,
    pub(crate) event: PendingEvent,
    /// What it hangs below; none for whatever was read from disk.
    pub(crate) trace: Option<TraceContext>,
}

#[derive(Debug)]
struct Waiting {
    event: PendingEvent,
    /// To be settled when it is published.
    tags: Vec<SaleTag>,
    /// The decision behind it, if it is a final window's.
    window: Option<Arc<FinalWindow>>,
    /// The emission's; ends when it is published, or when a newer event takes its place.
    step: Step,
    attempts: u32,
    under_way: bool,
}

impl Publishing {
    /// Adds an event, or puts a newer one of the same window in its place.
    pub(crate) fn add(
        &mut self,
        key: PendingKey,
        event: PendingEvent,
        tags: Vec<SaleTag>,
        window: Option<Arc<FinalWindow>>,
        step: Step,
    ) {
        if let Some(waiting) = self.events.get_mut(&key) {
            waiting.event = event;
            waiting.window = window;
            waiting.step = step;
            return waiting.tags.extend(tags);
        }
        self.queue.push_back(key.clone());
        self.events.insert(key, Waiting { event, tags, window, step, attempts: 0, under_way: false });
    }

    /// Settles these deliveries too when the event is published; `false` when it is not waiting any more.
    pub(crate) fn attach(&mut self, key: &PendingKey, tag: SaleTag) -> bool {
        let Some(waiting) = self.events.get_mut(key) else { return false };
        if !waiting.tags.contains(&tag) {
            waiting.tags.push(tag);
        }
        true
    }

    /// Whether this very decision is stored and being published.
    pub(crate) fn holds(&self, key: &PendingKey, decision: u64) -> bool {
        let window = self.events.get(key).and_then(|waiting| waiting.window.as_ref());
        window.is_some_and(|window| window.decision == decision)
    }

    pub(crate) fn contains(&self, key: &PendingKey) -> bool {
        self.events.contains_key(key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The next event to be published, while there is room.
    pub(crate) fn next(&mut self) -> Option<Next> {
        if self.in_flight >= MAX_IN_FLIGHT {
            return None;
        }
        let key = self.queue.pop_front()?;
        let waiting = self.events.get_mut(&key)?;
        waiting.under_way = true;
        self.in_flight += 1;
        let (event, mut trace) = (waiting.event.clone(), waiting.step.context().cloned());
        if let PendingEvent::Message(message) = &event {
            trace.clone_from(&message.trace);
        }
        Some(Next { key, event, trace })
    }

    /// The broker has this event. Returns what to settle, or `None` where a newer event has taken its place meanwhile.
    pub(crate) fn published(&mut self, key: &PendingKey, id: Uuid) -> Option<Vec<SaleTag>> {
        self.in_flight -= 1;
        let waiting = self.events.get_mut(key)?;
        waiting.under_way = false;
        if event_id(&waiting.event) != id {
            waiting.attempts = 0;
            self.queue.push_back(key.clone());
            return None;
        }
        self.events.remove(key).map(|waiting| waiting.tags)
    }

    /// The broker may not have it. Returns when to call [`Self::retry`].
    pub(crate) fn failed(&mut self, key: &PendingKey) -> Duration {
        self.in_flight -= 1;
        let Some(waiting) = self.events.get_mut(key) else { return LAST_RETRY };
        waiting.under_way = false;
        waiting.attempts += 1;
        FIRST_RETRY.saturating_mul(1 << (waiting.attempts - 1).min(10)).min(LAST_RETRY)
    }

    /// The same, where the event itself is at fault.
    pub(crate) fn refused(&mut self, key: &PendingKey) {
        if let Some(waiting) = self.events.get_mut(key) {
            waiting.step.fail("invalid");
        }
        self.failed(key);
    }

    /// Puts a failed event back in line.
    pub(crate) fn retry(&mut self, key: PendingKey) {
        if self.events.get(&key).is_some_and(|waiting| !waiting.under_way) {
            self.queue.push_back(key);
        }
    }
}

/// The id under which consumers know the event.
pub(crate) const fn event_id(event: &PendingEvent) -> Uuid {
    match event {
        PendingEvent::Aggregate(event) => event.event_id,
        PendingEvent::Message(message) => message.message_id,
    }
}
