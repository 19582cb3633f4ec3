//! One client's requests, one after the other, and everything that it holds here. No socket and no clock of its own, so
//! that any frames can be put to it; all that it says goes into the outgoing buffer.
//! Does not decide when it is polled: its connection does, after every piece of input and whenever a waker says so.

mod flows;
mod login;
mod publishing;
mod refusal;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tillstream_broker::BindError;
use tillstream_smf::{
    AnswerBody, CorrelationTag, Fault, FlowChange, Frame, KeepAlive, Limits, Reply, Request, RequestBody, Response,
};
use tokio::time::Instant;
use tracing::{debug, error, warn};

use crate::accounts::Rights;
use crate::consumer::ConsumerFlow;
use crate::desk::login::Applicant;
use crate::hub::Hub;
use crate::locks::lock;
use crate::outgoing::Outgoing;
use crate::parting::Parting;
use crate::publisher::PublisherFlow;

/// What one connection holds, and where it stands.
pub(crate) struct Desk {
    hub: Arc<Hub>,
    /// The connection.
    number: u64,
    /// Where it comes from.
    address: IpAddr,
    outgoing: Arc<Outgoing>,
    phase: Phase,
    publishers: Vec<(u32, Arc<Mutex<PublisherFlow>>)>,
    consumers: Vec<ConsumerFlow>,
    last_flow: u32,
}

enum Phase {
    /// Nobody has logged in.
    Greeting,
    /// Let in, but the client name is another connection's, which may be about to end.
    Naming(Applicant),
    /// Logged in.
    Serving(Client),
    /// Over: nothing is held any more.
    Closed,
}

/// Who is logged in.
struct Client {
    user: String,
    rights: Arc<Rights>,
    /// Of the users, when it was last known that this is one with these rights.
    generation: u64,
    name: String,
    /// What the topics of its inbox begin with.
    inbox: String,
    keep_alive: Duration,
    subscriptions: BTreeSet<String>,
}

// === impl Desk ===

impl Desk {
    pub(crate) fn new(hub: Arc<Hub>, number: u64, address: IpAddr, outgoing: Arc<Outgoing>) -> Self {
        let phase = Phase::Greeting;
        Self { hub, number, address, outgoing, phase, publishers: Vec::new(), consumers: Vec::new(), last_flow: 0 }
    }

    /// How long frames may be: a stranger needs no room for messages.
    pub(crate) fn limits(&self) -> Limits {
        match self.phase {
            Phase::Serving(_) => Limits::for_payload(self.hub.broker.max_message_bytes()),
            _ => Limits::for_payload(0),
        }
    }

