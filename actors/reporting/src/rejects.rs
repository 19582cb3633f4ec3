//! Messages that cannot be counted as what they claim: published under the rejected topic, and only then acknowledged.
//! Does not decide what is rejected and does not count it; the books do.

use std::collections::VecDeque;

use tillstream_domain::RejectedMessage;
use tillstream_messages::{DeliveryTag, TraceContext};

/// One message and why it was refused.
#[derive(Debug, Clone)]
pub(crate) struct Reject {
    /// To be acknowledged once the document is on the broker.
    pub(crate) tag: DeliveryTag,
    /// For the operator who reads the rejected queue.
    pub(crate) document: RejectedMessage,
    /// The message's trace.
    pub(crate) trace: Option<TraceContext>,
}

/// Rejects that are counted on disk and wait for their publication, oldest first.
#[derive(Debug, Default)]
pub(crate) struct RejectDesk {
    waiting: VecDeque<Reject>,
    /// The first of `waiting` is being published.
    busy: bool,
}

impl RejectDesk {
    /// Adds what a commit has counted.
    pub(crate) fn extend(&mut self, rejects: Vec<Reject>) {
        self.waiting.extend(rejects);
    }

    /// The next to publish, unless one is on its way.
    pub(crate) fn begin(&mut self) -> Option<Reject> {
        if self.busy {
            return None;
        }
        let next = self.waiting.front().cloned()?;
        self.busy = true;
        Some(next)
    }

    /// The publication ended; one that failed stays in front, one that succeeded may be acknowledged.
    pub(crate) fn finish(&mut self, published: bool) -> Option<DeliveryTag> {
        self.busy = false;
        if published { self.waiting.pop_front().map(|reject| reject.tag) } else { None }
    }

    /// Forgets what another binding delivered: it comes again. What is being published stays.
    pub(crate) fn rebound(&mut self) {
        self.waiting.truncate(usize::from(self.busy));
    }
}

#[cfg(test)]
mod tests {
    use tillstream_domain::PoisonPayload;

    use super::*;

    fn reject_for_test(number: u64) -> Reject {
        let document = RejectedMessage::poison("q", b"?", &PoisonPayload::NotPaid);
        Reject { tag: DeliveryTag { epoch: 1, number }, document, trace: None }
    }

    #[test]
    fn a_reject_is_acknowledged_only_after_its_publication() {
        let mut desk = RejectDesk::default();
        desk.extend(vec![reject_for_test(1), reject_for_test(2)]);

        assert_eq!(desk.begin().map(|reject| reject.tag.number), Some(1));
        assert!(desk.begin().is_none(), "one at a time");
        assert_eq!(desk.finish(false), None);

        assert_eq!(desk.begin().map(|reject| reject.tag.number), Some(1));
        assert_eq!(desk.finish(true).map(|tag| tag.number), Some(1));
        assert_eq!(desk.begin().map(|reject| reject.tag.number), Some(2));
    }
}
