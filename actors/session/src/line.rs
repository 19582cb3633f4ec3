//! Publishes under way: how many, for how long, and whether the broker still answers any.
//! Does not publish and refuses nothing; whoever does asks here whether there is room.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tillstream_messages::{Exemplar, TraceContext, TraceIds};
use tokio::time::Instant;

use crate::metrics::{PUBLISH_DURATION, PUBLISH_EXEMPLARS, PUBLISH_IN_FLIGHT};

/// A broker that answers nothing for this long is in trouble, even if it does not say so.
const SILENCE: Duration = Duration::from_secs(2);

/// All publishes under way.
#[derive(Debug)]
pub struct Line {
    length: Cell<usize>,
    /// When the broker last answered one, or the first of them joined.
    moved: Cell<Instant>,
}

/// One publish under way; dropped when its fate is known.
#[derive(Debug)]
pub struct Waiting {
    since: Instant,
    line: Rc<Line>,
    /// Where the trace is kept.
    trace: Option<TraceIds>,
}

// === impl Line ===

impl Line {
    /// One more is under way.
    pub fn join(line: &Rc<Self>) -> Waiting {
        let since = Instant::now();
        if line.length.replace(line.length.get() + 1) == 0 {
            line.moved.set(since);
        }
        PUBLISH_IN_FLIGHT.inc();
        Waiting { since, line: Rc::clone(line), trace: None }
    }

    /// How many are under way.
    #[expect(clippy::len_without_is_empty, reason = "compared with a window, never asked whether it is 0")]
    pub fn len(&self) -> usize {
        self.length.get()
    }

    /// Says so when publishes wait and none has been answered for too long.
    pub fn silence(&self) -> Option<String> {
        let silent = self.length.get() > 0 && self.moved.get().elapsed() >= SILENCE;
        silent.then(|| format!("the broker has answered no publish for {} s", SILENCE.as_secs()))
    }
}

impl Default for Line {
    /// Nobody waits.
    fn default() -> Self {
        Self { length: Cell::new(0), moved: Cell::new(Instant::now()) }
    }
}

// === impl Waiting ===

impl Waiting {
    /// The same, as an example of its duration where somebody keeps this trace.
    #[must_use]
    pub fn of(self, trace: Option<&TraceContext>) -> Self {
        // Taken apart it would be dropped, which says that it is over.
        let mut waiting = self;
        waiting.trace = trace.filter(|trace| trace.is_sampled()).map(TraceContext::ids);
        waiting
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let now = Instant::now();
        self.line.length.set(self.line.length.get() - 1);
        self.line.moved.set(now);
        PUBLISH_IN_FLIGHT.dec();
        let value = (now - self.since).as_secs_f64();
        PUBLISH_DURATION.observe(value);
        if let Some(ids) = self.trace {
            PUBLISH_EXEMPLARS.note(&[], Exemplar::now(ids, value));
        }
    }
}
