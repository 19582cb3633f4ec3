//! What lives on a place and can be moved to its new thread: actors and the loops of supervisors.
//! Does not say when; that is up to `watchdog`.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::exit::{Exit, Failure};
use crate::place::Place;
use crate::vitals::Vitals;

/// An actor (`cell::Tenancy`) or the loop of a supervisor (`keeper::Core`).
///
/// A tenant moves in with [`Place::house`], which takes its [`Vitals`] and the job that starts
/// it, is held weakly there, and moves out with `Vitals::end`, which what the job starts must call when it is dropped.
/// All methods are called on the watchdog's thread and must neither wait nor run code of actors.
pub(crate) trait Tenant: Send + Sync {
    /// Its dotted path.
    fn path(&self) -> &str;

    /// Its thread was abandoned, and `place` runs on a new one. Whatever it has on the old thread will never run again:
    /// it is dropped there when the thread comes back, or not at all, and finds `fence::abandoned()` true.
    ///
    /// The tenant takes away from its former self what that could still grab (the command slot, the mailbox), moves in
    /// again with [`Place::house`] and new vitals, and reports `cause.exit(…)` to its supervisor.
    fn moved(self: Arc<Self>, place: &Place, cause: &Moved);

    /// It is stuck although its thread is free: it has to be started again in place. It may have gone on meanwhile, so
    /// it compares its vitals with `stuck` on its own thread first.
    fn hung(&self, stuck: Stuck);
}

/// Why a tenant was moved.
#[derive(Debug, Clone)]
pub(crate) struct Moved {
    /// Its own code blocks the thread; otherwise a neighbour's does.
    pub(crate) culprit: bool,
    /// Who did not return, for how long.
    pub(crate) what: String,
}

impl Moved {
    /// What its supervisor hears of it.
    pub(crate) fn exit(&self, path: &str) -> Exit {
        let failure = Failure { origin: path.to_owned(), text: self.what.clone(), message: None };
        if self.culprit { Exit::Blocked(failure) } else { Exit::Displaced(failure) }
    }
}

/// In what a tenant is stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// The future of this number, see `Vitals::waits_for`, does not end.
    Wait(u64),
    /// Messages wait, the thread is free, and `Vitals::progress` has stood at this value.
    Silence(u64),
}

impl Stuck {
    /// Whether nothing has changed since the watchdog saw it.
    pub(crate) fn is_still(self, vitals: &Vitals) -> bool {
        match self {
            Stuck::Wait(number) => vitals.wait() == number,
            Stuck::Silence(progress) => vitals.progress() == progress && vitals.depth() > 0,
        }
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stuck::Wait(_) => "hung: it waits for a future that does not end",
            Stuck::Silence(_) => "hung: messages wait, its thread is free, and nothing wakes it",
        })
    }
}

/// What blocks a thread.
pub(crate) struct Blockage {
    thread: String,
    /// The tenant whose code does not return, if it is one's.
    culprit: Option<(Arc<Vitals>, String)>,
}

impl Blockage {
    /// Of a thread that is blocked, by what its residents do right now.
    pub(crate) fn of(thread: &str, residents: &[Resident]) -> Self {
        Self { thread: thread.to_owned(), culprit: residents.iter().find_map(Resident::blocks) }
    }

    /// Who is to blame, for the log.
    pub(crate) fn by(&self) -> String {
        let path = self.culprit.as_ref().map(|(_, path)| format!("`{path}`"));
        path.unwrap_or_else(|| "code of its own".to_owned())
    }

    fn as_seen_by(&self, vitals: &Arc<Vitals>) -> Moved {
        let thread = &self.thread;
        if self.culprit.as_ref().is_some_and(|(culprit, _)| Arc::ptr_eq(culprit, vitals)) {
            return Moved { culprit: true, what: format!("blocked its thread `{thread}`") };
        }
        Moved { culprit: false, what: format!("its thread `{thread}` was blocked by {}", self.by()) }
    }
}

/// A tenant as the place and the watchdog know it.
pub(crate) struct Resident {
    tenant: Weak<dyn Tenant>,
    vitals: Arc<Vitals>,
    watch: Watch,
}

impl Resident {
    pub(crate) fn new(tenant: Weak<dyn Tenant>, vitals: Arc<Vitals>) -> Self {
        Self { tenant, vitals, watch: Watch::default() }
    }

