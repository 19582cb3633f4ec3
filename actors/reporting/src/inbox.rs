//! Messages that a flow has handed over and that no commit covers yet, in the queue's order and bounded.
//! Does not read payloads; decides only what is taken, what has to wait and what belongs to a binding that is gone.

use std::collections::VecDeque;

use tillstream_messages::{DeliveryTag, InboundMessage};
use tillstream_traces::Step;
use tokio::sync::oneshot;

/// What became of a delivery.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Send more.
    Now,
    /// Taken; answer the flow when this resolves, because there is no more room.
    Later(oneshot::Receiver<()>),
    /// Of a binding that this incarnation does not follow: not taken, to be delivered again.
    Stale,
}

/// The uncommitted messages of one consumer.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// The binding whose deliveries are taken. `None` until this incarnation has seen a bind: a restarted consumer that took the
    /// rest of an old binding would fold messages before those that it lost, and so in another order than the queue's.
    epoch: Option<u32>,
    /// Number of the newest message that was taken of that binding. A flow that waited in vain for the answer sends its batch again,
    /// and while nothing can be committed each repetition would be kept beside the first.
    newest: u64,
    waiting: VecDeque<InboundMessage>,
    /// Spans of the sampled ones among `waiting`, in the same order.
    steps: VecDeque<(DeliveryTag, Step)>,
    /// How many of `waiting`, from the front, are in a commit.
    writing: usize,
    /// Flows that wait for room.
    held: Vec<oneshot::Sender<()>>,
    capacity: usize,
}

impl Inbox {
    /// An empty inbox that makes flows wait beyond `capacity` messages.
    pub(crate) fn new(capacity: usize) -> Self {
        let (waiting, held) = (VecDeque::new(), Vec::new());
        Self { epoch: None, newest: 0, waiting, steps: VecDeque::new(), writing: 0, held, capacity: capacity.max(1) }
    }

    /// The flow is bound: what waited came from an older binding and comes again, except what a commit has in hand.
    pub(crate) fn bound(&mut self, epoch: u32) {
        self.waiting.truncate(self.writing);
        let kept = self.traced_in_commit();
        self.steps.drain(kept..).for_each(|(_, mut step)| step.fail("flow bound anew"));
        self.epoch = Some(epoch);
        self.newest = 0;
        self.make_room();
    }

    /// The flow is down; nothing is taken until it is bound again.
    pub(crate) fn lost(&mut self) {
        self.epoch = None;
    }

    /// Whether a binding is followed.
    pub(crate) fn is_bound(&self) -> bool {
        self.epoch.is_some()
    }

    /// Takes a delivery of the followed binding; `begin` begins the span of a message that is taken and belongs to a trace.
    pub(crate) fn take(
        &mut self,
        epoch: u32,
        messages: Vec<InboundMessage>,
        begin: impl Fn(&InboundMessage) -> Step,
    ) -> Taken {
        if self.epoch != Some(epoch) {
            return Taken::Stale;
        }
        let known = self.newest;
        self.newest = messages.last().map_or(known, |message| known.max(message.tag.number));
        let is_new = |message: &InboundMessage| message.tag.number > known;
        for message in messages.iter().filter(|message| message.trace.is_some() && is_new(message)) {
            let step = begin(message);
            if step.is_kept() {
                self.steps.push_back((message.tag, step));
            }
        }
        self.waiting.extend(messages.into_iter().filter(is_new));
        if self.waiting.len() < self.capacity {
            return Taken::Now;
        }
        // Of the same flow, so it waits for one answer at a time.
        self.held.clear();
        let (room, answer) = oneshot::channel();
        self.held.push(room);
        Taken::Later(answer)
    }

    /// Everything that waits, oldest first, for one commit. They stay here until [`Self::committed`].
    pub(crate) fn begin_commit(&mut self) -> Vec<InboundMessage> {
        self.writing = self.waiting.len();
        self.waiting.iter().cloned().collect()
    }

    /// The commit is durable. Returns the spans of its messages, which end with that.
    pub(crate) fn committed(&mut self) -> Vec<(DeliveryTag, Step)> {
        let traced = self.traced_in_commit();
        self.waiting.drain(..self.writing);
        self.writing = 0;
        self.make_room();
        self.steps.drain(..traced).collect()
    }

    /// The commit failed: its messages wait at the front for the next one.
    pub(crate) fn failed(&mut self) {
        self.writing = 0;
    }

