//! The switch in every actor and supervisor that makes it fail on purpose, and the record of what came of it.
//! Does not decide who may use it; that is up to whoever exposes `Supervisor::inject`.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::shared::lock;

/// A failure to be caused. In a supervisor it strikes the loop that looks after the children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Panics at once, before the next message; also while idle.
    Panic,
    /// Panics with the next message, after its handler ran and before the reply: the worst place. A supervisor panics
    /// right after the next event or order was carried out.
    PanicAfter,
    /// Stops politely at once. A supervisor halts its children first.
    Stop,
    /// Waits at once for a future that never ends; the thread stays free.
    Hang,
    /// Really blocks the thread at once, and with it everybody there.
    Block(Duration),
}

/// When an armed fault strikes, as the hint in front of the lock says it.
const NEVER: u8 = 0;
const BEFORE: u8 = 1;
const AFTER: u8 = 2;

/// At most one armed fault; arming another replaces it.
#[derive(Default)]
pub(crate) struct FaultSwitch {
    /// Written together with `armed`, so that a message costs one load while nothing is armed.
    due: AtomicU8,
    armed: Mutex<Armed>,
}

#[derive(Default)]
struct Armed {
    fault: Option<Fault>,
    /// The last one is of the armed fault; those before it have fired and are not over.
    records: Vec<Arc<FaultRecord>>,
}

impl FaultSwitch {
    pub(crate) fn arm(&self, fault: Fault) -> Arc<FaultRecord> {
        let record = Arc::new(FaultRecord::default());
        let mut armed = lock(&self.armed);
        let replaced = armed.records.pop_if(|last| !last.facts().has_fired());
        armed.records.push(Arc::clone(&record));
        armed.fault = Some(fault);
        self.due.store(due(fault), Ordering::Release);
        drop(armed);
        if let Some(replaced) = replaced {
            replaced.note(|facts| facts.withdrawn = true);
        }
        record
    }

    /// Takes an armed fault back. It may have fired meanwhile; the record says so.
    pub(crate) fn disarm(&self, record: &Arc<FaultRecord>) {
        let mut armed = lock(&self.armed);
        if armed.records.pop_if(|last| Arc::ptr_eq(last, record) && !last.facts().has_fired()).is_some() {
            armed.fault = None;
            self.due.store(NEVER, Ordering::Relaxed);
        }
    }

    /// The fault that is due before a message or while idle. One relaxed load when nothing is armed.
    pub(crate) fn take_before(&self, generation: &AtomicU64) -> Option<Fault> {
        self.take(BEFORE, generation)
    }

    /// Whether to panic now that a handler has run.
    pub(crate) fn take_after(&self, generation: &AtomicU64) -> bool {
        self.take(AFTER, generation).is_some()
    }

    fn take(&self, moment: u8, generation: &AtomicU64) -> Option<Fault> {
        if self.due.load(Ordering::Relaxed) != moment {
            return None;
        }
        let mut armed = lock(&self.armed);
        // None when it was taken back or replaced since the hint was read.
        let fault = armed.fault.take_if(|fault| due(*fault) == moment)?;
        self.due.store(NEVER, Ordering::Relaxed);
        if let Some(record) = armed.records.last() {
            let fired = (Instant::now(), generation.load(Ordering::Relaxed));
            record.note(|facts| facts.fired = Some(fired));
        }
        Some(fault)
    }

    /// The supervisor or the watchdog knows of the failure. Whoever comes first counts.
    pub(crate) fn detected(&self) {
        let now = Instant::now();
        for record in lock(&self.armed).records.iter().filter(|record| record.facts().has_fired()) {
            record.note(|facts| _ = facts.detected.get_or_insert(now));
        }
    }

    /// An incarnation serves: whatever fired in an earlier one is over.
    pub(crate) fn recovered(&self, generation: u64) {
        self.close(generation, |fired, _| fired < generation);
    }

    /// The thread that a fault of this generation had blocked goes on before anybody gave it up.
    pub(crate) fn passed(&self, generation: u64) {
        self.close(generation, |fired, detected| fired == generation && !detected);
    }

    /// The one that should fail was removed for good.
    pub(crate) fn gone(&self) {
        let mut armed = lock(&self.armed);
        for record in armed.records.drain(..) {
            record.note(|facts| facts.gone = true);
        }
        armed.fault = None;
        self.due.store(NEVER, Ordering::Relaxed);
    }

    fn close(&self, generation: u64, is_over: impl Fn(u64, bool) -> bool) {
        let mut armed = lock(&self.armed);
        if armed.records.is_empty() {
            return;
        }
        let now = Instant::now();
        armed.records.retain(|record| {
            let facts = record.facts();
            let over = facts.fired.is_some_and(|(_, fired)| is_over(fired, facts.detected.is_some()));
            if over {
                record.note(|facts| facts.recovered = Some((now, generation)));
            }
            !over
        });
    }
}

fn due(fault: Fault) -> u8 {
    if fault == Fault::PanicAfter { AFTER } else { BEFORE }
}

/// What became of one injected fault: written where it happens, read by its injection.
#[derive(Debug, Default)]
pub(crate) struct FaultRecord {
    facts: Mutex<Facts>,
    changed: Notify,
}

/// Moments, each with the generation that it belongs to where that matters.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    pub(crate) fired: Option<(Instant, u64)>,
    pub(crate) detected: Option<Instant>,
    pub(crate) recovered: Option<(Instant, u64)>,
    /// Removed for good.
    pub(crate) gone: bool,
    /// Replaced before it fired.
    pub(crate) withdrawn: bool,
}

impl Facts {
    pub(crate) fn has_fired(&self) -> bool {
        self.fired.is_some()
    }

    fn is_final(&self) -> bool {
        self.recovered.is_some() || self.gone || self.withdrawn
    }
}

impl FaultRecord {
    pub(crate) fn facts(&self) -> Facts {
        *lock(&self.facts)
    }

    /// Waits until it has struck, or can no longer.
    pub(crate) async fn fired(&self) {
        self.until(|facts| facts.has_fired() || facts.is_final()).await;
    }

    /// Waits until nothing more can come.
    pub(crate) async fn settled(&self) {
        self.until(|facts| facts.is_final()).await;
    }

    async fn until(&self, is_so: impl Fn(&Facts) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if is_so(&self.facts()) {
                return;
            }
            changed.await;
        }
    }

    fn note(&self, fact: impl FnOnce(&mut Facts)) {
        fact(&mut lock(&self.facts));
        self.changed.notify_waiters();
    }
}