    pub(crate) fn is_there(&self) -> bool {
        !self.vitals.is_over()
    }

    pub(crate) fn move_to(self, place: &Place, blockage: &Blockage) {
        if self.is_there()
            && let Some(tenant) = self.tenant.upgrade()
        {
            tenant.moved(place, &blockage.as_seen_by(&self.vitals));
        }
    }

    /// Whether its code runs and has not come any further since the last look.
    fn blocks(&self) -> Option<(Arc<Vitals>, String)> {
        if !self.vitals.in_poll() || self.vitals.progress() != self.watch.progress {
            return None;
        }
        Some((Arc::clone(&self.vitals), self.tenant.upgrade()?.path().to_owned()))
    }

    /// One look, atomics only.
    ///
    /// `turn`: everybody who was ready on the thread has had a turn since the last look; only then it can be the
    /// tenant's own fault that it did nothing. `patience` is a number of such looks.
    pub(crate) fn look(&mut self, turn: bool, patience: u32) -> Look {
        let progress = self.vitals.progress();
        let moved = std::mem::replace(&mut self.watch.progress, progress) != progress;
        let stuck = self.watch.judge(&self.vitals, moved, turn, patience);
        Look { moved, stuck: stuck.and_then(|stuck| Some((self.tenant.upgrade()?, stuck))) }
    }
}

/// What a look has shown.
pub(crate) struct Look {
    /// Something was done since the last one.
    pub(crate) moved: bool,
    /// Who is to be told, if it is stuck.
    pub(crate) stuck: Option<Patient>,
}

/// A tenant that is stuck, and in what.
pub(crate) type Patient = (Arc<dyn Tenant>, Stuck);

/// What the watchdog remembers of a tenant.
#[derive(Debug, Default)]
struct Watch {
    progress: u64,
    stuck: Option<Stuck>,
    /// Looks at which it was stuck in the same although it had a turn.
    looks: u32,
}

impl Watch {
    fn judge(&mut self, vitals: &Vitals, moved: bool, turn: bool, patience: u32) -> Option<Stuck> {
        let stuck = match vitals.wait() {
            _ if !vitals.is_up() => None,
            0 if !moved && vitals.depth() > 0 => Some(Stuck::Silence(self.progress)),
            0 => None,
            wait => Some(Stuck::Wait(wait)),
        };
        if stuck.is_none() || stuck != self.stuck {
            (self.stuck, self.looks) = (stuck, 0);
            return None;
        }
        self.looks += u32::from(turn);
        if self.looks < patience {
            return None;
        }
        self.looks = 0;
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(vitals: &Vitals, watch: &mut Watch, turns: &[bool]) -> Vec<Option<Stuck>> {
        turns.iter().map(|turn| watch.judge(vitals, false, *turn, 2)).collect()
    }

    #[test]
    fn a_wait_is_counted_in_looks_at_which_the_tenant_had_a_turn() {
        let (vitals, mut watch) = (Vitals::default(), Watch::default());
        vitals.set_up(true);
        vitals.waits_for(7);
        let hung = Some(Stuck::Wait(7));
        assert_eq!(
            looks(&vitals, &mut watch, &[true, false, true, false, true, true]),
            [None, None, None, None, hung, None]
        );
    }

    #[test]
    fn the_next_wait_is_another_wait() {
        let (vitals, mut watch) = (Vitals::default(), Watch::default());
        vitals.set_up(true);
        for number in 1..10 {
            vitals.waits_for(number);
            assert_eq!(looks(&vitals, &mut watch, &[true, true]), [None, None], "wait {number}");
        }
    }

    #[test]
    fn only_one_with_messages_that_does_nothing_is_silent() {
        let (vitals, mut watch) = (Vitals::default(), Watch::default());
        vitals.set_up(true);
        assert_eq!(looks(&vitals, &mut watch, &[true; 5]), [None; 5], "idle");
        vitals.admit_beyond_bound();
        for _ in 0..5 {
            assert_eq!(watch.judge(&vitals, true, true, 2), None, "busy");
        }
        assert_eq!(looks(&vitals, &mut watch, &[true; 3]), [None, None, Some(Stuck::Silence(0))]);
        vitals.set_up(false);
        assert_eq!(looks(&vitals, &mut watch, &[true; 5]), [None; 5], "down: it waits for its restart");
    }
}
