//! How an incarnation ended, and the events that tell its supervisor.
//! Does not decide what happens next; see `keeper`.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why an incarnation is no more.
#[derive(Debug, Clone)]
pub(crate) enum Exit {
    /// `ctx.stop()` or `ctx.terminate()`, by the actor itself or by a fault.
    Stopped,
    /// A panic in a handler or in a future of the actor.
    Panicked(Failure),
    /// The factory or `started()` panicked.
    StartFailed(Failure),
    /// A nested supervisor used up its budget and has halted its children.
    Escalated(Failure),
    /// It waited for a future that did not end, or slept while messages waited; its thread was free.
    Hung(Failure),
    /// Its code blocked its thread, which was abandoned; it is on a new one.
    Blocked(Failure),
    /// A neighbour blocked its thread, which was abandoned; it is on a new one. Not its fault, so it costs no budget.
    Displaced(Failure),
    /// The thread ended under it.
    Gone,
}

/// Every value that the label `reason` of `actor_restarts_total` can have.
pub(crate) const REASONS: [&str; 8] = ["stop", "panic", "start_failed", "group", "hang", "blocked", "thread", "gone"];

impl Exit {
    /// Label of `actor_restarts_total`, one of [`REASONS`].
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Exit::Stopped => "stop",
            Exit::Panicked(_) => "panic",
            Exit::StartFailed(_) => "start_failed",
            Exit::Escalated(_) => "group",
            Exit::Hung(_) => "hang",
            Exit::Blocked(_) => "blocked",
            Exit::Displaced(_) => "thread",
            Exit::Gone => "gone",
        }
    }

    /// What to show of it, with the path of the actor that is to blame.
    pub(crate) fn failure(&self, path: &str) -> Failure {
        let plain = |text: &str| Failure { origin: path.to_owned(), text: text.to_owned(), message: None };
        match self {
            Exit::Panicked(failure)
            | Exit::StartFailed(failure)
            | Exit::Escalated(failure)
            | Exit::Hung(failure)
            | Exit::Blocked(failure)
            | Exit::Displaced(failure) => failure.clone(),
            Exit::Stopped => plain("stopped"),
            Exit::Gone => plain("its thread has ended"),
        }
    }
}

/// What is known of one failure. The text is whatever the panic said.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// Path of the actor that failed.
    pub(crate) origin: String,
    pub(crate) text: String,
    /// Type of the message in hand; none in a future, in `started()` or while idle.
    pub(crate) message: Option<&'static str>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message {
            Some(message) => write!(f, "{} (in hand: {message})", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// What the supervisor's loop hears from its children.
#[derive(Debug)]
pub(crate) enum Event {
    /// `started()` of that incarnation has returned.
    Started { child: u64, generation: u64 },
    /// That incarnation ended without being told to.
    Exited { child: u64, generation: u64, exit: Exit },
    /// The children that a plan wanted halted are.
    GroupHalted { plan: u64 },
    /// A removed child has stopped.
    Left { child: u64 },
}

/// The text of a panic; dropping a payload may itself panic, which is swallowed.
pub(crate) fn panic_text(payload: Box<dyn Any + Send>) -> String {
    let text = if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "panicked without a text".to_owned()
    };
    drop_quietly(payload);
    text
}

/// Drops a value that may panic while it goes. Never call it while unwinding.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(move || drop(value))) {
        leak(payload);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a payload may panic in its own drop, and there is nobody left to catch it"
)]
fn leak(payload: Box<dyn Any + Send>) {
    std::mem::forget(payload);
}
