//! Messages from the client: guaranteed ones on publisher flows, direct ones to whoever has subscribed.
//! Answers none of the guaranteed ones itself: their fates are told in order, as `publisher` says.

use std::sync::Arc;

use tillstream_smf::{
    AnswerBody, Content, CorrelationTag, Destination, Frame, OpenPubFlow, PubFlow, Published, Response,
};

use super::Desk;
use crate::content;
use crate::locks::lock;
use crate::metrics;
use crate::parting::Parting;
use crate::publisher::{Addressed, Arrival, Fate};
use crate::topics::fits;

impl Desk {
    pub(super) fn open_publisher(&mut self, correlation: Option<CorrelationTag>, open: &OpenPubFlow) {
        let (response, opened) = match self.publisher_flow(open) {
            Ok(flow) => (Response::OK, Some(flow)),
            Err(refusal) => (refusal, None),
        };
        self.answer(correlation, response, AnswerBody::OpenPubFlow(opened));
    }

    fn publisher_flow(&mut self, open: &OpenPubFlow) -> Result<PubFlow, Response> {
        let user = self.client().ok_or(Response::FORBIDDEN)?.user.clone();
        let flow_id = self.next_flow().ok_or(Response::SERVICE_UNAVAILABLE)?;
        let memory = self.hub.memory.clone();
        let own = self.hub.settings.publish_window;
        let window = open.window.map_or(own, |wanted| u8::try_from(wanted).unwrap_or(u8::MAX).min(own));
        let (flow, client_knows) = match open.flow_name.as_str() {
            "" => (memory.new_publisher(&user, self.hub.settings.remembered_publishers), 0),
            name => (memory.publisher(name).ok_or(Response::UNKNOWN_FLOW_NAME)?, open.last_acked),
        };
        let opened = {
            let mut held = lock(&flow);
            let earlier = held.holder().filter(|holder| *holder != self.number);
            let known = held.resume(self.number, &user, client_knows, window).ok_or(Response::UNKNOWN_FLOW_NAME)?;
            // Its client is here now, so nobody listens there.
            earlier.into_iter().for_each(|number| memory.peers().cut(number));
            PubFlow {
                flow_id,
                last_acked: known,
                window: Some(window.into()),
                flow_name: Some(held.name.clone()),
                publisher_id: Some(held.publisher_id),
            }
        };
        self.publishers.retain(|(_, other)| !Arc::ptr_eq(other, &flow));
        self.publishers.push((flow_id, flow));
        Ok(opened)
    }

    pub(super) fn close_publisher(&mut self, correlation: Option<CorrelationTag>, flow_id: u32) {
        if let Some(at) = self.publishers.iter().position(|(id, _)| *id == flow_id) {
            let (_, flow) = self.publishers.swap_remove(at);
            let name = lock(&flow).name.clone();
            self.hub.memory.forget_publisher(&name);
        }
        self.answer(correlation, Response::OK, AnswerBody::ClosePubFlow { flow_id });
    }

    pub(super) fn publish(&mut self, published: Published, frame: &Frame) -> Result<(), Parting> {
        let Published { content, guaranteed } = published;
        match guaranteed {
            Some(ids) => self.arrived(ids.flow_id, ids.message_id, ids.previous_id, |desk| desk.fate(content)),
            None => {
                self.pass_on(&content, frame);
                Ok(())
            }
        }
    }

    /// A guaranteed message that cannot be understood takes its place in the line of those that can.
    pub(super) fn refuse_in_turn(&mut self, flow_id: u32, id: u64, previous: u64) -> Result<(), Parting> {
        self.arrived(flow_id, id, previous, |_| Fate::Refused(Response::SERVICE_UNAVAILABLE))
    }

    fn arrived(&self, flow_id: u32, id: u64, previous: u64, fate: impl FnOnce(&Self) -> Fate) -> Result<(), Parting> {
        // The client may not know yet that the flow is closed.
        let Some((_, flow)) = self.publishers.iter().find(|(known, _)| *known == flow_id) else { return Ok(()) };
        let mut flow = lock(flow);
        if !flow.is_held_by(self.number) {
            return Err(Parting::Revoked);
        }
        match flow.arrive(id, previous) {
            Arrival::Next => flow.take(id, fate(self)),
            Arrival::Again | Arrival::Gap => {}
            Arrival::Flood => return Err(Parting::Flood),
        }
        Ok(())
    }

    /// Gives a message to the broker, if the client may publish it.
    fn fate(&self, content: Content) -> Fate {
        if !self.client().is_some_and(|client| client.rights.may_publish(&content.topic)) {
            self.note_publish(&content.topic);
            return Fate::Refused(Response::PUBLISH_ACL_DENIED);
        }
        let broker = &self.hub.broker;
        match content.destination() {
            Destination::Topic(_) => Fate::WithBroker(broker.publish(content::to_outbound(content)), Addressed::Topic),
            Destination::Queue(queue) => {
                let queue = queue.to_owned();
                Fate::WithBroker(broker.publish_to(&queue, content::to_outbound(content)), Addressed::Queue)
            }
        }
    }

    /// Nobody is told what becomes of a direct message.
    fn pass_on(&self, content: &Content, frame: &Frame) {
        if !self.client().is_some_and(|client| client.rights.may_publish(&content.topic)) {
            metrics::DIRECT_DROPPED.with_label_values(&["denied"]).inc();
            self.note_publish(&content.topic);
            return;
        }
        if !fits(&content.topic) {
            metrics::DIRECT_DROPPED.with_label_values(&["topic"]).inc();
            return;
        }
        self.hub.memory.switchboard().pass_on(&content.topic, frame.bytes());
    }
}
