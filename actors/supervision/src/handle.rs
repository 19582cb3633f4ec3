//! The stable reference to one actor: tell, push and ask with a mailbox bound that really holds.
//! Does not know how or where the actor runs; restarts are invisible here except for the message in hand, and a change
//! of its thread except for the mailbox.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Handler, Message, Supervised};

use crate::context::SupervisedContext;
use crate::error::{AskError, TellError};
use crate::port::Port;
use crate::seat::Seat;

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

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;
    use tokio::time::Instant;

    use super::*;
    use crate::{ActorSpec, Place, Strategy, Supervisor, SupervisorSpec, Watchdog, WatchdogSettings, supervised};

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

    /// A lost wake-up cannot be caused from outside, so the place of a message that never comes stands for it.
    #[tokio::test]
    async fn an_actor_that_sleeps_on_a_message_is_restarted_in_place() {
        let place = Place::arbiter("idle");
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
        let idle = root.spawn(ActorSpec::new("idle", "idle"), &place, || Idle).expect("the name is free");
        idle.started().await.expect("it starts");
        let (every, hung_after) = (Duration::from_millis(10), Duration::from_millis(100));
        let settings = WatchdogSettings { every, hung_after, ..WatchdogSettings::default() };
        let _watchdog = Watchdog::start(&root, settings, |text| panic!("nobody expects {text}"));

        idle.0.shared.vitals().admit_beyond_bound();

        let deadline = Instant::now() + Duration::from_secs(60);
        while root.tree().children[0].generation == 1 {
            assert!(Instant::now() < deadline, "`root.idle` sleeps on: {:#?}", root.tree());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let failure = root.tree().children[0].last_failure.clone();
        assert_eq!(failure.as_deref(), Some("hung: messages wait, its thread is free, and nothing wakes it"));
    }
}
