//! The handle of a queue's consumer.
//! Does not keep messages: what the consumer has is known to the queue.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use crate::binding::Bound;
use crate::errors::BindError;
use crate::message::Delivery;
use crate::shared::Shared;
use crate::state::{State, Taken};

/// The one binding of a queue. Dropping it gives everything unacknowledged back, and whoever is next in line gets their
/// turn in the same moment.
pub struct Flow {
    shared: Arc<Shared>,
    bound: Bound,
}

/// Whose flow it is: a newer one of the same owner supersedes it (see [`Broker::bind_again`](crate::Broker::bind_again)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowOwner(pub(crate) u64);

// === impl FlowOwner ===

impl FlowOwner {
    /// Another owner than all others in this process.
    #[expect(clippy::new_without_default, reason = "two defaults would not be equal")]
    pub fn new() -> Self {
        static OWNERS: AtomicU64 = AtomicU64::new(0);
        Self(OWNERS.fetch_add(1, Ordering::Relaxed))
    }
}

// === impl Flow ===

impl Flow {
    pub(crate) fn new(shared: Arc<Shared>, bound: Bound) -> Self {
        Self { shared, bound }
    }

    /// Waits until everybody has gone who stood in line before it.
    pub(crate) async fn turn(&self) -> Result<(), BindError> {
        poll_fn(|context| self.shared.state().poll_turn(self.bound, context)).await
    }

    /// Waits until at least one message can be delivered (the window is free), then returns up to `max`, oldest first.
    /// `Err` when the broker is closed, the queue is shut or its owner has bound it again. May be dropped while it waits without losing a message.
    pub async fn next_batch(&mut self, max: usize) -> Result<Vec<Delivery>, BindError> {
        poll_fn(|context| self.poll_batch(max, context)).await
    }

    fn poll_batch(&self, max: usize, context: &mut Context<'_>) -> Poll<Result<Vec<Delivery>, BindError>> {
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.shared.state();
        if state.closed {
            return Poll::Ready(Err(BindError::Closed));
        }
        if !state.holds(self.bound) {
            return Poll::Ready(Err(state.end_of(self.bound)));
        }
        let taken = state.take(self.bound.queue, max, now_ms, context.waker());
        drop(state);
        match taken {
            Taken::Messages(messages) => {
                // The position is written with the next commit, so that a restart knows what had been delivered.
                self.shared.mark_dirty();
                Poll::Ready(Ok(messages))
            }
            Taken::Nothing => Poll::Pending,
            Taken::OnDisk => {
                self.shared.inbox.ring();
                Poll::Pending
            }
        }
    }

    /// Acknowledges, in any order; what this flow does not have is ignored. Durable with a later commit: an
    /// acknowledgement that is lost in a crash means that the message comes again.
    pub fn acknowledge(&self, ids: &[u64]) {
        self.settle(|state, queue| state.acknowledge(queue, ids));
    }

    /// Refuses messages: each counts against the queue's redelivery limit and comes again in its old place, or goes to
    /// the dead-message queue.
    pub fn reject(&self, ids: &[u64]) {
        self.settle(|state, queue| state.reject(queue, ids));
    }

    /// Gives messages up that no attempt will make welcome: each goes to the dead-message queue at once, or is dropped and
    /// counted when there is none.
    pub fn discard(&self, ids: &[u64]) {
        self.settle(|state, queue| state.discard(queue, ids));
    }

    fn settle(&self, change: impl FnOnce(&mut State, u16)) {
        let waker = {
            let mut state = self.shared.state();
            if !state.holds(self.bound) {
                return;
            }
            change(&mut state, self.bound.queue);
            state.queues[self.bound.queue as usize].take_waker()
        };
        self.shared.mark_dirty();
        waker.into_iter().for_each(std::task::Waker::wake);
    }

    /// Messages that this flow has and has not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        let state = self.shared.state();
        if state.holds(self.bound) { state.queues[self.bound.queue as usize].unacked as usize } else { 0 }
    }

    /// Whether this flow has every message that the queue holds.
    pub fn has_all(&self) -> bool {
        let state = self.shared.state();
        let queue = &state.queues[self.bound.queue as usize];
        state.holds(self.bound) && queue.depth == queue.unacked
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let held = state.holds(self.bound);
        let next = state.unbind(self.bound);
        drop(state);
        if held {
            self.shared.mark_dirty();
        }
        next.into_iter().for_each(std::task::Waker::wake);
    }
}
