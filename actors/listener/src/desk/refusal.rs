//! What becomes of a refusal besides its answer: a line or a count in the audit log, and a metric.
//! Refuses nothing itself.

use tillstream_logins::Refusal;
use tokio::time::Instant;

use super::login::NotAdmitted;
use super::{Client, Desk};
use crate::metrics;

/// The levels of a topic that are noted: what follows may name a person.
const LEVELS: usize = 4;

impl Desk {
    /// Somebody is not let in.
    pub(super) fn note_login(&self, user: Option<&str>, refused: &NotAdmitted) {
        let NotAdmitted { reason, label, begun, .. } = *refused;
        metrics::LOGINS_REFUSED.with_label_values(&[label]).inc();
        self.note(Refusal { user, wanted: "login", reason, begun, ..Refusal::default() });
    }

    /// The client may not publish to this topic.
    pub(super) fn note_publish(&self, topic: &str) {
        self.note_right("publish", first_levels(topic));
    }

    /// The client may not have this queue.
    pub(super) fn note_bind(&self, queue: &str) {
        self.note_right("bind", queue);
    }

    /// The client may not subscribe to these topics.
    pub(super) fn note_subscription(&self, topic: &str) {
        self.note_right("subscribe", first_levels(topic));
    }

    fn note_right(&self, wanted: &'static str, object: &str) {
        metrics::REFUSALS.with_label_values(&[wanted]).inc();
        let user = self.client().map(|Client { user, .. }| user.as_str());
        self.note(Refusal { user, wanted, object: Some(object), reason: "right", ..Refusal::default() });
    }

    fn note(&self, refusal: Refusal<'_>) {
        let refusal = Refusal { address: Some(self.address), ..refusal };
        self.hub.memory.audit().note(&refusal, Instant::now().into_std());
    }
}

fn first_levels(topic: &str) -> &str {
    topic.match_indices('/').nth(LEVELS - 1).map_or(topic, |(end, _)| &topic[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_kind_of_a_topic_is_not_noted() {
        assert_eq!(first_levels("sale/pos/transaction/receipt/STORE_1/customer"), "sale/pos/transaction/receipt");
        assert_eq!(first_levels("a/b"), "a/b");
    }
}