    /// Whether nothing waits for a commit.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.len() == self.writing
    }

    /// Whether a commit should not wait for more to come.
    pub(crate) fn is_pressing(&self) -> bool {
        (self.waiting.len() - self.writing) * 2 >= self.capacity
    }

    /// How many of `steps`, from the front, are of messages in a commit. Tags grow, over bindings too.
    fn traced_in_commit(&self) -> usize {
        let last = self.writing.checked_sub(1).and_then(|last| self.waiting.get(last));
        let last = last.map(|message| message.tag);
        self.steps.partition_point(|(tag, _)| Some(*tag) <= last)
    }

    fn make_room(&mut self) {
        if self.waiting.len() >= self.capacity {
            return;
        }
        for room in self.held.drain(..) {
            // A flow that no longer waits has restarted; it binds anew.
            let _ = room.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tillstream_messages::DeliveryTag;

    use super::*;

    fn messages_for_test(epoch: u32, numbers: std::ops::Range<u64>) -> Vec<InboundMessage> {
        let message = |number| InboundMessage {
            tag: DeliveryTag { epoch, number },
            topic: "t".into(),
            payload: Bytes::new(),
            redelivered: false,
            trace: None,
        };
        numbers.map(message).collect()
    }

    fn take_for_test(inbox: &mut Inbox, epoch: u32, messages: Vec<InboundMessage>) -> Taken {
        inbox.take(epoch, messages, |_| Step::none())
    }

    #[test]
    fn the_rest_of_a_binding_that_a_lost_incarnation_followed_is_not_taken() {
        let mut inbox = Inbox::new(10);

        assert!(matches!(take_for_test(&mut inbox, 3, messages_for_test(3, 5..7)), Taken::Stale));

        inbox.bound(4);
        assert!(matches!(take_for_test(&mut inbox, 4, messages_for_test(4, 1..7)), Taken::Now));
        assert_eq!(inbox.begin_commit().len(), 6);
    }

    #[test]
    fn a_flow_waits_when_the_inbox_is_full_and_goes_on_after_the_commit() {
        let mut inbox = Inbox::new(2);
        inbox.bound(1);

        let Taken::Later(mut room) = take_for_test(&mut inbox, 1, messages_for_test(1, 1..4)) else {
            panic!("there was room")
        };
        assert!(room.try_recv().is_err());

        assert_eq!(inbox.begin_commit().len(), 3);
        inbox.committed();
        assert_eq!(room.try_recv(), Ok(()));
    }

    #[test]
    fn a_flow_that_sends_a_batch_again_while_nothing_can_be_committed_costs_no_memory() {
        let mut inbox = Inbox::new(2);
        inbox.bound(1);
        for _ in 0..100 {
            assert!(matches!(take_for_test(&mut inbox, 1, messages_for_test(1, 1..4)), Taken::Later(_)));
        }

        assert_eq!((inbox.begin_commit().len(), inbox.held.len()), (3, 1));
        inbox.committed();
        assert!(matches!(take_for_test(&mut inbox, 1, messages_for_test(1, 1..5)), Taken::Now));
        assert_eq!(inbox.begin_commit().len(), 1, "only the new one");

        inbox.bound(2);
        let _ = take_for_test(&mut inbox, 2, messages_for_test(2, 1..3));
        assert_eq!(inbox.waiting.len() - inbox.writing, 2, "another binding counts anew");
    }

    #[test]
    fn a_failed_commit_is_tried_again_with_the_same_messages_in_front() {
        let mut inbox = Inbox::new(10);
        inbox.bound(1);
        let _ = take_for_test(&mut inbox, 1, messages_for_test(1, 1..3));
        inbox.begin_commit();
        let _ = take_for_test(&mut inbox, 1, messages_for_test(1, 3..4));

        inbox.failed();

        let numbers: Vec<u64> = inbox.begin_commit().iter().map(|message| message.tag.number).collect();
        assert_eq!(numbers, [1, 2, 3]);
    }

    #[test]
    fn a_new_binding_keeps_only_what_a_commit_has_in_hand() {
        let mut inbox = Inbox::new(10);
        inbox.bound(1);
        let _ = take_for_test(&mut inbox, 1, messages_for_test(1, 1..3));
        inbox.begin_commit();
        let _ = take_for_test(&mut inbox, 1, messages_for_test(1, 3..5));

        inbox.bound(2);
        inbox.committed();

        assert!(inbox.begin_commit().is_empty());
    }
}
