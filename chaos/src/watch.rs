//! Whether the service's clock is, or was just now, moved by a fault: its answers about time are no mistakes then.
//! Does not move it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// After the clock is back: sales under way were judged by the moved one.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// Clones watch the same clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClockWatch(Arc<Mutex<Moved>>);

#[derive(Debug, Default)]
struct Moved {
    now: bool,
    until: Option<Instant>,
}

impl ClockWatch {
    /// The clock is about to be moved.
    pub(crate) fn moved(&self) {
        self.change(Moved { now: true, until: None });
    }

    /// It is back.
    pub(crate) fn restored(&self) {
        self.change(Moved { now: false, until: Some(Instant::now() + AFTERWARDS) });
    }

    /// Whether a refusal over a time may be the clock's fault.
    pub(crate) fn is_suspect(&self) -> bool {
        let moved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        moved.now || moved.until.is_some_and(|until| Instant::now() < until)
    }

    fn change(&self, to: Moved) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_moved_clock_is_suspect_until_a_while_after_it_is_back() {
        let watch = ClockWatch::default();
        assert!(!watch.is_suspect());
        watch.moved();
        advance(Duration::from_secs(100)).await;
        assert!(watch.is_suspect());
        watch.restored();
        assert!(watch.is_suspect());
        advance(AFTERWARDS).await;
        assert!(!watch.is_suspect());
    }
}
