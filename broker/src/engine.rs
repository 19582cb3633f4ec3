//! The thread that owns the storage: it takes everything that waits, writes it in one transaction, and only when that
//! is synced answers the publishers and hands the messages to the queues. Does not decide what a failure means for
//! later; `upkeep` does.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::disk::Disk;
use crate::group::{Answer, Draft, Group, Pledge, Stamp};
use crate::inbox::{Found, Waiting};
use crate::metrics;
use crate::shared::Shared;
use crate::store::{Store, StoreError};
use crate::upkeep::{Health, SMALL_FILE_BYTES};

/// How long acknowledgements may wait for a commit to ride on before they get one of their own.
const ACKNOWLEDGEMENT_DELAY: Duration = Duration::from_millis(25);

/// Chunks that one commit deletes, and from which it moves a queue's dead. A window that has become final acknowledges its
/// sales all at once, a consumer may discard as many, and publishers must not wait until thousands of chunks are gone, nor
/// memory hold them; what is left over goes with the next commits, and a clean end leaves nothing.
const CHUNKS_PER_COMMIT: usize = 64;

/// Bodies that are read at once for a consumer that lags.
const READ_AHEAD_CHUNKS: usize = 32;
const READ_AHEAD_BYTES: u64 = 4 * 1024 * 1024;

/// Why nothing can be published any more; readiness shows it.
const CLOSED: &str = "the broker is closed";
const DIED: &str = "the broker's engine died of a panic, see the log and restart the process";

/// The storage and everything that only its thread touches.
pub(crate) struct Engine {
    pub(crate) shared: Arc<Shared>,
    pub(crate) disk: Arc<dyn Disk>,
    /// `None` while it is broken.
    pub(crate) store: Option<Store>,
    pub(crate) health: Health,
    /// The number of the newest commit that has landed.
    pub(crate) sequence: u64,
    pub(crate) next_upkeep: Instant,
    pub(crate) last_publish: Instant,
    /// Only a file longer than this is compacted.
    pub(crate) compact_above: u64,
    /// When acknowledgements that wait get a commit of their own.
    acknowledge_by: Option<Instant>,
    /// Answers that a fault swallows: whoever still waits when it ends hears only that.
    swallowed: Vec<Answer>,
    withheld_until: Option<Instant>,
}

/// Tells everybody when the engine ends, whichever way.
struct Departing(Arc<Shared>);

// === impl Engine ===

impl Engine {
    /// Begins as if space were short: the first upkeep makes the reserve, or says why messages are refused.
    pub(crate) fn new(shared: Arc<Shared>, disk: Arc<dyn Disk>, store: Store, sequence: u64) -> Self {
        metrics::register();
        let now = Instant::now();
        Self {
            shared,
            disk,
            store: Some(store),
            health: Health::Full,
            sequence,
            next_upkeep: now,
            last_publish: now,
            compact_above: SMALL_FILE_BYTES,
            acknowledge_by: None,
            swallowed: Vec::new(),
            withheld_until: None,
        }
    }

    /// Runs until the broker closes.
    pub(crate) fn run(mut self) {
        let departing = Departing(Arc::clone(&self.shared));
        loop {
            let found = self.shared.inbox.wait(self.deadline());
            let closing = found.closing;
            self.turn(found);
            if closing {
                break;
            }
        }
        self.flush();
        drop(self);
        drop(departing);
    }

    fn turn(&mut self, found: Found) {
        self.withheld_until = found.withheld_until;
        let round = Pledge(found.round);
        self.keep_up();
        self.read_for_laggards();
        let now = Instant::now();
        if self.shared.dirty.load(Ordering::Acquire) && self.acknowledge_by.is_none() {
            self.acknowledge_by = Some(now + ACKNOWLEDGEMENT_DELAY);
        }
        let acknowledgements_due = self.acknowledge_by.is_some_and(|due| due <= now);
        if !found.messages.is_empty() || acknowledgements_due {
            self.commit(found.messages, round, false);
        }
        self.release_answers();
    }

    fn deadline(&self) -> Instant {
        let held = self.withheld_until.filter(|_| !self.swallowed.is_empty());
        [self.acknowledge_by, held].into_iter().flatten().fold(self.next_upkeep, Instant::min)
    }

