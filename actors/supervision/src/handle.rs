//! The stable reference to one actor: tell, push and ask with a mailbox bound that really holds.
//! Does not know how or where the actor runs; restarts are invisible here except for the message in hand.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::channel::AddressSender;
use actix::{Actor, Handler, Message, Supervised};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::context::SupervisedContext;
use crate::envelope::counted;
use crate::error::{AskError, TellError};
use crate::port::Port;
use crate::shared::{Life, Shared};

/// What stays of an actor over all of its incarnations.
pub(crate) struct Seat<A: Actor> {
    /// Its channel has no bound of its own: that of actix does not hold for several senders, so `Shared` counts.
    pub(crate) sender: AddressSender<A>,
    pub(crate) shared: Arc<Shared>,
}

/// Stable reference; survives restarts. Cheap to clone, Send + Sync.
pub struct Handle<A: Actor>(Arc<Seat<A>>);

impl<A: Actor> Handle<A> {
    pub(crate) fn new(seat: Arc<Seat<A>>) -> Self {
        Self(seat)
    }
}

impl<A: Actor> Clone for Handle<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: Actor> std::fmt::Debug for Handle<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Handle").field(&self.0.shared.path).finish()
    }
}

impl<A> Handle<A>
where
    A: Actor<Context = SupervisedContext<A>> + Supervised,
{
    /// Bounded by the mailbox capacity; refuses when full.
    pub fn tell<M>(&self, msg: M) -> Result<(), TellError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.0.tell(msg)
    }

    /// Ignores the mailbox bound: only for traffic that is bounded elsewhere (a flow's window, one timer).
    /// Fails only when the actor is gone for good.
    pub fn push<M>(&self, msg: M) -> Result<(), TellError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.0.push(msg)
    }

    /// Refuses at once with `Full` when the mailbox is full; otherwise waits through restarts up to the deadline.
    ///
    /// The message is in the mailbox when this returns, so asks keep their order however they are awaited.
    /// Dropping the future withdraws a message that the actor has not yet taken.
    pub fn ask<M>(
        &self,
        msg: M,
        within: Duration,
    ) -> impl Future<Output = Result<M::Result, AskError>> + Send + use<A, M> + 'static
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.0.ask(msg, within)
    }

    /// One message type of this actor, for those that must not know the actor.
    pub fn port<M>(&self) -> Port<M>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        Port::of(Arc::clone(&self.0))
    }

    /// Resolves when `started()` of the current incarnation has returned.
    pub fn started(&self) -> impl Future<Output = Result<(), AskError>> + Send + use<A> + 'static {
        let shared = Arc::clone(&self.0.shared);
        async move { if shared.up().await { Ok(()) } else { Err(AskError::Terminated) } }
    }
}

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
        if !self.shared.admit() {
            return Err(if self.is_terminated() { TellError::Terminated } else { TellError::Full });
        }
        self.send_admitted(msg)
    }

    pub(crate) fn push<M>(&self, msg: M) -> Result<(), TellError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.shared.admit_beyond_bound();
        self.send_admitted(msg)
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
        let deadline = Instant::now() + within;
        let queued = self.enqueue(msg);
        let shared = Arc::clone(&self.shared);
        async move {
            match timeout_at(deadline, queued?).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(_)) if shared.life() == Life::Terminated => Err(AskError::Terminated),
                Ok(Err(_)) => Err(AskError::Lost),
                Err(_) => Err(AskError::Timeout),
            }
        }
    }

    fn enqueue<M>(&self, msg: M) -> Result<oneshot::Receiver<M::Result>, AskError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        if !self.shared.admit() {
            return Err(if self.is_terminated() { AskError::Terminated } else { AskError::Full });
        }
        // Either in the mailbox when this returns, or not at all: only a closed channel without a bound can refuse.
        counted(|| self.sender.send(msg)).map_err(|_closed| {
            self.shared.leave();
            if self.is_terminated() { AskError::Terminated } else { AskError::NotDelivered }
        })
    }

    fn send_admitted<M>(&self, msg: M) -> Result<(), TellError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        counted(|| self.sender.do_send(msg)).map_err(|_closed| {
            self.shared.leave();
            TellError::Terminated
        })
    }

    fn is_terminated(&self) -> bool {
        self.shared.life() == Life::Terminated
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;

    use super::*;
    use crate::{ActorSpec, Place, Strategy, Supervisor, SupervisorSpec, supervised};

    struct Idle;
    supervised!(Idle);
    impl Actor for Idle {
        type Context = SupervisedContext<Self>;
    }

    /// A clone of actix's own address allocates twice, and one per message would cost more than the message.
    #[tokio::test(start_paused = true)]
    async fn a_cloned_handle_costs_no_more_than_a_count() {
        let thread = LocalSet::new();
        let idle = thread.run_until(async {
            let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
            root.spawn(ActorSpec::new("idle", "idle"), &Place::here(), || Idle).expect("the name is free")
        });
        let idle = idle.await;
        let before = Arc::strong_count(&idle.0);
        let clones = [idle.clone(), idle.clone(), idle.clone()];
        assert_eq!(Arc::strong_count(&idle.0), before + 3);
        assert!(clones.iter().all(|clone| Arc::ptr_eq(&clone.0, &idle.0)));
    }
}
