//! One life of an actor: the value, its context, and the futures it runs, polled in the order that actix documents.
//! Catches no panic and knows no supervisor; the mailbox is lent to it and outlives it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix::dev::EnvelopeProxy;
use actix::dev::channel::AddressReceiver;
use actix::{Actor, ActorContext, ActorState, AsyncContext, Running, SpawnHandle};
use futures_util::Stream;

use crate::context::{Job, SupervisedContext};
use crate::exit::drop_quietly;
use crate::fault::Fault;
use crate::fence;

/// Messages handled before everybody else on the thread gets a turn.
const BATCH: u32 = 128;

pub(crate) struct Incarnation<A: Actor<Context = SupervisedContext<A>>> {
    actor: A,
    ctx: SupervisedContext<A>,
    jobs: VecDeque<(SpawnHandle, Job<A>)>,
    /// Messages taken out of the mailbox since somebody asked.
    handled: u64,
}

impl<A: Actor<Context = SupervisedContext<A>>> Incarnation<A> {
    /// Calls `started()`.
    pub(crate) fn start(&mut self) {
        self.actor.started(&mut self.ctx);
        if self.ctx.state() == ActorState::Started {
            self.ctx.set_state(ActorState::Running);
        }
    }

    pub(crate) fn new(actor: A, ctx: SupervisedContext<A>) -> Self {
        Self { actor, ctx, jobs: VecDeque::new(), handled: 0 }
    }

    pub(crate) fn ctx(&mut self) -> &mut SupervisedContext<A> {
        &mut self.ctx
    }

    /// Messages taken out of the mailbox since the last call, the one that an actor failed with included.
    pub(crate) fn take_handled(&mut self) -> u64 {
        std::mem::take(&mut self.handled)
    }

    /// Runs until there is nothing to do (pending) or the actor has stopped (ready).
    pub(crate) fn poll(&mut self, mailbox: &mut AddressReceiver<A>, task: &mut Context<'_>) -> Poll<()> {
        self.suffer();
        loop {
            if self.poll_waits(task).is_pending() {
                return Poll::Pending;
            }
            let more = self.poll_mailbox(mailbox, task);
            if self.must_wait() {
                continue;
            }
            self.poll_jobs(task);
            if fence::abandoned() {
                return Poll::Pending;
            }
            if self.must_wait() {
                continue;
            }
            if self.ctx.state().stopping() {
                match self.stop() {
                    Running::Stop => return Poll::Ready(()),
                    Running::Continue => continue,
                }
            }
            if more || !self.ctx.spawned.is_empty() {
                task.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
    }

    /// Drops the parts one by one, so that two of them may panic without taking the process along.
    pub(crate) fn dispose(self) {
        let Self { actor, mut ctx, jobs, handled: _ } = self;
        ctx.terminate();
        let waits = std::mem::take(&mut ctx.waits);
        let spawned = ctx.take_spawned();
        waits.into_iter().for_each(drop_quietly);
        spawned.into_iter().chain(jobs).for_each(drop_quietly);
        drop_quietly(actor);
        drop_quietly(ctx);
    }

    /// Carries out an armed fault.
    fn suffer(&mut self) {
        let shared = self.ctx.shared();
        match shared.fault.take_before(&shared.generation) {
            None | Some(Fault::PanicAfter) => {}
            Some(Fault::Panic) => panic!("injected fault: panic"),
            Some(Fault::Stop) => self.ctx.stop(),
            Some(Fault::Hang) => self.ctx.wait(actix::fut::wrap_future(std::future::pending::<()>())),
            Some(Fault::Block(time)) => {
                let generation = self.ctx.generation();
                block(time);
                self.ctx.shared().fault.passed(generation);
            }
        }
    }

    /// Nothing may run now: there is something to wait for, the actor stops, or its thread was taken away from it.
    fn is_held(&self) -> bool {
        self.ctx.waiting() || fence::abandoned()
    }

    /// Something to wait for was scheduled and nothing says stop: look at it before anything else.
    fn must_wait(&self) -> bool {
        !self.ctx.waits.is_empty() && !self.ctx.state().stopping()
    }

    /// Polls what must end before the mailbox is looked at again, newest first.
    fn poll_waits(&mut self, task: &mut Context<'_>) -> Poll<()> {
        while !self.ctx.state().stopping() && !fence::abandoned() {
            let Some((number, mut job)) = self.ctx.waits.pop() else { break };
            let below = self.ctx.waits.len();
            if job.as_mut().poll(&mut self.actor, &mut self.ctx, task).is_ready() {
                continue;
            }
            let newest = self.ctx.waits.len() == below;
            self.ctx.waits.insert(below, (number, job));
            if newest && !self.ctx.state().stopping() {
                self.ctx.vitals().waits_for(number);
                return Poll::Pending;
            }
        }
        self.ctx.vitals().waits_no_more();
        Poll::Ready(())
    }

    /// Handles a batch of messages; true when there may be more.
    fn poll_mailbox(&mut self, mailbox: &mut AddressReceiver<A>, task: &mut Context<'_>) -> bool {
        for _ in 0..BATCH {
            if self.is_held() {
                return false;
            }
            let Poll::Ready(Some(mut envelope)) = Pin::new(&mut *mailbox).poll_next(task) else { return false };
            self.handled += 1;
            envelope.handle(&mut self.actor, &mut self.ctx);
            self.suffer();
        }
        true
    }

    /// Polls every spawned future once, and those that they spawn.
    fn poll_jobs(&mut self, task: &mut Context<'_>) {
        self.collect_jobs();
        let mut left = self.jobs.len();
        while left > 0 && !self.is_held() {
            left -= 1;
            let Some((handle, mut job)) = self.jobs.pop_front() else { break };
            let ready = job.as_mut().poll(&mut self.actor, &mut self.ctx, task).is_ready();
            if !ready {
                self.jobs.push_back((handle, job));
            }
            left += self.collect_jobs();
            left = left.min(self.jobs.len());
        }
    }

    /// Takes over what was spawned and drops what was cancelled; says how many were added. They come to the front, among
    /// those that are still to be polled: nobody wakes the actor for a future that was never polled.
    fn collect_jobs(&mut self) -> usize {
        let added = self.ctx.spawned.len();
        self.ctx.spawned.drain(..).rev().for_each(|job| self.jobs.push_front(job));
        if !self.ctx.cancelled.is_empty() {
            let cancelled = std::mem::take(&mut self.ctx.cancelled);
            self.jobs.retain(|(handle, _)| !cancelled.contains(handle));
        }
        added
    }

    fn stop(&mut self) -> Running {
        if self.ctx.state() == ActorState::Stopping && self.actor.stopping(&mut self.ctx) == Running::Continue {
            self.ctx.set_state(ActorState::Running);
            return Running::Continue;
        }
        if fence::abandoned() {
            return Running::Stop;
        }
        self.ctx.set_state(ActorState::Stopped);
        self.actor.stopped(&mut self.ctx);
        self.ctx.vitals().advance();
        Running::Stop
    }
}

#[expect(clippy::disallowed_methods, reason = "the fault is that the thread really sleeps")]
fn block(time: Duration) {
    std::thread::sleep(time);
}
