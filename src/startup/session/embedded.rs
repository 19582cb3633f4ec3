//! The session on the broker of this process: one publisher for everybody, because nobody has to log in.
//! Does not open the broker.

use std::sync::Arc;

use tillstream_broker::{Broker, FlowOwner};
use tillstream_domain::BrokerUser;
use tillstream_embedded::{EmbeddedBrokerSettings, EmbeddedFlow, EmbeddedPublisher, FlowWiring};
use tillstream_messages::{HealthBoard, PublishMessage};
use tillstream_secrets::SecretsHolder;
use tillstream_supervision::{ActorSpec, Place, Port, Supervisor};

use super::{FlowPlan, PUBLISHER_MAILBOX, Session};

/// Actors on a broker of this process.
pub struct EmbeddedSession {
    supervisor: Supervisor,
    place: Place,
    broker: Broker,
    settings: EmbeddedBrokerSettings,
    health: HealthBoard,
    publisher: Option<Port<PublishMessage>>,
}

impl EmbeddedSession {
    /// A session whose actors this supervisor gets.
    pub const fn new(
        supervisor: Supervisor,
        place: Place,
        broker: Broker,
        settings: EmbeddedBrokerSettings,
        health: HealthBoard,
    ) -> Self {
        Self { supervisor, place, broker, settings, health, publisher: None }
    }

    fn spawn_publisher(&self) -> anyhow::Result<Port<PublishMessage>> {
        let spec = ActorSpec::new("publisher", "publisher").mailbox(PUBLISHER_MAILBOX);
        let (broker, window, health) = (self.broker.clone(), self.settings.publish_window, self.health.clone());
        let publisher = self
            .supervisor
            .spawn(spec, &self.place, move || EmbeddedPublisher::new(broker.clone(), window, health.clone()))?;
        Ok(publisher.port())
    }
}

impl Session for EmbeddedSession {
    fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    fn publisher(&mut self, _: BrokerUser) -> anyhow::Result<Port<PublishMessage>> {
        let publisher = match self.publisher.take() {
            Some(publisher) => publisher,
            None => self.spawn_publisher()?,
        };
        Ok(self.publisher.insert(publisher).clone())
    }

    fn flow(&mut self, plan: FlowPlan) -> anyhow::Result<()> {
        debug_assert!(plan.user.consumes(0).iter().any(|queue| queue == plan.queue), "the matrix holds here too");
        let wiring = FlowWiring {
            broker: self.broker.clone(),
            queue: plan.queue.to_owned(),
            window: self.settings.max_unacked,
            consumer: plan.consumer,
            leg: plan.leg,
            health: self.health.clone(),
            epochs: Arc::default(),
            owner: FlowOwner::new(),
        };
        let spec = ActorSpec::new(format!("flow-{}", plan.name), "flow");
        let flow = self.supervisor.spawn(spec, &self.place, move || EmbeddedFlow::new(wiring.clone()))?;
        plan.to_come.bind(flow.port(), flow.port());
        Ok(())
    }

    fn secrets_holders(&self) -> Vec<SecretsHolder> {
        Vec::new()
    }
}
