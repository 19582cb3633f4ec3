//! How one queue stands, on the health board.
//! Judges nothing; whoever knows says it, and what was said last can be said again.

use std::cell::RefCell;
use std::rc::Rc;

use tillstream_messages::{HealthBoard, Leg, LegState};
use tracing::info;

use super::trouble::Trouble;

/// The one word about a queue; all clones share it.
#[derive(Clone)]
pub struct Report(Rc<Shared>);

struct Shared {
    queue: String,
    leg: Leg,
    health: HealthBoard,
    last: RefCell<Option<LegState>>,
}

// === impl Report ===

impl Report {
    /// Nothing is said yet.
    pub fn new(queue: String, leg: Leg, health: HealthBoard) -> Self {
        Self(Rc::new(Shared { queue, leg, health, last: RefCell::new(None) }))
    }

    /// The queue.
    pub fn queue(&self) -> &str {
        &self.0.queue
    }

    /// Its messages come here.
    pub fn active(&self) {
        self.say(LegState::Up);
    }

    /// It is bound, and its messages go to somebody else.
    pub fn standing_by(&self) {
        let queue = self.queue();
        info!(%queue, "queue `{queue}` has another active consumer, standing by");
        self.say(LegState::Down(format!("queue `{queue}` is bound and stands by: another consumer is active")));
    }

    /// It is not bound.
    pub fn failed(&self, trouble: &Trouble) {
        self.say(LegState::Down(format!("queue `{}` is not bound: {trouble}", self.queue())));
    }

    /// An earlier incarnation whose thread was blocked may have written late.
    pub fn repeat(&self) {
        if let Some(state) = self.0.last.borrow().clone() {
            self.0.health.set(self.0.leg, state);
        }
    }

    fn say(&self, state: LegState) {
        *self.0.last.borrow_mut() = Some(state);
        self.repeat();
    }
}
