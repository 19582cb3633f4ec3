//! What a loop does first that follows one which failed: it compares the roster with what the children really do.
//! Whoever runs goes on undisturbed; only what nobody would attend to any more is taken up again.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::Instant;

use super::Keeper;
use super::halting::{Fenced, leave};
use crate::exit::{Exit, Failure};
use crate::plan::{Due, Stage, Then};
use crate::roster::{Phase, Roster, Status};

/// News of an end that just happened may still be on their way; after this long they are lost.
const NEWS_WITHIN: Duration = Duration::from_millis(100);

impl Keeper {
    pub(super) fn take_up(&mut self) {
        let core = Arc::clone(&self.core);
        let mut roster = core.roster();
        let ids: Vec<u64> = roster.children.keys().copied().collect();
        let started: Vec<_> = ids.into_iter().filter_map(|id| self.take_up_child(&mut roster, id)).collect();
        self.take_up_plan(&mut roster);
        if roster.phase == Phase::Active {
            roster.own.started();
        }
        drop(roster);
        for (id, generation) in started {
            self.started(id, generation);
        }
        self.push_on();
        core.fault.recovered(core.generation());
    }

    /// A plan whose next step is due goes on; there may be no event left that would make it.
    fn push_on(&mut self) {
        let core = Arc::clone(&self.core);
        let roster = core.roster();
        let is_starting = |id| roster.children.get(&id).is_some_and(|child| child.status == Status::Starting);
        let stage = roster.plan.as_ref().map(|plan| plan.stage);
        let stalled = matches!(stage, Some(Stage::Starting(id)) if !is_starting(id));
        let ended = roster.phase == Phase::Stopped && stage.is_none();
        drop(roster);
        if stalled {
            self.start_next();
        }
        self.over = ended;
        self.conclude();
    }

    /// The child and its generation if it has started and nobody noticed.
    fn take_up_child(&mut self, roster: &mut Roster, id: u64) -> Option<(u64, u64)> {
        let (now, idle) = (Instant::now(), roster.plan.is_none() && roster.phase == Phase::Active);
        let over_budget = roster.failing.contains_key(&id);
        let child = roster.children.get_mut(&id)?;
        let generation = child.generation;
        match child.status {
            Status::Starting if child.unit.serves(generation) => return Some((id, generation)),
            Status::Starting | Status::Up if child.unit.has_ended(generation) => {
                self.agenda.add(now + NEWS_WITHIN, Due::Suspect { child: id, generation });
            }
            Status::Up if over_budget => {
                let proven = now + self.core.spec.backoff.healthy_after;
                self.agenda.add(proven, Due::Proven { child: id, generation });
            }
            Status::Waiting if child.unit.is_gone() => {}
            Status::Waiting => match child.retry_at {
                Some(at) => self.agenda.add(at, Due::Retry { child: id, generation }),
                None if idle => self.bring_back(roster, id, now),
                None => {}
            },
            Status::Halting | Status::Down if idle => child.run(),
            Status::Leaving => {
                let leaving = leave(&self.core, id, child);
                drop(spawn_local(Fenced::new(&self.core, self.epoch, leaving)));
            }
            Status::Starting | Status::Up | Status::Halting | Status::Down => {}
        }
        None
    }

    fn take_up_plan(&mut self, roster: &mut Roster) {
        roster.plans += 1;
        let number = roster.plans;
        if let Some(plan) = &mut roster.plan {
            plan.number = number; // News of the work that ended with the last loop must not be taken for this one's.
        }
        match roster.plan.as_ref().map(|plan| plan.stage) {
            None if roster.phase == Phase::Held => self.regroup(roster, 0, Then::Start(Instant::now())),
            None => {}
            Some(Stage::Halting) => self.carry_out(roster),
            // Due at once if its time has come, like everything that the last loop had noted down.
            Some(Stage::Halted) => self.rest(roster),
            Some(Stage::Starting(_)) => {}
        }
    }

    /// A child that had ended without news: if there are still none, they are made up for.
    pub(super) fn verify(&mut self, id: u64, generation: u64) {
        let roster = self.core.roster();
        let Some(child) = roster.children.get(&id) else { return };
        let missed = child.generation == generation && child.status.is_live() && child.unit.has_ended(generation);
        let origin = child.unit.path().to_owned();
        drop(roster);
        if missed {
            let failure = Failure { origin, text: "ended while its supervisor was failing".to_owned(), message: None };
            self.exited(id, generation, Exit::Panicked(failure));
        }
    }
}
