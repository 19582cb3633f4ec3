//! Which trace the log lines of this thread belong to while a future is polled.
//! Starts no span; it only says where a line belongs.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use tillstream_messages::TraceIds;

thread_local! {
    static CURRENT: Cell<Option<TraceIds>> = const { Cell::new(None) };
}

/// Which span of which trace the line that is being written belongs to.
#[must_use]
pub fn current() -> Option<TraceIds> {
    CURRENT.get()
}

/// As long as it lives, lines of this thread belong to that trace; then to the one before.
#[must_use]
pub struct Correlation {
    before: Option<TraceIds>,
}

pin_project_lite::pin_project! {
    /// A future whose log lines belong to a trace, whichever thread polls it.
    pub struct Correlated<F> {
        #[pin]
        future: F,
        ids: Option<TraceIds>,
    }
}

// === impl Correlation ===

impl Correlation {
    /// From now on.
    pub fn begin(ids: Option<TraceIds>) -> Self {
        Self { before: CURRENT.replace(ids) }
    }
}

impl Drop for Correlation {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

// === impl Correlated ===

impl<F> Correlated<F> {
    /// The future, with its trace; none makes its lines belong to none.
    pub const fn new(future: F, ids: Option<TraceIds>) -> Self {
        Self { future, ids }
    }
}

impl<F: Future> Future for Correlated<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _correlation = Correlation::begin(*this.ids);
        this.future.poll(context)
    }
}
