//! The rooms between HTTP and the broker, wired sink to source: publisher, validators, pipeline, reporting, flows.
//! Does not know what a room does with what it gets.

use std::time::Duration;

use anyhow::Context;
use tillstream_domain::{AGGREGATION_QUEUE, BrokerUser, LEDGER_QUEUE, REPORTING_QUEUE, Topics};
use tillstream_handover::{Credentials, Handover, HandoverRules, ValidationClient};
use tillstream_messages::{Leg, PublishAggregate};
use tillstream_reporting::{ConsumerPorts, FlowPorts, ReportingPlan, ReportingPorts, spawn_reporting};
use tillstream_secrets::SecretsHolder;
use tillstream_session::{FlowConsumer, register_metrics};
use tillstream_supervision::{ActorSpec, Port, Supervisor};
use tillstream_validator::{ValidatorWiring, spawn_validators};
use tillstream_window::{
    Aggregation, AggregationPlaces, AggregationPorts, AggregationSettings, Drain, spawn_aggregation,
};
use tracing::warn;

use super::carrier::Carrier;
use super::places::Places;
use super::session::{FlowEnd, FlowPlan, Session, flow_to_come};
use super::tls::hand_over_trust;
use super::{Shared, Unsupported};
use crate::http::{Door, Doors};
use crate::roles::Role;
use crate::settings::Settings;

/// What was spawned, and where it can be asked.
#[derive(Default)]
pub struct Rooms {
    /// For HTTP.
    pub doors: Doors,
    /// Who hears of changed secrets.
    secrets_holders: Vec<SecretsHolder>,
    /// Finishes what it has in hand before it is stopped.
    outbox: Option<Port<Drain>>,
    /// Supervisors in the order in which they stop.
    in_order_of_data: Vec<Supervisor>,
}

/// What the functions below share.
struct Wiring<'a> {
    settings: &'a Settings,
    root: &'a Supervisor,
    places: &'a Places,
    shared: &'a Shared,
    session: Box<dyn Session>,
}

/// Windows that wait for an answer, beyond those that the outbox has under way.
const HANDOVER_MAILBOX: usize = 1_024;

impl Rooms {
    /// Spawns the rooms of this process's roles; none without a broker.
    pub fn spawn(
        settings: &Settings,
        root: &Supervisor,
        places: &Places,
        shared: &Shared,
        carrier: Option<&Carrier>,
    ) -> anyhow::Result<Self> {
        let Some(carrier) = carrier else { return Ok(Self::default()) };
        let supervisor = root.supervisor(settings.supervision.one_for_one("session"))?;
        let session = carrier.session(settings, shared, supervisor, places.session.clone())?;
        register_metrics(settings.broker.backend);
        let mut wiring = Wiring { settings, root, places, shared, session };
        let mut rooms = Self::default();
        let mut aggregates = None;
        if settings.roles.plays(Role::Validation) {
            aggregates = Some(wiring.spawn_validation(&mut rooms)?);
        }
        if settings.roles.plays(Role::Aggregation) {
            let aggregates = aggregates.map_or_else(|| wiring.spawn_handover(&mut rooms), Ok)?;
            wiring.spawn_pipeline(aggregates, &mut rooms)?;
        }
        if settings.roles.plays(Role::Reporting) {
            wiring.spawn_reporting(&mut rooms)?;
        }
        rooms.secrets_holders.extend(wiring.session.secrets_holders());
        rooms.in_order_of_data.push(wiring.session.supervisor().clone());
        Ok(rooms)
    }

    /// Who hears of changed secrets.
    pub fn secrets_holders(&self) -> Vec<SecretsHolder> {
        self.secrets_holders.clone()
    }

    /// Waits until aggregation has published and settled what it has decided.
    pub async fn finish_decisions(&self, within: Duration) {
        let Some(outbox) = &self.outbox else { return };
        if let Err(reason) = outbox.ask(Drain, within).await {
            warn!(%reason, "decided windows are not all published, the next start publishes them again");
        }
    }

    /// Supervisors in the order in which they stop.
    pub fn in_order_of_data(&self) -> &[Supervisor] {
        &self.in_order_of_data
    }
}

