//! The task in which an actor lives: it owns the mailbox, catches every panic, and restarts the actor in place.
//! Decides nothing; it obeys the commands of the supervisor and reports what happened.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use actix::dev::channel::AddressReceiver;
use actix::{Actor, ActorContext};
use tokio::sync::{mpsc, oneshot};

use crate::context::SupervisedContext;
use crate::exit::{Event, Exit, Failure, drop_quietly, panic_text};
use crate::handle::Seat;
use crate::incarnation::Incarnation;
use crate::shared::{Command, Life};

pub(crate) type Factory<A> = Box<dyn Fn() -> A + Send>;

/// Where a cell reports, and under which number.
pub(crate) struct Link {
    pub(crate) child: u64,
    pub(crate) events: mpsc::UnboundedSender<Event>,
}

pub(crate) struct Cell<A: Actor<Context = SupervisedContext<A>>> {
    seat: Arc<Seat<A>>,
    factory: Factory<A>,
    link: Link,
    /// None once the actor was removed for good.
    mailbox: Option<AddressReceiver<A>>,
    /// None while the actor is down.
    incarnation: Option<Incarnation<A>>,
    /// Whoever waits for a polite stop.
    stop_asked: Option<oneshot::Sender<()>>,
}

impl<A: Actor<Context = SupervisedContext<A>>> Cell<A> {
    pub(crate) fn new(seat: Arc<Seat<A>>, factory: Factory<A>, mailbox: AddressReceiver<A>, link: Link) -> Self {
        Self { seat, factory, link, mailbox: Some(mailbox), incarnation: None, stop_asked: None }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Run(generation) => self.run(generation),
            Command::Stop(ack) => self.stop(ack),
            Command::Terminate(ack) => {
                self.put_down();
                // The receiver gives up after its own deadline.
                let _ = ack.send(());
            }
            Command::Quit => self.quit(),
        }
    }

    fn run(&mut self, generation: u64) {
        self.put_down();
        self.seat.shared.generation.store(generation, Ordering::Relaxed);
        let (factory, seat) = (&self.factory, &self.seat);
        match catch_unwind(AssertUnwindSafe(|| Incarnation::new(factory(), Arc::clone(seat)))) {
            Ok(incarnation) => self.start(incarnation),
            Err(payload) => self.report(Exit::StartFailed(self.failure(panic_text(payload), None))),
        }
    }

    fn start(&mut self, mut incarnation: Incarnation<A>) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| incarnation.start())) {
            incarnation.dispose();
            self.report(Exit::StartFailed(self.failure(panic_text(payload), None)));
            return;
        }
        self.incarnation = Some(incarnation);
        self.seat.shared.set_life(Life::Up);
        let generation = self.generation();
        // The loop of a supervisor that was shut down listens no more.
        let _ = self.link.events.send(Event::Started { child: self.link.child, generation });
    }

    fn stop(&mut self, ack: oneshot::Sender<()>) {
        match &mut self.incarnation {
            None => drop(ack.send(())),
            Some(incarnation) => {
                incarnation.ctx().stop();
                self.stop_asked = Some(ack);
            }
        }
    }

    fn quit(&mut self) {
        self.put_down();
        self.seat.shared.set_life(Life::Terminated);
        drop_quietly(self.mailbox.take());
    }

    /// Drops the incarnation, if there is one, without asking it.
    fn put_down(&mut self) {
        if let Some(incarnation) = self.incarnation.take() {
            self.seat.shared.set_life(Life::Down);
            incarnation.dispose();
        }
        if let Some(ack) = self.stop_asked.take() {
            let _ = ack.send(());
        }
    }

    /// The incarnation has ended by itself, or as it was asked to.
    fn ended(&mut self, exit: Exit) {
        let asked = self.stop_asked.is_some();
        self.put_down();
        if !asked {
            self.report(exit);
        }
    }

    fn report(&self, exit: Exit) {
        let (child, generation) = (self.link.child, self.generation());
        let _ = self.link.events.send(Event::Exited { child, generation, exit });
    }

    fn generation(&self) -> u64 {
        self.seat.shared.generation.load(Ordering::Relaxed)
    }

    fn failure(&self, text: String, message: Option<&'static str>) -> Failure {
        Failure { origin: self.seat.shared.path.clone(), text, message }
    }

    /// Polls the incarnation; true when it ended and there may be a command to look at.
    fn live(&mut self, task: &mut Context<'_>) -> bool {
        let (Some(incarnation), Some(mailbox)) = (&mut self.incarnation, &mut self.mailbox) else { return false };
        let shared = &self.seat.shared;
        shared.progress.fetch_add(1, Ordering::Relaxed);
        shared.in_poll.store(true, Ordering::Relaxed);
        let outcome = catch_unwind(AssertUnwindSafe(|| incarnation.poll(mailbox, task)));
        shared.in_poll.store(false, Ordering::Relaxed);
        match outcome {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(())) => self.ended(Exit::Stopped),
            Err(payload) => {
                let in_hand = incarnation.ctx().in_hand;
                let failure = self.failure(panic_text(payload), in_hand);
                self.ended(Exit::Panicked(failure));
            }
        }
        true
    }
}

impl<A: Actor<Context = SupervisedContext<A>>> Unpin for Cell<A> {}

impl<A: Actor<Context = SupervisedContext<A>>> Future for Cell<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.seat.shared.register(task.waker());
        loop {
            while let Some(command) = this.seat.shared.take_command() {
                this.obey(command);
            }
            if this.mailbox.is_none() {
                return Poll::Ready(());
            }
            if !this.live(task) {
                return Poll::Pending;
            }
        }
    }
}

impl<A: Actor<Context = SupervisedContext<A>>> Drop for Cell<A> {
    fn drop(&mut self) {
        if self.mailbox.is_none() {
            return;
        }
        // The thread ends under a live actor.
        self.quit();
        self.report(Exit::Gone);
    }
}
