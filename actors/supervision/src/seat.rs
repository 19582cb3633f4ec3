//! What stays of an actor over all of its incarnations and threads, and how messages get in.
//! Does not know where the actor runs; what it holds of the thread is the channel of the mailbox there.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::channel::{AddressReceiver, AddressSender, channel};
use actix::prelude::SendError;
use actix::{Actor, Handler, Message};
use arc_swap::ArcSwapOption;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::context::SupervisedContext;
use crate::envelope::counted;
use crate::error::{AskError, TellError};
use crate::fence;
use crate::shared::{Life, Shared};
use crate::vitals::Vitals;

/// Nearly every answer is there by then; only a caller that waits longer pays for hearing that the actor was moved.
const PROMPT: Duration = Duration::from_millis(100);

/// What stays of an actor.
pub(crate) struct Seat<A: Actor> {
    /// A plain field, because nearly no actor is ever moved.
    first: Line<A>,
    /// None until the actor is moved to another thread, which `Shared::epoch` says.
    later: ArcSwapOption<Line<A>>,
    pub(crate) shared: Arc<Shared>,
}

/// The way into the mailbox of one epoch.
struct Line<A: Actor> {
    epoch: u64,
    /// It has no bound of its own: that of actix does not hold for several senders, so `vitals` count.
    sender: AddressSender<A>,
    vitals: Arc<Vitals>,
}

/// What the cell of one epoch needs.
pub(crate) struct Lodging<A: Actor> {
    pub(crate) epoch: u64,
    pub(crate) mailbox: AddressReceiver<A>,
    pub(crate) vitals: Arc<Vitals>,
}

impl<A: Actor> Seat<A> {
    pub(crate) fn new(path: String, kind: &'static str, capacity: usize) -> (Arc<Self>, Lodging<A>) {
        let (line, lodging) = line(0, Arc::default());
        let shared = Arc::new(Shared::new(path, kind, capacity, Arc::clone(&lodging.vitals)));
        (Arc::new(Self { first: line, later: ArcSwapOption::empty(), shared }), lodging)
    }

    /// Turns away from the thread that the actor was on. What waits in the mailbox there is lost, and who asked is told.
    pub(crate) fn relocate(&self) -> Lodging<A> {
        let vitals = Arc::<Vitals>::default();
        let (line, lodging) = line(self.shared.epoch() + 1, Arc::clone(&vitals));
        self.later.store(Some(Arc::new(line)));
        self.shared.begin_epoch(vitals);
        lodging
    }

    /// For actix's own helpers; leads nowhere once the actor was moved on.
    pub(crate) fn sender_of(&self, epoch: u64) -> AddressSender<A> {
        self.on_line(|line| if line.epoch == epoch { line.sender.clone() } else { channel(0).0 })
    }

    fn on_line<R>(&self, act: impl FnOnce(&Line<A>) -> R) -> R {
        if self.shared.epoch() == 0 {
            return act(&self.first);
        }
        match &*self.later.load() {
            Some(line) => act(line),
            None => act(&self.first),
        }
    }
}

fn line<A: Actor>(epoch: u64, vitals: Arc<Vitals>) -> (Line<A>, Lodging<A>) {
    let (sender, mailbox) = channel(0);
    (Line { epoch, sender, vitals: Arc::clone(&vitals) }, Lodging { epoch, mailbox, vitals })
}

/// The bounds that every message of an actor meets.
impl<A> Seat<A>
where
    A: Actor<Context = SupervisedContext<A>>,
{
    pub(crate) fn tell<M>(&self, msg: M) -> Result<(), TellError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.send(msg, |vitals| vitals.admit(self.shared.capacity))
    }

    pub(crate) fn push<M>(&self, msg: M) -> Result<(), TellError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.send(msg, |vitals| {
            vitals.admit_beyond_bound();
            true
        })
    }

    pub(crate) fn ask<M>(
        &self,
        msg: M,
        within: Duration,
    ) -> impl Future<Output = Result<M::Result, AskError>> + Send + use<A, M> + 'static
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let now = Instant::now();
        let (deadline, soon) = (now + within, now + PROMPT.min(within));
        let queued = self.enqueue(msg);
        let shared = Arc::clone(&self.shared);
        async move {
            let (epoch, mut answer) = queued?;
            let answered = match timeout_at(soon, &mut answer).await {
                Ok(answer) => Ok(answer.ok().filter(|_| shared.is_in(epoch))),
                Err(_) => timeout_at(deadline, shared.answer(epoch, async { answer.await.ok() })).await,
            };
            match answered {
                Ok(Some(answer)) => Ok(answer),
                Ok(None) if shared.life() == Life::Terminated => Err(AskError::Terminated),
                Ok(None) => Err(AskError::Lost),
                Err(_) => Err(AskError::Timeout),
            }
        }
    }

    fn enqueue<M>(&self, mut msg: M) -> Result<(u64, oneshot::Receiver<M::Result>), AskError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        if fence::abandoned() {
            return Err(AskError::Terminated);
        }
        loop {
            let sent = self.on_line(|line| {
                if !line.vitals.admit(self.shared.capacity) {
                    return Err(Refused::Full);
                }
                // Either in the mailbox when this returns, or not at all: only a closed channel without a bound can refuse.
                let sent = counted(|| line.sender.send(msg));
                sent.map(|answer| (line.epoch, answer)).map_err(|closed| line.refused(closed))
            });
            msg = match sent {
                Ok(sent) => return Ok(sent),
                Err(Refused::Closed(epoch, msg)) if epoch < self.shared.epoch() => msg,
                Err(_) if self.is_terminated() => return Err(AskError::Terminated),
                Err(Refused::Full) => return Err(AskError::Full),
                Err(Refused::Closed(..)) => return Err(AskError::NotDelivered),
            };
        }
    }

    fn send<M>(&self, mut msg: M, admit: impl Fn(&Vitals) -> bool) -> Result<(), TellError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        if fence::abandoned() {
            return Err(TellError::Terminated);
        }
        loop {
            let sent = self.on_line(|line| {
                if !admit(&line.vitals) {
                    return Err(Refused::Full);
                }
                counted(|| line.sender.do_send(msg)).map_err(|closed| line.refused(closed))
            });
            msg = match sent {
                Ok(()) => return Ok(()),
                // An abandoned mailbox was closed just now: the message goes to the new one.
                Err(Refused::Closed(epoch, msg)) if epoch < self.shared.epoch() => msg,
                Err(Refused::Full) if !self.is_terminated() => return Err(TellError::Full),
                Err(_) => return Err(TellError::Terminated),
            };
        }
    }

    fn is_terminated(&self) -> bool {
        self.shared.life() == Life::Terminated
    }
}

/// Why a message is not in the mailbox.
enum Refused<M> {
    Full,
    /// That epoch's mailbox is closed; the message is given back.
    Closed(u64, M),
}

impl<A: Actor> Line<A> {
    fn refused<M>(&self, closed: SendError<M>) -> Refused<M> {
        self.vitals.leave();
        Refused::Closed(self.epoch, closed.into_inner())
    }
}