impl Wiring<'_> {
    /// Validators serve HTTP, and the outbox where aggregation runs too.
    fn spawn_validation(&mut self, rooms: &mut Rooms) -> anyhow::Result<Port<PublishAggregate>> {
        let supervisor = self.root.supervisor(self.settings.supervision.one_for_one("validation"))?;
        let wiring = ValidatorWiring {
            publisher: self.session.publisher(BrokerUser::Validation)?,
            prefix: self.shared.prefix.clone(),
            clock: self.shared.clock.clone(),
            health: self.shared.board.clone(),
        };
        let pool = spawn_validators(&supervisor, &self.places.validation, &self.settings.validator(), &wiring)?;
        let asked = pool.clone();
        rooms.doors.validate = Some(Door::new(move |sale, within| {
            let asked = asked.clone();
            Box::pin(async move { asked.ask(sale, within).await })
        }));
        rooms.doors.aggregate = Some(pool.aggregates().into());
        rooms.secrets_holders.push(SecretsHolder::new("root.validation", &["message-broker/config"], pool.secrets()));
        rooms.in_order_of_data.push(supervisor);
        Ok(pool.aggregates())
    }

    /// Where validation runs in another process, something here answers in its place.
    fn spawn_handover(&self, rooms: &mut Rooms) -> anyhow::Result<Port<PublishAggregate>> {
        let url = self.settings.window.validation_url.as_deref().ok_or(Unsupported::WindowsWithoutValidation)?;
        let credentials = Credentials::of(&self.shared.tree).context("find the user that hands windows over")?;
        let client =
            ValidationClient::new(url, &hand_over_trust(self.settings), &credentials, HandoverRules::default())?;
        let board = self.shared.board.clone();
        let spec = ActorSpec::new("handover", "handover").mailbox(HANDOVER_MAILBOX);
        let handover =
            self.root.spawn(spec, &self.places.outbox, move || Handover::new(client.clone(), board.clone()))?;
        let path = "validation-service/creds/aggregation-service";
        rooms.secrets_holders.push(SecretsHolder::new("root.handover", &[path], handover.port()));
        Ok(handover.port())
    }

    /// Aggregation hands its windows to a validator, like anybody else who wants something published.
    fn spawn_pipeline(&mut self, aggregates: Port<PublishAggregate>, rooms: &mut Rooms) -> anyhow::Result<()> {
        let supervisor = self.root.supervisor(self.settings.supervision.one_for_one("pipeline"))?;
        let (end, to_come) = flow_to_come();
        let settings = AggregationSettings {
            window: self.settings.window.clone(),
            dedup: self.settings.dedup.clone(),
            topics: self.topics(),
            data_dir: self.settings.data_dir.0.clone(),
            windows: self.settings.supervision.one_for_one("windows"),
        };
        let ports = AggregationPorts {
            aggregates,
            messages: self.session.publisher(BrokerUser::Aggregation)?,
            acknowledge: end.acknowledge,
            rebind: end.rebind,
            health: self.shared.board.clone(),
            faults: self.shared.faults.clone(),
        };
        let places = AggregationPlaces { windows: self.places.aggregation.clone(), outbox: self.places.outbox.clone() };
        let aggregation = spawn_aggregation(&supervisor, &places, settings, ports).context("spawn aggregation")?;
        let Aggregation { flow_bound: bound, flow_lost: lost, messages: delivered, drain } = aggregation;
        self.session.flow(FlowPlan {
            user: BrokerUser::Aggregation,
            name: "aggregation",
            queue: AGGREGATION_QUEUE,
            leg: Leg::ConsumeSales,
            consumer: FlowConsumer { bound, lost, delivered },
            to_come,
        })?;
        rooms.outbox = Some(drain);
        rooms.in_order_of_data.insert(0, supervisor);
        Ok(())
    }

    fn spawn_reporting(&mut self, rooms: &mut Rooms) -> anyhow::Result<()> {
        let settings = self.settings;
        let supervisor = self.root.supervisor(settings.supervision.one_for_one("reporting"))?;
        let plan = ReportingPlan {
            window_size: settings.window.size,
            horizon: settings.dedup.horizon,
            max_store_labels: settings.metrics.max_store_labels,
            currency: settings.window.currency.clone(),
            topics: self.topics(),
            storage: self.shared.faults.storage.clone(),
            ..ReportingPlan::new(settings.reporting_dir())
        };
        let (turnover_end, turnover_flow) = flow_to_come();
        let (ledger_end, ledger_flow) = flow_to_come();
        let ports = ReportingPorts {
            turnover_flow: flow_ports(turnover_end),
            ledger_flow: flow_ports(ledger_end),
            publish: self.session.publisher(BrokerUser::Reporting)?,
        };
        let board = self.shared.board.clone();
        let place = &self.places.reporting;
        let reporting =
            spawn_reporting(&supervisor, place, &settings.reporting, plan, ports, board).context("spawn reporting")?;
        self.session.flow(FlowPlan {
            user: BrokerUser::Reporting,
            name: "reporting",
            queue: REPORTING_QUEUE,
            leg: Leg::ConsumeReports,
            consumer: flow_consumer(reporting.turnover_consumer),
            to_come: turnover_flow,
        })?;
        self.session.flow(FlowPlan {
            user: BrokerUser::Reporting,
            name: "ledger",
            queue: LEDGER_QUEUE,
            leg: Leg::ConsumeLedger,
            consumer: flow_consumer(reporting.ledger_consumer),
            to_come: ledger_flow,
        })?;
        rooms.doors.turnover = Some(reporting.turnover.into());
        rooms.doors.journey = Some(reporting.journey.into());
        rooms.doors.live = Some(reporting.live.into());
        rooms.doors.ledger = Some(reporting.ledger.into());
        rooms.in_order_of_data.push(supervisor);
        Ok(())
    }

    fn topics(&self) -> Topics {
        Topics::new(self.shared.prefix.clone(), self.settings.topics.personal_data)
    }
}

fn flow_ports(end: FlowEnd) -> FlowPorts {
    FlowPorts { acknowledge: end.acknowledge, rebind: end.rebind }
}

fn flow_consumer(ports: ConsumerPorts) -> FlowConsumer {
    let ConsumerPorts { bound, lost, delivered } = ports;
    FlowConsumer { bound, lost, delivered }
}
