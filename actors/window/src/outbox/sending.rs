//! One attempt to publish an event: asks whoever takes it, as a span of the event's trace where it has one.
//! Does not try again and does not log.

use std::time::Duration;

use tillstream_messages::{PublishAggregate, PublishMessage, TraceContext};
use tillstream_traces::Sent;

use super::OutboxPorts;
use super::publishing::Next;
use super::verdict::{Verdict, aggregate_verdict, message_failure, message_verdict};
use crate::state::PendingEvent;

/// How long a publication may take before it is tried again.
const PUBLISH_WITHIN: Duration = Duration::from_secs(10);

/// What the event's consumers hear of its trace is the attempt's own span; for an aggregate that is the validator's business.
pub(super) fn send(ports: &OutboxPorts, next: Next) -> impl Future<Output = Verdict> + use<> {
    let (aggregates, messages) = (ports.aggregates.clone(), ports.messages.clone());
    let Next { key, event, trace } = next;
    let what = if key.is_late() { Sent::Late } else { Sent::Rejected };
    async move {
        match event {
            PendingEvent::Aggregate(event) => {
                aggregate_verdict(aggregates.ask(PublishAggregate { event, trace }, PUBLISH_WITHIN).await)
            }
            PendingEvent::Message(message) => {
                let mut step = tillstream_traces::send(what, &message.message_id, trace.as_ref());
                let message = PublishMessage { trace: step.context_or(trace), ..message };
                let answer = messages.ask(message, PUBLISH_WITHIN).await;
                if let Some(kind) = message_failure(&answer) {
                    step.fail(kind);
                }
                message_verdict(answer)
            }
        }
    }
}

impl Next {
    /// The trace that log lines about it belong to.
    pub(super) fn ids(&self) -> Option<tillstream_messages::TraceIds> {
        self.trace.as_ref().map(TraceContext::ids)
    }
}
