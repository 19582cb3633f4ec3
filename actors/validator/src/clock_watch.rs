//! What all validators of a process together think of their clock, and the health leg that shows it.
//! One sample for the pool: a suspicion per validator would need twice the sales and flicker on the board.

use std::sync::{Mutex, PoisonError};

use tillstream_domain::{ClockSuspicion, Till};
use tillstream_messages::{HealthBoard, Leg, LegState};
use tracing::{error, info};

/// The pool's suspicion.
#[derive(Debug)]
pub struct ClockWatch {
    health: HealthBoard,
    sample: Mutex<Sample>,
}

#[derive(Debug, Default)]
struct Sample {
    latest: ClockSuspicion,
    suspected: bool,
}

const SUSPECTED: &str = "recent sales of several cashiers lie in the future: check this machine's clock";

impl ClockWatch {
    /// A clock that nobody doubts.
    pub fn new(health: HealthBoard) -> Self {
        health.set(Leg::Clock, LegState::Up);
        Self { health, sample: Mutex::default() }
    }

    /// A sale that did not fail on the future rule alone.
    pub fn agree(&self) {
        self.note(None, false);
    }

    /// A sale that failed on the future rule alone; answers whether it is our clock that is doubted.
    pub fn disagree(&self, till: Option<Till>) -> bool {
        self.note(till, true)
    }

    fn note(&self, till: Option<Till>, in_future: bool) -> bool {
        let mut sample = self.sample.lock().unwrap_or_else(PoisonError::into_inner);
        sample.latest.record(till, in_future);
        // A good sale cannot raise the suspicion, so the usual one costs no count.
        let suspected = (in_future || sample.suspected) && sample.latest.suspect();
        if suspected != sample.suspected {
            sample.suspected = suspected;
            self.report(suspected);
        }
        suspected
    }

    fn report(&self, suspected: bool) {
        if suspected {
            error!("{SUSPECTED}");
            self.health.set(Leg::Clock, LegState::Down(SUSPECTED.to_owned()));
            return;
        }
        info!("the clock agrees with the tills again");
        self.health.set(Leg::Clock, LegState::Up);
    }
}
