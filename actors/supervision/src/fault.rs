//! The switch in every context that makes its actor fail on purpose.
//! Does not decide who may use it; that is up to whoever exposes `Supervisor::inject`.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// A failure to be caused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Panics at once, before the next message; also while idle.
    Panic,
    /// Panics with the next message, after its handler ran and before the reply: the worst place.
    PanicAfter,
    /// Stops politely at once.
    Stop,
    /// Waits at once for a future that never ends; the thread stays free.
    Hang,
    /// Really blocks the thread at once, and with it every actor there.
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
}

impl FaultSwitch {
    pub(crate) fn arm(&self, fault: Fault) {
        let code = match fault {
            Fault::Panic => PANIC,
            Fault::PanicAfter => PANIC_AFTER,
            Fault::Stop => STOP,
            Fault::Hang => HANG,
            Fault::Block(time) => {
                let whole = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                self.block_ms.store(whole, Ordering::Relaxed);
                BLOCK
            }
        };
        self.armed.store(code, Ordering::Release);
    }

    /// The fault that is due before a message or while idle. One relaxed load when nothing is armed.
    pub(crate) fn take_before(&self) -> Option<Fault> {
        let code = self.armed.load(Ordering::Relaxed);
        if code == NONE || code == PANIC_AFTER || !self.take(code) {
            return None;
        }
        match code {
            PANIC => Some(Fault::Panic),
            STOP => Some(Fault::Stop),
            HANG => Some(Fault::Hang),
            _ => Some(Fault::Block(Duration::from_millis(self.block_ms.load(Ordering::Relaxed)))),
        }
    }

    /// Whether to panic now that a handler has run.
    pub(crate) fn take_after(&self) -> bool {
        self.armed.load(Ordering::Relaxed) == PANIC_AFTER && self.take(PANIC_AFTER)
    }

    fn take(&self, code: u8) -> bool {
        self.armed.compare_exchange(code, NONE, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}
