//! Who consumes a queue: the one flow that is bound, and those that stand by for it to end.
//! Does not deliver; a flow that gets its turn asks for messages as any other does.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

use crate::errors::BindError;
use crate::shared::remember;
use crate::state::State;

/// One binding of one queue, from when it is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) queue: u16,
    /// Unique in this broker, and later ones are greater.
    pub(crate) binding: u64,
}

/// The one flow that is bound.
#[derive(Debug)]
pub(crate) struct Consumer {
    /// So that a flow which was superseded notices.
    pub(crate) binding: u64,
    /// Who may supersede it.
    pub(crate) owner: Option<u64>,
    pub(crate) max_unacked: usize,
    /// Set while the consumer waits for something to be deliverable.
    pub(crate) waker: Option<Waker>,
}

/// Who waits for their turn, by binding: first come, first served. There is nobody unless a consumer is bound, since
/// whoever is first takes the place in the same moment in which it becomes free.
pub(crate) type Line = BTreeMap<u64, Standby>;

/// A flow that waits for its turn.
#[derive(Debug)]
pub(crate) struct Standby {
    max_unacked: usize,
    waker: Option<Waker>,
}

// === impl Standby ===

impl Standby {
    pub(crate) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take()
    }
}

// === impl State ===

impl State {
    /// Binds the queue's only consumer and says where; the waker is of a consumer that it supersedes.
    pub(crate) fn bind(
        &mut self,
        name: &str,
        max_unacked: usize,
        owner: Option<u64>,
    ) -> Result<(Bound, Option<Waker>), BindError> {
        let index = self.find_open(name)?;
        let queue = &mut self.queues[index as usize];
        if queue.consumer.as_ref().is_some_and(|consumer| owner.is_none() || consumer.owner != owner) {
            return Err(BindError::Taken(name.to_owned()));
        }
        let superseded = queue.take_waker();
        if queue.consumer.is_some() {
            self.release(index);
        }
        let bound = self.next_binding(index);
        let consumer = Consumer { binding: bound.binding, owner, max_unacked, waker: None };
        self.queues[index as usize].consumer = Some(consumer);
        Ok((bound, superseded))
    }

    /// Binds the queue as soon as everybody who came before has gone, which may be at once.
    pub(crate) fn line_up(&mut self, name: &str, max_unacked: usize) -> Result<Bound, BindError> {
        let index = self.find_open(name)?;
        let bound = self.next_binding(index);
        let queue = &mut self.queues[index as usize];
        if queue.consumer.is_some() {
            queue.line.insert(bound.binding, Standby { max_unacked, waker: None });
        } else {
            queue.consumer = Some(Consumer { binding: bound.binding, owner: None, max_unacked, waker: None });
        }
        Ok(bound)
    }

    /// Whether this binding's turn has come.
    pub(crate) fn poll_turn(&mut self, bound: Bound, context: &Context<'_>) -> Poll<Result<(), BindError>> {
        if self.closed {
            return Poll::Ready(Err(BindError::Closed));
        }
        if let Some(reason) = self.turned_out(bound) {
            return Poll::Ready(Err(reason));
        }
        match self.queues[bound.queue as usize].line.get_mut(&bound.binding) {
            Some(standby) => {
                remember(&mut standby.waker, context.waker());
                Poll::Pending
            }
            None => Poll::Ready(Ok(())),
        }
    }

    /// Whether this binding is the queue's at the moment.
    pub(crate) fn holds(&self, bound: Bound) -> bool {
        let consumer = &self.queues[bound.queue as usize].consumer;
        consumer.as_ref().is_some_and(|consumer| consumer.binding == bound.binding)
    }

    /// Why this binding has ended, if that is because the queue was shut.
    fn turned_out(&self, bound: Bound) -> Option<BindError> {
        let queue = &self.queues[bound.queue as usize];
        (bound.binding <= queue.sides.turned_out).then(|| BindError::Shut(queue.spec.name.clone()))
    }

    /// Why this binding, whose turn had come, is the queue's no more.
    pub(crate) fn end_of(&self, bound: Bound) -> BindError {
        let name = || self.queues[bound.queue as usize].spec.name.clone();
        self.turned_out(bound).unwrap_or_else(|| BindError::Superseded(name()))
    }

    /// A binding is given up, whether its turn has come, is over or is yet to come. Returns who is bound in its place.
    pub(crate) fn unbind(&mut self, bound: Bound) -> Option<Waker> {
        if !self.holds(bound) {
            self.queues[bound.queue as usize].line.remove(&bound.binding);
            return None;
        }
        self.release(bound.queue);
        let queue = &mut self.queues[bound.queue as usize];
        let (binding, Standby { max_unacked, waker }) = queue.line.pop_first()?;
        queue.consumer = Some(Consumer { binding, owner: None, max_unacked, waker: None });
        waker
    }

    /// The queue of this name, unless no spec names it any more and it is empty.
    pub(crate) fn bindable(&self, name: &str) -> Option<u16> {
        let index = *self.names.get(name)?;
        let queue = &self.queues[index as usize];
        (!queue.retired || queue.depth > 0).then_some(index)
    }

    fn find_open(&self, name: &str) -> Result<u16, BindError> {
        if self.closed {
            return Err(BindError::Closed);
        }
        let index = self.bindable(name).ok_or_else(|| BindError::NoSuchQueue(name.to_owned()))?;
        if self.queues[index as usize].sides.outgoing_shut {
            return Err(BindError::Shut(name.to_owned()));
        }
        Ok(index)
    }

    /// The consumer is gone: what it had comes again, in the old order.
    pub(crate) fn release(&mut self, index: u16) {
        let queue = &mut self.queues[index as usize];
        queue.consumer = None;
        queue.ahead.clear();
        let held: Vec<_> =
            queue.parts.iter().filter(|part| part.inflight != 0).map(|part| (part.chunk, part.inflight)).collect();
        for (chunk, mask) in held {
            self.return_messages(index, chunk, mask);
        }
        self.queues[index as usize].show();
    }

    fn next_binding(&mut self, queue: u16) -> Bound {
        self.bindings += 1;
        Bound { queue, binding: self.bindings }
    }
}
