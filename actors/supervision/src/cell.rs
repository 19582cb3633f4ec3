//! The task in which an actor lives: it owns the mailbox, catches every panic, and restarts the actor in place.
//! Decides nothing; it obeys the commands of the supervisor and reports what happened.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use actix::dev::channel::AddressReceiver;
use actix::{Actor, ActorContext};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;
use tokio::time::Instant;

use crate::context::SupervisedContext;
use crate::exit::{Event, Exit, Failure, drop_quietly, panic_text};
use crate::fence;
use crate::incarnation::Incarnation;
use crate::place::Place;
use crate::seat::{Lodging, Seat};
use crate::shared::{Command, Life, Shared};
use crate::tenant::{Moved, Stuck, Tenant};
use crate::vitals::Vitals;

pub(crate) type Factory<A> = Box<dyn Fn() -> A + Send + Sync>;

/// Where a cell reports, and under which number.
pub(crate) struct Link {
    pub(crate) child: u64,
    pub(crate) events: mpsc::UnboundedSender<Event>,
}

/// All that the cells of one actor have in common: what it takes to live on one thread after another.
pub(crate) struct Tenancy<A: Actor<Context = SupervisedContext<A>>> {
    pub(crate) seat: Arc<Seat<A>>,
    pub(crate) factory: Factory<A>,
    pub(crate) link: Link,
}

impl<A: Actor<Context = SupervisedContext<A>>> Tenancy<A> {
    /// Puts a cell on the thread of that place. False when that thread has ended.
    pub(crate) fn settle(self: Arc<Self>, place: &Place, lodging: Lodging<A>) -> bool {
        let vitals = Arc::clone(&lodging.vitals);
        let tenant: Weak<Self> = Arc::downgrade(&self);
        place.house(tenant, vitals, move || drop(spawn_local(Cell::new(self, lodging))))
    }

    fn report(&self, exit: Exit) {
        let (child, generation) = (self.link.child, self.shared().generation());
        // The loop of a supervisor that was shut down listens no more.
        let _ = self.link.events.send(Event::Exited { child, generation, exit });
    }

    fn shared(&self) -> &Shared {
        &self.seat.shared
    }
}

impl<A: Actor<Context = SupervisedContext<A>>> Tenant for Tenancy<A> {
    fn path(&self) -> &str {
        &self.shared().path
    }

    fn moved(self: Arc<Self>, place: &Place, cause: &Moved) {
        let lodging = self.seat.relocate();
        if self.shared().life() == Life::Terminated {
            return; // It ends here: whoever still tells it something finds the mailbox closed.
        }
        self.shared().fault.detected();
        if !Arc::clone(&self).settle(place, lodging) {
            self.shared().set_life(Life::Terminated);
            return self.report(Exit::Gone);
        }
        // Without an incarnation nothing has ended: the supervisor knows that it is down, or has ordered its start.
        self.report(cause.exit(self.path()));
    }

    fn hung(&self, stuck: Stuck) {
        self.shared().fault.detected();
        self.shared().suggest(Command::Unhang(stuck));
    }
}

/// One actor on one thread.
pub(crate) struct Cell<A: Actor<Context = SupervisedContext<A>>> {
    tenancy: Arc<Tenancy<A>>,
    epoch: u64,
    vitals: Arc<Vitals>,
    /// None once the actor was removed for good.
    mailbox: Option<AddressReceiver<A>>,
    /// None while the actor is down.
    incarnation: Option<Incarnation<A>>,
    /// Whoever waits for a polite stop.
    stop_asked: Option<oneshot::Sender<()>>,
    /// What commands wake.
    waker: Option<Waker>,
}

