//! What takes time: stopping children one after the other, and removing one. Runs beside the loop and reports to it.
//! Everything here ends silently as soon as the loop that ordered it was replaced; the next one begins anew.

use std::future::Future;
use std::ops::Bound;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Core;
use crate::exit::Event;
use crate::node::ShutdownReport;
use crate::roster::{Child, Roster, Status};
use crate::spec::Restart;
use crate::unit::Unit;

/// Work for one life of a loop, which ends with it.
pub(super) struct Fenced {
    core: Arc<Core>,
    epoch: u64,
    work: Pin<Box<dyn Future<Output = ()>>>,
}

impl Fenced {
    pub(super) fn new(core: &Arc<Core>, epoch: u64, work: impl Future<Output = ()> + 'static) -> Self {
        Self { core: Arc::clone(core), epoch, work: Box::pin(work) }
    }
}

impl Future for Fenced {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        if !self.core.is_current(self.epoch) {
            return Poll::Ready(());
        }
        self.work.as_mut().poll(task)
    }
}

/// Ends a child for good.
pub(super) fn leave(core: &Arc<Core>, id: u64, child: &Child) -> impl Future<Output = ()> + use<> {
    let (core, unit, within) = (Arc::clone(core), child.unit.clone(), child.shutdown);
    async move {
        unit.end(within).await;
        core.roster().forget(id);
        let _ = core.events.send(Event::Left { child: id });
    }
}

/// Halts the children of a plan from `first` on, last one first, and holds them down; or ends them for good.
pub(super) async fn halt_from(core: Arc<Core>, plan: u64, first: u64, ending: bool) {
    let mut below = Bound::Unbounded;
    loop {
        let held = hold_last(&mut core.roster(), first, below, ending);
        let Some((id, hold)) = held else { break };
        below = Bound::Excluded(id);
        let (report, ended) = match hold {
            Hold::Nothing => continue,
            Hold::Halt(unit, within) => (unit.halt(within).await, false),
            Hold::End(unit, within) => (unit.end(within).await, true),
        };
        note(&mut core.roster(), id, ended, plan, report);
    }
    let _ = core.events.send(Event::GroupHalted { plan });
}

/// What is to be done with a child so that it is down.
enum Hold {
    Nothing,
    Halt(Unit, Duration),
    End(Unit, Duration),
}

fn hold_last(roster: &mut Roster, first: u64, below: Bound<u64>, ending: bool) -> Option<(u64, Hold)> {
    let (id, child) = roster.children.range_mut((Bound::Included(first), below)).next_back()?;
    Some((*id, hold(child, ending)))
}

fn hold(child: &mut Child, ending: bool) -> Hold {
    let (status, unit, within) = (child.status, child.unit.clone(), child.shutdown);
    let end = ending || child.restart == Restart::Temporary;
    match status {
        Status::Leaving => return Hold::Nothing,
        Status::Down if !ending => return Hold::Nothing,
        Status::Waiting if !end => {
            child.status = Status::Down;
            return Hold::Nothing;
        }
        Status::Starting | Status::Up if !end => child.put_down(Status::Halting, "group"),
        _ => child.status = Status::Halting,
    }
    if end { Hold::End(unit, within) } else { Hold::Halt(unit, within) }
}

/// A child is down, or gone if it was ended.
fn note(roster: &mut Roster, id: u64, ended: bool, plan: u64, report: ShutdownReport) {
    if let Some(plan) = roster.plan.as_mut().filter(|current| current.number == plan) {
        plan.report.append(report);
    }
    if ended {
        return roster.forget(id);
    }
    if let Some(child) = roster.children.get_mut(&id)
        && child.status == Status::Halting
    {
        child.status = Status::Down;
    }
}
