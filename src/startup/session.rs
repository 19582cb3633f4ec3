//! The session on the broker: one publisher, and one flow per queue that this process consumes.
//! Does not know what consumers do; it gets their ports and gives them the flow's.

use std::sync::Arc;

use tillstream_broker::{Broker, FlowOwner};
use tillstream_embedded::{EmbeddedBrokerSettings, EmbeddedFlow, EmbeddedPublisher, FlowWiring};
use tillstream_messages::{AcknowledgeDeliveries, HealthBoard, Leg, PublishMessage, RebindFlow};
use tillstream_session::FlowConsumer;
use tillstream_supervision::{ActorSpec, Place, Port, Slot, SpawnError, Supervisor};

/// Room for the requests that HTTP lets in and for what other rooms publish.
const PUBLISHER_MAILBOX: usize = 16_384;

/// Spawns the session's actors.
pub struct Session {
    supervisor: Supervisor,
    place: Place,
    broker: Broker,
    settings: EmbeddedBrokerSettings,
    health: HealthBoard,
}

/// A flow that is not there yet: its consumer is built first, because data flows from it.
pub struct FlowToCome {
    acknowledge: Slot<AcknowledgeDeliveries>,
    rebind: Slot<RebindFlow>,
}

/// What a consumer holds of its flow.
#[derive(Clone)]
pub struct FlowEnd {
    /// These are done.
    pub acknowledge: Port<AcknowledgeDeliveries>,
    /// Everything again, please.
    pub rebind: Port<RebindFlow>,
}

/// A flow's end for its consumer, and the flow itself to be opened later.
pub fn flow_to_come() -> (FlowEnd, FlowToCome) {
    let (acknowledge, acknowledge_slot) = Port::deferred();
    let (rebind, rebind_slot) = Port::deferred();
    (FlowEnd { acknowledge, rebind }, FlowToCome { acknowledge: acknowledge_slot, rebind: rebind_slot })
}

// === impl Session ===

impl Session {
    /// A session whose actors this supervisor gets.
    pub const fn new(
        supervisor: Supervisor,
        place: Place,
        broker: Broker,
        settings: EmbeddedBrokerSettings,
        health: HealthBoard,
    ) -> Self {
        Self { supervisor, place, broker, settings, health }
    }

    /// The supervisor of the session's actors.
    pub const fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Spawns the publisher.
    pub fn publisher(&self) -> Result<Port<PublishMessage>, SpawnError> {
        let spec = ActorSpec::new("publisher", "publisher").mailbox(PUBLISHER_MAILBOX);
        let (broker, window, health) = (self.broker.clone(), self.settings.publish_window, self.health.clone());
        let publisher = self
            .supervisor
            .spawn(spec, &self.place, move || EmbeddedPublisher::new(broker.clone(), window, health.clone()))?;
        Ok(publisher.port())
    }

    /// Opens a flow for its consumer.
    pub fn flow(
        &self,
        name: &str,
        queue: &str,
        leg: Leg,
        consumer: FlowConsumer,
        to_come: FlowToCome,
    ) -> Result<(), SpawnError> {
        let wiring = FlowWiring {
            broker: self.broker.clone(),
            queue: queue.to_owned(),
            window: self.settings.max_unacked,
            consumer,
            leg,
            health: self.health.clone(),
            epochs: Arc::default(),
            owner: FlowOwner::new(),
        };
        let spec = ActorSpec::new(format!("flow-{name}"), "flow");
        let flow = self.supervisor.spawn(spec, &self.place, move || EmbeddedFlow::new(wiring.clone()))?;
        to_come.acknowledge.bind(flow.port());
        to_come.rebind.bind(flow.port());
        Ok(())
    }
}
