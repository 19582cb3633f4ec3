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

const NONE: u8 = 0;
const PANIC: u8 = 1;
const PANIC_AFTER: u8 = 2;
const STOP: u8 = 3;
const HANG: u8 = 4;
const BLOCK: u8 = 5;

/// At most one armed fault; arming another replaces it.
#[derive(Default)]
pub(crate) struct FaultSwitch {
    armed: AtomicU8,
    block_ms: AtomicU64,
    /// Changed together with `armed`. The last one is the armed one; those before it have fired and are not over.
    records: Mutex<Vec<Arc<FaultRecord>>>,
}

impl FaultSwitch {
    pub(crate) fn arm(&self, fault: Fault) -> Arc<FaultRecord> {
        let record = Arc::new(FaultRecord::default());
        let mut records = lock(&self.records);
        let replaced = records.pop_if(|last| !last.facts().has_fired());
        if let Fault::Block(time) = fault {
            let whole = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            self.block_ms.store(whole, Ordering::Relaxed);
        }
        records.push(Arc::clone(&record));
        self.armed.store(code(fault), Ordering::Release);
        drop(records);
        if let Some(replaced) = replaced {
            replaced.note(|facts| facts.withdrawn = true);
        }
        record
    }

    /// Takes an armed fault back. It may have fired meanwhile; the record says so.
    pub(crate) fn disarm(&self, record: &Arc<FaultRecord>) {
        let mut records = lock(&self.records);
        if records.pop_if(|last| Arc::ptr_eq(last, record) && !last.facts().has_fired()).is_some() {
            self.armed.store(NONE, Ordering::Relaxed);
        }
    }

    /// The fault that is due before a message or while idle. One relaxed load when nothing is armed.
    pub(crate) fn take_before(&self, generation: &AtomicU64) -> Option<Fault> {
        let armed = self.armed.load(Ordering::Relaxed);
        if armed == NONE || armed == PANIC_AFTER {
            return None;
        }
        self.take(|armed| armed != PANIC_AFTER, generation)
    }

    /// Whether to panic now that a handler has run.
    pub(crate) fn take_after(&self, generation: &AtomicU64) -> bool {
        if self.armed.load(Ordering::Relaxed) != PANIC_AFTER {
            return false;
        }
        self.take(|armed| armed == PANIC_AFTER, generation).is_some()
    }

    fn take(&self, due: impl FnOnce(u8) -> bool, generation: &AtomicU64) -> Option<Fault> {
        let records = lock(&self.records);
        let armed = self.armed.load(Ordering::Acquire);
        if armed == NONE || !due(armed) {
            return None; // Taken back or replaced since the caller looked.
        }
        self.armed.store(NONE, Ordering::Relaxed);
        if let Some(record) = records.last() {
            let fired = (Instant::now(), generation.load(Ordering::Relaxed));
            record.note(|facts| facts.fired = Some(fired));
        }
        self.fault(armed)
    }

    fn fault(&self, code: u8) -> Option<Fault> {
        match code {
            PANIC => Some(Fault::Panic),
            PANIC_AFTER => Some(Fault::PanicAfter),
            STOP => Some(Fault::Stop),
            HANG => Some(Fault::Hang),
            BLOCK => Some(Fault::Block(Duration::from_millis(self.block_ms.load(Ordering::Relaxed)))),
            _ => None,
        }
    }

    /// The supervisor or the watchdog knows of the failure. Whoever comes first counts.
    pub(crate) fn detected(&self) {
        let now = Instant::now();
        for record in lock(&self.records).iter().filter(|record| record.facts().has_fired()) {
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
        for record in lock(&self.records).drain(..) {
            record.note(|facts| facts.gone = true);
        }
        self.armed.store(NONE, Ordering::Relaxed);
    }

    fn close(&self, generation: u64, is_over: impl Fn(u64, bool) -> bool) {
        let mut records = lock(&self.records);
        if records.is_empty() {
            return;
        }
        let now = Instant::now();
        records.retain(|record| {
            let facts = record.facts();
            let over = facts.fired.is_some_and(|(_, fired)| is_over(fired, facts.detected.is_some()));
            if over {
                record.note(|facts| facts.recovered = Some((now, generation)));
            }
            !over
        });
    }
}

fn code(fault: Fault) -> u8 {
    match fault {
        Fault::Panic => PANIC,
        Fault::PanicAfter => PANIC_AFTER,
        Fault::Stop => STOP,
        Fault::Hang => HANG,
        Fault::Block(_) => BLOCK,
    }
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