    /// How often the client wants a sign of life and gives one; nothing before it is logged in.
    pub(crate) fn keep_alive(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Serving(client) => Some(client.keep_alive),
            _ => None,
        }
    }

    /// When it wants to be polled though nothing happens.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Naming(applicant) => Some(applicant.next_try),
            _ => None,
        }
    }

    /// Serves one frame.
    pub(crate) fn receive(&mut self, frame: &Frame, now: Instant) -> Result<(), Parting> {
        self.is_still_welcome()?;
        match Request::decode(frame) {
            Ok(Request { correlation, body }) => self.serve(correlation, body, frame, now),
            Err(fault) => self.fault(fault),
        }
    }

    fn serve(
        &mut self,
        correlation: Option<CorrelationTag>,
        body: RequestBody,
        frame: &Frame,
        now: Instant,
    ) -> Result<(), Parting> {
        match (&self.phase, body) {
            (Phase::Closed, _) => Err(Parting::Revoked),
            (Phase::Greeting, RequestBody::Login(login)) => self.login(login, now),
            (Phase::Serving(_), body) => self.grant(correlation, body, frame),
            _ => Err(Parting::OutOfTurn),
        }
    }

    /// A request of a client that is logged in.
    fn grant(&mut self, correlation: Option<CorrelationTag>, body: RequestBody, frame: &Frame) -> Result<(), Parting> {
        match body {
            RequestBody::Login(_) => return Err(Parting::OutOfTurn),
            RequestBody::Update(update) => self.update(correlation, update),
            RequestBody::OpenPubFlow(open) => self.open_publisher(correlation, &open),
            RequestBody::ClosePubFlow { flow_id } => self.close_publisher(correlation, flow_id),
            RequestBody::Publish(published) => return self.publish(published, frame),
            RequestBody::Bind(bind) => self.bind(correlation, bind),
            RequestBody::Unbind { flow_id } => self.unbind(correlation, flow_id),
            RequestBody::FlowAck(ack) => self.settle(&ack),
            RequestBody::FlowChangeSeen(_) => {}
            RequestBody::Subscription(subscription) => self.subscribe(correlation, subscription),
            RequestBody::KeepAlive(version) => self.say(&Reply::KeepAlive(version)),
        }
        Ok(())
    }

    /// A frame that is not a request.
    fn fault(&mut self, fault: Fault) -> Result<(), Parting> {
        let serving = matches!(self.phase, Phase::Serving(_));
        match fault {
            Fault::Malformed(malformed) => Err(malformed.into()),
            _ if matches!(self.phase, Phase::Closed) => Err(Parting::Revoked),
            Fault::Ignored(what) => {
                debug!(connection = self.number, %what, "frame ignored");
                Ok(())
            }
            Fault::Refused { what, reply } => {
                debug!(connection = self.number, %what, "request refused");
                self.say(&reply);
                if serving { Ok(()) } else { Err(Parting::LoginRefused) }
            }
            Fault::Rejected { what, flow_id, message_id, previous_id } if serving => {
                debug!(connection = self.number, %what, "message refused");
                self.refuse_in_turn(flow_id, message_id, previous_id)
            }
            Fault::Rejected { .. } => Err(Parting::OutOfTurn),
        }
    }

    /// Everything that can go on without the client: the broker's words, deliveries, a name that became free.
    pub(crate) fn advance(&mut self, context: &mut Context<'_>, now: Instant) -> Result<(), Parting> {
        self.is_still_welcome()?;
        match &self.phase {
            Phase::Greeting => return Ok(()),
            Phase::Closed => return Err(Parting::Revoked),
            Phase::Naming(_) => return self.try_name(now),
            Phase::Serving(_) => {}
        }
        self.pass_words_on(context)?;
        self.deliver(context);
        Ok(())
    }

    /// Whether the client's user still has the rights of its login. One look at a number where no user was changed.
    fn is_still_welcome(&mut self) -> Result<(), Parting> {
        let Phase::Serving(client) = &mut self.phase else { return Ok(()) };
        let generation = self.hub.accounts.generation();
        if client.generation == generation {
            return Ok(());
        }
        if !self.hub.accounts.still_has(&client.user, &client.rights) {
            return Err(Parting::Dismissed);
        }
        client.generation = generation;
        Ok(())
    }

    /// Tells publishers what the broker has said.
    fn pass_words_on(&mut self, context: &mut Context<'_>) -> Result<(), Parting> {
        for (flow_id, flow) in &self.publishers {
            let mut flow = lock(flow);
            // Its client has come again and goes on there.
            if !flow.is_held_by(self.number) {
                return Err(Parting::Revoked);
            }
            flow.hear(context);
            for (message_id, response) in flow.words() {
                self.say(&Reply::rejected(*flow_id, message_id, response));
            }
        }
        Ok(())
    }

    /// Gives consumers what there is, another one first each time.
    fn deliver(&mut self, context: &mut Context<'_>) {
        let mut consumers = std::mem::take(&mut self.consumers);
        consumers.retain_mut(|flow| self.deliver_to(flow, context));
        if consumers.len() > 1 {
            consumers.rotate_left(1);
        }
        self.consumers = consumers;
    }

    /// False when the flow has ended.
    fn deliver_to(&self, flow: &mut ConsumerFlow, context: &mut Context<'_>) -> bool {
        let standby = flow.is_standby();
        let lost = match flow.turn(context) {
            Poll::Pending => return true,
            Poll::Ready(Err(reason)) => Some(reason),
            Poll::Ready(Ok(())) => {
                if standby && flow.wants_changes() {
                    self.say(&Reply::FlowChange(FlowChange { flow_id: flow.id, active: true }));
                }
                let mut out = self.outgoing.bytes();
                flow.deliver(&self.hub.memory, &mut out, self.outgoing.limit(), context).err()
            }
        };
        let Some(reason) = lost else { return true };
        warn!(connection = self.number, queue = %flow.queue, %reason, "flow ended");
        let response = match reason {
            BindError::Shut(_) => Response::QUEUE_SHUTDOWN,
            _ => Response::SERVICE_UNAVAILABLE,
        };
        self.answer(None, response, AnswerBody::Unbind { flow_id: flow.id });
        false
    }

    /// A sign of life of our own accord.
    pub(crate) fn greet(&self) {
        self.say(&Reply::KeepAlive(KeepAlive::V2));
    }

    /// Gives everything back: queues get what is not settled, publisher flows wait for their client to come again.
    pub(crate) fn close(&mut self) {
        let phase = std::mem::replace(&mut self.phase, Phase::Closed);
        self.consumers.clear();
        self.publishers.drain(..).for_each(|(_, flow)| lock(&flow).leave(self.number));
        let Phase::Serving(client) = phase else { return };
        let board = self.hub.memory.switchboard();
        client.subscriptions.iter().for_each(|subscription| board.unsubscribe(subscription, self.number));
        self.hub.memory.peers().release(&client.name, self.number);
    }

    fn answer(&self, correlation: Option<CorrelationTag>, response: Response, body: AnswerBody) {
        self.say(&Reply::answer(correlation, response, body));
    }

    /// What a client sent fits a frame, and so does what we make of it.
    fn say(&self, reply: &Reply) {
        if let Err(failure) = self.outgoing.say(reply) {
            error!(connection = self.number, error = %failure, "reply does not fit a frame");
        }
    }

    /// A number for the next flow, unless the connection has enough.
    fn next_flow(&mut self) -> Option<u32> {
        let room = self.publishers.len() + self.consumers.len() < self.hub.settings.max_flows;
        room.then(|| {
            self.last_flow = self.last_flow.wrapping_add(1);
            self.last_flow
        })
    }

    /// Only asked while it serves.
    fn client(&self) -> Option<&Client> {
        match &self.phase {
            Phase::Serving(client) => Some(client),
            _ => None,
        }
    }
}

impl Drop for Desk {
    /// A desk that was not closed belongs to a task that was dropped.
    fn drop(&mut self) {
        self.close();
    }
}
