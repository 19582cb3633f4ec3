//! Consumers of the client: binding to a queue, settling, unbinding.
//! Does not deliver; `advance` does, as windows and buffers allow.

use std::task::{Context, Poll, Waker};

use tillstream_broker::BindError;
use tillstream_smf::{Access, AnswerBody, Bind, Bound, CorrelationTag, FlowAck, FlowType, Permission, Response};
use tracing::{info, warn};

use super::Desk;
use crate::consumer::ConsumerFlow;

/// Of clients that state none.
const USUAL_WINDOW: u32 = 255;

impl Desk {
    pub(super) fn bind(&mut self, correlation: Option<CorrelationTag>, bind: Bind) {
        let (response, bound) = match self.bound(bind) {
            Ok(bound) => (Response::OK, Some(bound)),
            Err(refusal) => (refusal, None),
        };
        self.answer(correlation, response, AnswerBody::Bind(bound));
    }

    fn bound(&mut self, bind: Bind) -> Result<Bound, Response> {
        let queue = self.may_bind(&bind)?;
        let max_unacked = self.hub.settings.max_unacked;
        let flow_id = self.next_flow().ok_or(Response::TOO_MANY_CLIENTS_ON_QUEUE)?;
        if let Some(id) = bind.last_received
            && !self.hub.memory.has_seen(id)
        {
            warn!(connection = self.number, %queue, id, "client has seen an id that was never given, bind refused");
            return Err(Response::SERVICE_UNAVAILABLE);
        }
        let standby = Box::pin(self.hub.broker.line_up(&queue, max_unacked));
        let window = bind.window.unwrap_or(USUAL_WINDOW);
        let wants_changes = bind.wants_flow_changes == Some(true);
        let mut flow = ConsumerFlow::new(flow_id, queue.clone(), standby, window, wants_changes);
        // Whoever waits is polled again with everything else, with a waker that works.
        let active = match flow.turn(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(BindError::NoSuchQueue(_))) => return Err(Response::UNKNOWN_QUEUE),
            Poll::Ready(Err(BindError::Shut(_))) => return Err(Response::QUEUE_SHUTDOWN),
            Poll::Ready(Err(_)) => return Err(Response::SERVICE_UNAVAILABLE),
        };
        info!(connection = self.number, %queue, active, "client bound queue `{queue}`");
        self.consumers.push(flow);
        Ok(Bound {
            flow_id,
            queue: Some(queue),
            last_acked: Some(0),
            window: Some(window),
            access: Some(Access::Exclusive),
            durable: Some(true),
            granted: Some(Permission::Consume),
            others: Some(Permission::None),
            active: Some(active),
            flow_changes: wants_changes.then_some(true),
            max_unacked: u32::try_from(max_unacked).ok(),
            ..Bound::default()
        })
    }

    /// The queue, if there is one that this client may consume from in the way it wants to.
    fn may_bind(&self, bind: &Bind) -> Result<String, Response> {
        let client = self.client().ok_or(Response::FORBIDDEN)?;
        let browses = bind.flow_type == Some(FlowType::Browser);
        let selects = bind.selector.as_ref().is_some_and(|selector| !selector.is_empty());
        let Some(queue) = &bind.queue else { return Err(Response::SERVICE_UNAVAILABLE) };
        if browses || selects || bind.no_local || bind.durable == Some(false) {
            return Err(Response::SERVICE_UNAVAILABLE);
        }
        if !self.hub.broker.has_queue(queue) {
            return Err(Response::UNKNOWN_QUEUE);
        }
        if !client.rights.may_consume(queue) {
            self.note_bind(queue);
            return Err(Response::PERMISSION_NOT_ALLOWED);
        }
        Ok(queue.clone())
    }

    /// Settlements of a flow that has ended mean nothing: its messages are back in the queue.
    pub(super) fn settle(&mut self, ack: &FlowAck) {
        let flow = self.consumers.iter_mut().find(|flow| flow.id == ack.flow_id);
        flow.into_iter().for_each(|flow| flow.hear(ack));
    }

    pub(super) fn unbind(&mut self, correlation: Option<CorrelationTag>, flow_id: u32) {
        self.consumers.retain(|flow| flow.id != flow_id);
        self.answer(correlation, Response::OK, AnswerBody::Unbind { flow_id });
    }
}
