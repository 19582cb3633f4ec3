//! Counts what a flow has delivered and nobody has taken yet, and says when it is too much.
//! Does not stop the flow itself, and forgets nothing that was delivered.

use std::sync::atomic::{AtomicUsize, Ordering};

/// At so many bytes the flow is stopped: what is on its way still comes, at most a transport window of messages.
const HIGH: usize = 8 << 20;
/// At so few it is started again.
const LOW: usize = HIGH / 4;
/// What a message costs besides its payload.
const OVERHEAD: usize = 512;

/// The bytes that wait. Raised by the library's thread, lowered by the consumer's.
#[derive(Debug, Default)]
pub struct Gate(AtomicUsize);

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Ask for no more.
    High,
    /// Neither.
    Between,
    /// Ask for more.
    Low,
}

// === impl Gate ===

impl Gate {
    /// A message came; `true` when with this one it is too much.
    pub fn enter(&self, payload: usize) -> bool {
        let weight = payload + OVERHEAD;
        let before = self.0.fetch_add(weight, Ordering::AcqRel);
        before < HIGH && before + weight >= HIGH
    }

    /// A message was taken; `true` when with this one there is room again.
    pub fn leave(&self, payload: usize) -> bool {
        let weight = payload + OVERHEAD;
        let before = self.0.fetch_sub(weight, Ordering::AcqRel);
        before > LOW && before - weight <= LOW
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }

    /// How much waits now.
    pub fn level(&self) -> Level {
        match self.0.load(Ordering::Acquire) {
            HIGH.. => Level::High,
            ..=LOW => Level::Low,
            _ => Level::Between,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABYTE: usize = (1 << 20) - OVERHEAD;

    #[test]
    fn each_mark_is_told_once_when_it_is_crossed_in_its_direction() {
        let gate = Gate::default();
        let rising: Vec<bool> = (0..10).map(|_| gate.enter(MEGABYTE)).collect();
        assert_eq!(rising.iter().position(|crossed| *crossed), Some(7));
        assert_eq!((rising.iter().filter(|crossed| **crossed).count(), gate.level()), (1, Level::High));

        let falling: Vec<bool> = (0..10).map(|_| gate.leave(MEGABYTE)).collect();
        assert_eq!(falling.iter().position(|crossed| *crossed), Some(7));
        assert_eq!(falling.iter().filter(|crossed| **crossed).count(), 1);
        assert!(gate.is_empty());
    }

    #[test]
    fn between_the_marks_nothing_changes() {
        let gate = Gate::default();
        for _ in 0..5 {
            assert!(!gate.enter(MEGABYTE));
        }
        assert_eq!(gate.level(), Level::Between);
        assert!(!gate.leave(MEGABYTE));
        assert!(!gate.enter(MEGABYTE));
    }
}
