//! The loop of one supervisor: hears of failures, decides by strategy and budget, and restarts, escalates or halts.
//! Never waits for anything but its next order or event, so a storm of one child delays nobody else.

mod children;
mod core;
mod groups;
mod halting;
mod reconcile;
mod service;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

pub(crate) use self::core::Core;
use crate::exit::Event;
use crate::node::ShutdownReport;
use crate::plan::{Agenda, Due};

/// What the handles of a supervisor, or its parent, ask of the loop.
pub(crate) enum Op {
    Remove {
        name: String,
        ack: oneshot::Sender<bool>,
    },
    Run(u64),
    Halt(oneshot::Sender<ShutdownReport>),
    Shutdown(oneshot::Sender<ShutdownReport>),
    /// The supervisor itself fails, politely.
    Stop,
}

/// One life of the loop. All that must survive it is in [`Core`].
pub(crate) struct Keeper {
    core: Arc<Core>,
    epoch: u64,
    agenda: Agenda,
    /// Halts children for the newest plan.
    halting: Option<JoinHandle<()>>,
    chance: fastrand::Rng,
    /// Shut down: there is nothing left to do.
    over: bool,
}

enum Turn {
    Order(Op),
    Due(Due),
    Heard(Event),
}

impl Keeper {
    pub(crate) fn new(core: Arc<Core>, epoch: u64) -> Self {
        // Each life has its own sequence, and the first one that of the seed.
        let chance = fastrand::Rng::with_seed(core.spec.seed.wrapping_add(epoch - 1));
        Self { core, epoch, agenda: Agenda::default(), halting: None, chance, over: false }
    }

    /// Runs until shutdown, or until another loop has taken over.
    pub(crate) async fn serve(mut self, not_before: Option<Instant>) {
        if let Some(at) = not_before {
            sleep_until(at).await;
        }
        self.take_up();
        while !self.over && self.core.is_current(self.epoch) {
            match self.next().await {
                Turn::Order(op) => self.obey(op),
                Turn::Due(due) => self.due(due),
                Turn::Heard(event) => self.hear(event),
            }
            if !self.over && self.core.fault.take_after(&self.core.generation) {
                panic!("injected fault: after an event or order");
            }
        }
    }

    /// Orders come before restarts and restarts before failures, so that it can be shut down in the middle of a storm.
    async fn next(&mut self) -> Turn {
        tokio::select! {
            biased;
            Some(op) = poll_fn(|task| self.core.poll_op(task)) => Turn::Order(op),
            due = self.agenda.next() => Turn::Due(due),
            Some(event) = poll_fn(|task| self.core.poll_event(task)) => Turn::Heard(event),
        }
    }

    fn obey(&mut self, op: Op) {
        match op {
            Op::Remove { name, ack } => self.remove(&name, ack),
            Op::Run(generation) => self.run(generation),
            Op::Halt(ack) => self.hold(ack),
            Op::Shutdown(ack) => self.end(ack),
            Op::Stop => self.stop(),
        }
    }

    fn due(&mut self, due: Due) {
        match due {
            Due::Retry { child, generation } => self.retry(child, generation),
            Due::Proven { child, generation } => self.proven(child, generation),
            Due::Suspect { child, generation } => self.verify(child, generation),
            Due::Resume { plan } => self.resume(plan),
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Started { child, generation } => self.started(child, generation),
            Event::Exited { child, generation, exit } => self.exited(child, generation, exit),
            Event::GroupHalted { plan } => self.group_halted(plan),
            Event::Left { child } => {
                self.core.roster().forget(child);
                self.settled(child);
                self.conclude();
            }
        }
    }

    fn tell_parent(&self, event: impl FnOnce(u64) -> Event) {
        if let Some(parent) = &self.core.parent {
            // A parent that was shut down listens no more.
            let _ = parent.events.send(event(parent.child));
        }
    }
}
