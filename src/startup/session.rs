//! The session on the broker: who publishes as whom, and one flow per queue that this process consumes.
//! Does not know what consumers do; it gets their ports and gives them the flow's.

use tillstream_domain::BrokerUser;
use tillstream_messages::{AcknowledgeDeliveries, Leg, PublishMessage, RebindFlow};
use tillstream_secrets::SecretsHolder;
use tillstream_session::FlowConsumer;
use tillstream_supervision::{Port, Slot, Supervisor};

mod embedded;
#[cfg(feature = "solace")]
mod solace;

pub use embedded::EmbeddedSession;
#[cfg(feature = "solace")]
pub use solace::SolaceSession;

/// Room for the requests that HTTP lets in and for what other rooms publish.
const PUBLISHER_MAILBOX: usize = 16_384;

/// Spawns the actors of a session, the same ones for the rooms whatever the broker is.
pub trait Session {
    /// The supervisor of the session's actors.
    fn supervisor(&self) -> &Supervisor;

    /// Who publishes in this user's name; spawned when it is first asked for.
    ///
    /// # Errors
    /// Says what is missing.
    fn publisher(&mut self, user: BrokerUser) -> anyhow::Result<Port<PublishMessage>>;

    /// Opens a flow for its consumer.
    ///
    /// # Errors
    /// Says what is missing.
    fn flow(&mut self, plan: FlowPlan) -> anyhow::Result<()>;

    /// Who hears of changed secrets.
    fn secrets_holders(&self) -> Vec<SecretsHolder>;
}

/// What a flow is opened with.
pub struct FlowPlan {
    /// As whom.
    pub user: BrokerUser,
    /// Its name in the tree, behind `flow-`.
    pub name: &'static str,
    /// The queue.
    pub queue: &'static str,
    /// The leg that it is.
    pub leg: Leg,
    /// Who gets the messages.
    pub consumer: FlowConsumer,
    /// What the consumer holds already.
    pub to_come: FlowToCome,
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

impl FlowToCome {
    /// Connects what the consumer holds with the flow.
    fn bind(self, acknowledge: Port<AcknowledgeDeliveries>, rebind: Port<RebindFlow>) {
        self.acknowledge.bind(acknowledge);
        self.rebind.bind(rebind);
    }
}
