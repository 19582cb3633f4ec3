//! One message type of some actor, without the actor: what an actor holds of its next.
//! Offers nothing that a handle does not; it only hides who is behind.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::{Actor, Handler, Message};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::context::SupervisedContext;
use crate::error::{AskError, TellError};
use crate::seat::Seat;

type Answer<M> = Pin<Box<dyn Future<Output = Result<<M as Message>::Result, AskError>> + Send>>;

/// Like actix's Recipient, but stable over restarts: tell, push, ask of ONE message type. Clone + Send + Sync.
pub struct Port<M: Message>(Arc<dyn Door<M>>);

impl<M: Message> Clone for Port<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Message> std::fmt::Debug for Port<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Port<{}>", std::any::type_name::<M>())
    }
}

impl<M> Port<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    /// A port whose actor is spawned later (the one way to wire a cycle).
    ///
    /// Until `slot.bind(port)` it behaves like a restarting actor without a mailbox: tell and push fail with `Full`,
    /// ask waits and says `NotDelivered` at its deadline.
    pub fn deferred() -> (Port<M>, Slot<M>) {
        let later = Arc::new(Deferred { bound: OnceLock::new(), changed: Notify::new() });
        (Port(Arc::new(Arc::clone(&later))), Slot(later))
    }

    /// Bounded by the mailbox capacity; refuses when full.
    pub fn tell(&self, msg: M) -> Result<(), TellError> {
        self.0.tell(msg)
    }

    /// Ignores the mailbox bound: only for traffic that is bounded elsewhere.
    pub fn push(&self, msg: M) -> Result<(), TellError> {
        self.0.push(msg)
    }

    /// Refuses at once with `Full` when the mailbox is full; otherwise waits through restarts up to the deadline.
    pub fn ask(&self, msg: M, within: Duration) -> Pin<Box<dyn Future<Output = Result<M::Result, AskError>> + Send>> {
        self.0.ask(msg, within)
    }

    /// A port to several actors that do the same: tell and ask try the next one where a mailbox is full, push takes the first.
    pub fn first_free(ports: Vec<Port<M>>) -> Port<M>
    where
        M: Clone,
    {
        Port(Arc::new(FirstFree(ports.into())))
    }

    /// For tests: a port that hands every message to a closure (runs on the caller's thread).
    pub fn from_fn(f: impl Fn(M) -> M::Result + Send + Sync + 'static) -> Port<M> {
        Port(Arc::new(Closure(f)))
    }

    pub(crate) fn of<A>(seat: Arc<Seat<A>>) -> Port<M>
    where
        A: Actor<Context = SupervisedContext<A>> + Handler<M>,
    {
        Port(seat)
    }
}

/// The other end of a deferred port.
pub struct Slot<M: Message>(Arc<Deferred<M>>);

impl<M> Slot<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    /// Connects the deferred port and all of its clones, for good.
    pub fn bind(self, port: Port<M>) {
        // A slot is used up by binding, so the cell is empty.
        let _ = self.0.bound.set(port);
        self.0.changed.notify_waiters();
    }
}

trait Door<M: Message>: Send + Sync {
    fn tell(&self, msg: M) -> Result<(), TellError>;
    fn push(&self, msg: M) -> Result<(), TellError>;
    fn ask(&self, msg: M, within: Duration) -> Answer<M>;
}

impl<A, M> Door<M> for Seat<A>
where
    A: Actor<Context = SupervisedContext<A>> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn tell(&self, msg: M) -> Result<(), TellError> {
        Seat::tell(self, msg)
    }

    fn push(&self, msg: M) -> Result<(), TellError> {
        Seat::push(self, msg)
    }

    fn ask(&self, msg: M, within: Duration) -> Answer<M> {
        Box::pin(Seat::ask(self, msg, within))
    }
}

struct Deferred<M: Message> {
    bound: OnceLock<Port<M>>,
    changed: Notify,
}

impl<M> Deferred<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    async fn bound(self: Arc<Self>) -> Port<M> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(port) = self.bound.get() {
                return port.clone();
            }
            changed.await;
        }
    }
}

impl<M> Door<M> for Arc<Deferred<M>>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn tell(&self, msg: M) -> Result<(), TellError> {
        self.bound.get().ok_or(TellError::Full)?.tell(msg)
    }

    fn push(&self, msg: M) -> Result<(), TellError> {
        self.bound.get().ok_or(TellError::Full)?.push(msg)
    }

    fn ask(&self, msg: M, within: Duration) -> Answer<M> {
        if let Some(port) = self.bound.get() {
            return port.ask(msg, within);
        }
        let deadline = Instant::now() + within;
        let bound = Arc::clone(self).bound();
        Box::pin(async move {
            let port = timeout_at(deadline, bound).await.map_err(|_| AskError::NotDelivered)?;
            port.ask(msg, deadline.saturating_duration_since(Instant::now())).await
        })
    }
}

struct FirstFree<M: Message>(Arc<[Port<M>]>);

impl<M> Door<M> for FirstFree<M>
where
    M: Message + Clone + Send + 'static,
    M::Result: Send,
{
    fn tell(&self, msg: M) -> Result<(), TellError> {
        let mut told = self.0.iter().map(|port| port.tell(msg.clone()));
        told.find(|told| *told != Err(TellError::Full)).unwrap_or(Err(TellError::Full))
    }

    fn push(&self, msg: M) -> Result<(), TellError> {
        self.0.first().ok_or(TellError::Terminated)?.push(msg)
    }

    fn ask(&self, msg: M, within: Duration) -> Answer<M> {
        let (ports, deadline) = (Arc::clone(&self.0), Instant::now() + within);
        Box::pin(async move {
            for port in ports.iter() {
                let left = deadline.saturating_duration_since(Instant::now());
                match port.ask(msg.clone(), left).await {
                    Err(AskError::Full) => {}
                    answer => return answer,
                }
            }
            Err(AskError::Full)
        })
    }
}

struct Closure<F>(F);

impl<M, F> Door<M> for Closure<F>
where
    M: Message + Send + 'static,
    M::Result: Send,
    F: Fn(M) -> M::Result + Send + Sync,
{
    fn tell(&self, msg: M) -> Result<(), TellError> {
        (self.0)(msg);
        Ok(())
    }

    fn push(&self, msg: M) -> Result<(), TellError> {
        Door::tell(self, msg)
    }

    fn ask(&self, msg: M, _within: Duration) -> Answer<M> {
        let answer = (self.0)(msg);
        Box::pin(std::future::ready(Ok(answer)))
    }
}