impl<A: Actor<Context = SupervisedContext<A>>> Cell<A> {
    fn new(tenancy: Arc<Tenancy<A>>, lodging: Lodging<A>) -> Self {
        let Lodging { epoch, mailbox, vitals } = lodging;
        let mailbox = Some(mailbox);
        Self { tenancy, epoch, vitals, mailbox, incarnation: None, stop_asked: None, waker: None }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Run(_) => self.run(),
            Command::Stop(ack) => self.stop(ack),
            Command::Terminate(ack) => {
                self.put_down();
                // The receiver gives up after its own deadline.
                let _ = ack.send(());
            }
            Command::Unhang(stuck) => self.unhang(stuck),
            Command::Quit => self.quit(),
        }
    }

    fn run(&mut self) {
        self.put_down();
        match catch_unwind(AssertUnwindSafe(|| self.build())) {
            Ok(incarnation) => self.start(incarnation),
            Err(payload) => self.report(Exit::StartFailed(self.failure(panic_text(payload), None))),
        }
    }

    fn build(&self) -> Incarnation<A> {
        let seat = Arc::clone(&self.tenancy.seat);
        let ctx = SupervisedContext::new(seat, self.epoch, Arc::clone(&self.vitals));
        Incarnation::new((self.tenancy.factory)(), ctx)
    }

    fn start(&mut self, mut incarnation: Incarnation<A>) {
        if fence::abandoned() {
            return incarnation.dispose(); // The factory has blocked.
        }
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| incarnation.start())) {
            incarnation.dispose();
            self.report(Exit::StartFailed(self.failure(panic_text(payload), None)));
            return;
        }
        self.incarnation = Some(incarnation);
        if fence::abandoned() {
            return;
        }
        self.vitals.set_up(true);
        self.shared().set_life_in(self.epoch, Life::Up);
        let Link { child, events } = &self.tenancy.link;
        let _ = events.send(Event::Started { child: *child, generation: self.shared().generation() });
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

    /// It may have gone on since the watchdog looked.
    fn unhang(&mut self, stuck: Stuck) {
        if self.incarnation.is_none() || !stuck.is_still(&self.vitals) {
            return;
        }
        let failure = self.failure(stuck.to_string(), None);
        self.ended(Exit::Hung(failure));
    }

    fn quit(&mut self) {
        self.put_down();
        self.shared().set_life_in(self.epoch, Life::Terminated);
        drop_quietly(self.mailbox.take());
    }

    /// The thread was abandoned, so all of this is somebody else's by now: drops what is here and tells nobody.
    fn fade(&mut self) {
        fence::wait_for_the_move(); // A mailbox that is closed before there is another would refuse messages.
        self.incarnation.take().into_iter().for_each(Incarnation::dispose);
        drop_quietly(self.mailbox.take());
    }

    /// Drops the incarnation, if there is one, without asking it.
    fn put_down(&mut self) {
        if let Some(incarnation) = self.incarnation.take() {
            self.vitals.set_up(false);
            self.vitals.waits_no_more();
            self.shared().set_life_in(self.epoch, Life::Down);
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
        if !fence::abandoned() {
            self.tenancy.report(exit);
        }
    }

    fn shared(&self) -> &Shared {
        self.tenancy.shared()
    }

    fn failure(&self, text: String, message: Option<&'static str>) -> Failure {
        Failure { origin: self.shared().path.clone(), text, message }
    }

    /// Polls the incarnation; true when it ended and there may be a command to look at.
    fn live(&mut self, task: &mut Context<'_>) -> bool {
        if fence::abandoned() {
            return false;
        }
        let (Some(incarnation), Some(mailbox)) = (&mut self.incarnation, &mut self.mailbox) else { return false };
        self.vitals.advance();
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| incarnation.poll(mailbox, task)));
        self.tenancy.shared().tally.polled(began.elapsed(), incarnation.take_handled());
        match outcome {
            // Whatever came of it: the thread was blocked in there and is not this actor's any more.
            outcome if fence::abandoned() => {
                drop_quietly(outcome);
                return false;
            }
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

impl<A: Actor<Context = SupervisedContext<A>>> Cell<A> {
    fn work(&mut self, task: &mut Context<'_>) -> Poll<()> {
        self.register(task.waker());
        loop {
            while !fence::abandoned()
                && let Some(command) = self.shared().take_command(self.epoch)
            {
                self.obey(command);
            }
            let more = self.live(task);
            if fence::abandoned() {
                self.fade();
            }
            if self.mailbox.is_none() {
                return Poll::Ready(());
            }
            if !more {
                return Poll::Pending;
            }
        }
    }

    /// A task has the same waker as long as it lives, so this costs nothing after the first time.
    fn register(&mut self, waker: &Waker) {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.shared().register(self.epoch, waker);
            self.waker = Some(waker.clone());
        }
    }
}

impl<A: Actor<Context = SupervisedContext<A>>> Unpin for Cell<A> {}

impl<A: Actor<Context = SupervisedContext<A>>> Future for Cell<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.vitals.set_in_poll(true);
        let polled = this.work(task);
        this.vitals.set_in_poll(false);
        polled
    }
}

impl<A: Actor<Context = SupervisedContext<A>>> Drop for Cell<A> {
    fn drop(&mut self) {
        self.vitals.end();
        if fence::abandoned() {
            return self.fade();
        }
        if self.mailbox.is_none() {
            return;
        }
        // The thread ends under a live actor.
        self.quit();
        self.report(Exit::Gone);
    }
}
