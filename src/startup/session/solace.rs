//! The session on a Solace broker: every role publishes and consumes as its own user, over sessions of its own.
//! Does not log in; the actors do, again and again until they are let in.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use tillstream_domain::{BrokerUser, Topics};
use tillstream_messages::{HealthBoard, Leg, PublishMessage, SecretTree, SecretsChanged};
use tillstream_secrets::SecretsHolder;
use tillstream_solace::{
    Access, AccessBook, PublisherWiring, SolaceFlow, SolaceFlowWiring, SolacePublisher, SolaceSettings,
};
use tillstream_supervision::{ActorSpec, Place, Port, Supervisor};

use super::{FlowPlan, PUBLISHER_MAILBOX, Session};
use crate::roles::{Role, Roles};
use crate::settings::Settings;
use crate::startup::Shared;

/// Actors on a Solace broker.
pub struct SolaceSession {
    supervisor: Supervisor,
    place: Place,
    settings: SolaceSettings,
    roles: Roles,
    topics: Topics,
    tree: Arc<SecretTree>,
    health: HealthBoard,
    publishers: BTreeMap<BrokerUser, Port<PublishMessage>>,
    secrets_holders: Vec<SecretsHolder>,
}

impl SolaceSession {
    /// A session whose actors this supervisor gets.
    pub fn new(supervisor: Supervisor, place: Place, settings: &Settings, shared: &Shared) -> Self {
        Self {
            supervisor,
            place,
            settings: settings.solace.clone(),
            roles: settings.roles.clone(),
            topics: Topics::new(shared.prefix.clone(), settings.topics.personal_data),
            tree: Arc::clone(&shared.tree),
            health: shared.board.clone(),
            publishers: BTreeMap::new(),
            secrets_holders: Vec::new(),
        }
    }

    /// The user's newest way in; every actor has a book of its own and enters changes itself.
    fn access(&self, user: BrokerUser) -> anyhow::Result<AccessBook> {
        let access = Access::of(&self.settings, &self.tree, user.credentials_path());
        Ok(AccessBook::new(access.with_context(|| format!("find the way to the broker for {}", user.name()))?))
    }

    fn spawn_publisher(&mut self, user: BrokerUser) -> anyhow::Result<Port<PublishMessage>> {
        let wiring = PublisherWiring {
            access: self.access(user)?,
            creds_path: user.credentials_path().to_owned(),
            settings: self.settings.clone(),
            health: self.health.clone(),
            leg: publish_leg(user),
            probe_topic: self.topics.probe(user),
        };
        let spec = ActorSpec::new(publisher_name(user), "publisher").mailbox(PUBLISHER_MAILBOX);
        let publisher = self.supervisor.spawn(spec, &self.place, move || SolacePublisher::new(wiring.clone()))?;
        let name = format!("root.session.{}", publisher_name(user));
        self.secrets_holders.push(holder(name, user, publisher.port()));
        Ok(publisher.port())
    }
}

impl Session for SolaceSession {
    fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    fn publisher(&mut self, user: BrokerUser) -> anyhow::Result<Port<PublishMessage>> {
        if let Some(publisher) = self.publishers.get(&user) {
            return Ok(publisher.clone());
        }
        let publisher = self.spawn_publisher(user)?;
        self.publishers.insert(user, publisher.clone());
        Ok(publisher)
    }

    fn flow(&mut self, plan: FlowPlan) -> anyhow::Result<()> {
        // Sales come by validation's publisher: while it is down here, their absence says nothing about the tills.
        let sales_come_from_here = self.roles.plays(Role::Validation);
        let publish_leg = if sales_come_from_here { Leg::Publish } else { publish_leg(plan.user) };
        let wiring = SolaceFlowWiring {
            access: self.access(plan.user)?,
            creds_path: plan.user.credentials_path().to_owned(),
            settings: self.settings.clone(),
            queue: plan.queue.to_owned(),
            consumer: plan.consumer,
            leg: plan.leg,
            publish_leg,
            health: self.health.clone(),
            epochs: Arc::default(),
            hands: Default::default(),
        };
        let spec = ActorSpec::new(format!("flow-{}", plan.name), "flow");
        let flow = self.supervisor.spawn(spec, &self.place, move || SolaceFlow::new(wiring.clone()))?;
        plan.to_come.bind(flow.port(), flow.port());
        let name = format!("root.session.flow-{}", plan.name);
        self.secrets_holders.push(holder(name, plan.user, flow.port()));
        Ok(())
    }

    fn secrets_holders(&self) -> Vec<SecretsHolder> {
        self.secrets_holders.clone()
    }
}

/// Who logs in holds its password and the way to the broker.
fn holder(name: String, user: BrokerUser, port: Port<SecretsChanged>) -> SecretsHolder {
    SecretsHolder::new(name, &["message-broker/config", user.credentials_path()], port)
}

const fn publish_leg(user: BrokerUser) -> Leg {
    match user {
        BrokerUser::Aggregation => Leg::PublishAggregation,
        BrokerUser::Reporting => Leg::PublishReporting,
        BrokerUser::Validation | BrokerUser::Store | BrokerUser::Operator => Leg::Publish,
    }
}

/// Tills' publisher has the name that it has on every broker.
const fn publisher_name(user: BrokerUser) -> &'static str {
    match user {
        BrokerUser::Aggregation => "publisher-aggregation",
        BrokerUser::Reporting => "publisher-reporting",
        BrokerUser::Validation | BrokerUser::Store | BrokerUser::Operator => "publisher",
    }
}