    /// One group: collected, written, synced, and only then told to anybody.
    fn commit(&mut self, messages: Vec<Waiting>, round: Pledge, clean: bool) {
        if !messages.is_empty() {
            self.last_publish = Instant::now();
            if let Some(reason) = self.refusal() {
                return round.refuse(&reason);
            }
        }
        self.shared.dirty.store(false, Ordering::Release);
        self.acknowledge_by = None;
        let Some(store) = &self.store else {
            // What consumers did stays in memory until the storage is back.
            return self.shared.dirty.store(true, Ordering::Release);
        };
        let stamp = Stamp { sequence: self.sequence + 1, now_ms: self.shared.clock.now_ms(), clean };
        let group = match prepare(&self.shared, store, messages, round, stamp) {
            Ok(group) => group,
            Err(error) => return self.storage_failed(&error, None),
        };
        let began = Instant::now();
        match store.commit(&group) {
            Ok(()) => {
                metrics::committed(began.elapsed(), group.messages());
                self.landed(group);
            }
            Err(error) => self.storage_failed(&error, Some(group)),
        }
    }

    fn landed(&mut self, mut group: Group) {
        self.sequence = group.sequence;
        let (wakers, goes_on) = {
            let mut state = self.shared.state();
            (group.land(&mut state), state.has_leftovers())
        };
        if goes_on {
            self.shared.dirty.store(true, Ordering::Release);
            // Nobody rings for what is known to be dirty.
            self.acknowledge_by = Some(Instant::now() + ACKNOWLEDGEMENT_DELAY);
        }
        let answer = group.into_answer();
        match self.withheld_until {
            Some(until) if Instant::now() < until => self.swallowed.push(answer),
            _ => answer.send(),
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    fn release_answers(&mut self) {
        if self.withheld_until.is_none_or(|until| until <= Instant::now()) {
            self.swallowed.drain(..).for_each(Answer::lose);
        }
    }

    /// Reads bodies for consumers that wait for messages which are no longer in memory.
    fn read_for_laggards(&mut self) {
        let lagging = std::mem::take(&mut self.shared.state().lagging);
        for queue in lagging {
            let Some(store) = &self.store else {
                self.shared.state().lagging.push(queue);
                continue;
            };
            let wanted = wanted_bodies(&self.shared, queue);
            match wanted.into_iter().map(|chunk| Ok((chunk, store.body(chunk)?))).collect() {
                Ok(bodies) => self.hand_over(queue, bodies),
                Err(error) => {
                    self.shared.state().lagging.push(queue);
                    self.storage_failed(&error, None);
                }
            }
        }
    }

    fn hand_over(&self, queue: u16, bodies: Vec<(u64, Bytes)>) {
        let waker = {
            let mut state = self.shared.state();
            let queue = &mut state.queues[queue as usize];
            queue.ahead = bodies;
            queue.take_waker()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// The last commit: what consumers did, and that it was all.
    fn flush(&mut self) {
        self.withheld_until = None;
        self.release_answers();
        self.commit(Vec::new(), Pledge(Arc::default()), true);
    }
}

/// Collects a group; only messages that leave for a dead-message queue may have to be read for it.
fn prepare(
    shared: &Shared,
    store: &Store,
    mut messages: Vec<Waiting>,
    round: Pledge,
    stamp: Stamp,
) -> Result<Group, StoreError> {
    let most = if stamp.clean { usize::MAX } else { CHUNKS_PER_COMMIT };
    let mut draft = Draft::collect(&mut shared.state(), &mut messages, most);
    for moved in draft.moved.iter_mut().filter(|moved| moved.body.is_none()) {
        match store.body(moved.chunk) {
            Ok(body) => moved.body = Some(body),
            Err(error) => {
                draft.abandon(&mut shared.state());
                round.refuse(&error.to_string());
                return Err(error);
            }
        }
    }
    Ok(draft.pack(shared, messages, round, stamp))
}

/// The next bodies that a lagging queue's consumer will need, as many as are read at once.
fn wanted_bodies(shared: &Shared, queue: u16) -> Vec<u64> {
    let mut state = shared.state();
    let state = &mut *state;
    let queue = &mut state.queues[queue as usize];
    let Some(first) = queue.first_open().map(|part| part.chunk) else { return Vec::new() };
    let start = queue.parts.partition_point(|part| part.chunk < first);
    let mut wanted = Vec::new();
    let mut bytes = 0;
    for part in queue.parts.range(start..).filter(|part| part.open != 0) {
        let Some(chunk) = state.chunks.live.get(&part.chunk) else { continue };
        if state.chunks.bodies.get(part.chunk).is_some() {
            break;
        }
        wanted.push(part.chunk);
        bytes += chunk.body_len();
        if wanted.len() == READ_AHEAD_CHUNKS || bytes >= READ_AHEAD_BYTES {
            break;
        }
    }
    wanted
}

// === impl Departing ===

impl Drop for Departing {
    fn drop(&mut self) {
        self.0.inbox.turn_away(if std::thread::panicking() { DIED } else { CLOSED });
        let wakers = self.0.state().close();
        wakers.into_iter().for_each(Waker::wake);
        self.0.announce_departure();
    }
}
