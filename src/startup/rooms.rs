//! The rooms between HTTP and the broker, wired sink to source: publisher, validators, pipeline, reporting, flows.
//! Does not know what a room does with what it gets.

use std::time::Duration;

use anyhow::Context;
use tillstream_broker::Broker;
use tillstream_domain::{AGGREGATION_QUEUE, LEDGER_QUEUE, REPORTING_QUEUE, Topics};
use tillstream_messages::{Leg, PublishMessage, SecretsChanged};
use tillstream_reporting::{ConsumerPorts, FlowPorts, ReportingPlan, ReportingPorts, spawn_reporting};
use tillstream_session::FlowConsumer;
use tillstream_supervision::{Port, Supervisor};
use tillstream_validator::{ValidatorPool, ValidatorWiring, spawn_validators};
use tillstream_window::{
    Aggregation, AggregationPlaces, AggregationPorts, AggregationSettings, Drain, spawn_aggregation,
};
use tracing::warn;

use super::Shared;
use super::places::Places;
use super::session::{FlowEnd, FlowToCome, Session, flow_to_come};
use crate::http::{Door, Doors};
use crate::roles::Role;
use crate::settings::Settings;

/// What was spawned, and where it can be asked.
#[derive(Default)]
pub struct Rooms {
    /// For HTTP.
    pub doors: Doors,
    /// Who hears of changed secrets.
    secrets_listeners: Vec<Port<SecretsChanged>>,
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
    session: Session,
    publish: Port<PublishMessage>,
}

impl Rooms {
    /// Spawns the rooms of this process's roles; none without a broker.
    pub fn spawn(
        settings: &Settings,
        root: &Supervisor,
        places: &Places,
        shared: &Shared,
        broker: Option<&Broker>,
    ) -> anyhow::Result<Self> {
        let Some(broker) = broker else { return Ok(Self::default()) };
        let supervisor = root.supervisor(settings.supervision.one_for_one("session"))?;
        let (place, board) = (places.session.clone(), shared.board.clone());
        let session = Session::new(supervisor, place, broker.clone(), settings.broker.clone(), board);
        let publish = session.publisher()?;
        let wiring = Wiring { settings, root, places, shared, session, publish };
        let mut rooms = Self::default();
        let validators = wiring.spawn_validation(&mut rooms)?;
        if settings.roles.plays(Role::Aggregation) {
            wiring.spawn_pipeline(&validators, &mut rooms)?;
        }
        if settings.roles.plays(Role::Reporting) {
            wiring.spawn_reporting(&mut rooms)?;
        }
        rooms.in_order_of_data.push(wiring.session.supervisor().clone());
        Ok(rooms)
    }

    /// Who hears of changed secrets.
    pub fn secrets_listeners(&self) -> Vec<Port<SecretsChanged>> {
        self.secrets_listeners.clone()
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
    /// Validators serve HTTP where the role runs, and the outbox in any case.
    fn spawn_validation(&self, rooms: &mut Rooms) -> anyhow::Result<ValidatorPool> {
        let supervisor = self.root.supervisor(self.settings.supervision.one_for_one("validation"))?;
        let wiring = ValidatorWiring {
            publisher: self.publish.clone(),
            prefix: self.shared.prefix.clone(),
            clock: self.shared.clock.clone(),
            health: self.shared.board.clone(),
        };
        let pool = spawn_validators(&supervisor, &self.places.validation, &self.settings.validator(), &wiring)?;
        if self.settings.roles.plays(Role::Validation) {
            let asked = pool.clone();
            rooms.doors.validate = Some(Door::new(move |sale, within| {
                let asked = asked.clone();
                Box::pin(async move { asked.ask(sale, within).await })
            }));
            rooms.doors.aggregate = Some(pool.aggregates().into());
        }
        rooms.secrets_listeners.push(pool.secrets());
        rooms.in_order_of_data.push(supervisor);
        Ok(pool)
    }

    /// Aggregation hands its windows to a validator, like anybody else who wants something published.
    fn spawn_pipeline(&self, validators: &ValidatorPool, rooms: &mut Rooms) -> anyhow::Result<()> {
        let supervisor = self.root.supervisor(self.settings.supervision.one_for_one("pipeline"))?;
        let (end, flow) = flow_to_come();
        let settings = AggregationSettings {
            window: self.settings.window.clone(),
            dedup: self.settings.dedup.clone(),
            topics: self.topics(),
            data_dir: self.settings.data_dir.0.clone(),
            windows: self.settings.supervision.one_for_one("windows"),
        };
        let ports = AggregationPorts {
            aggregates: validators.aggregates(),
            messages: self.publish.clone(),
            acknowledge: end.acknowledge,
            rebind: end.rebind,
            health: self.shared.board.clone(),
            faults: self.shared.faults.clone(),
        };
        let places = AggregationPlaces { windows: self.places.aggregation.clone(), outbox: self.places.outbox.clone() };
        let aggregation = spawn_aggregation(&supervisor, &places, settings, ports).context("spawn aggregation")?;
        let Aggregation { flow_bound: bound, flow_lost: lost, messages: delivered, drain } = aggregation;
        let consumer = FlowConsumer { bound, lost, delivered };
        self.session.flow("aggregation", AGGREGATION_QUEUE, Leg::ConsumeSales, consumer, flow)?;
        rooms.outbox = Some(drain);
        rooms.in_order_of_data.insert(0, supervisor);
        Ok(())
    }

    fn spawn_reporting(&self, rooms: &mut Rooms) -> anyhow::Result<()> {
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
            publish: self.publish.clone(),
        };
        let board = self.shared.board.clone();
        let place = &self.places.reporting;
        let reporting =
            spawn_reporting(&supervisor, place, &settings.reporting, plan, ports, board).context("spawn reporting")?;
        self.open_flow("reporting", REPORTING_QUEUE, Leg::ConsumeReports, reporting.turnover_consumer, turnover_flow)?;
        self.open_flow("ledger", LEDGER_QUEUE, Leg::ConsumeLedger, reporting.ledger_consumer, ledger_flow)?;
        rooms.doors.turnover = Some(reporting.turnover.into());
        rooms.doors.ledger = Some(reporting.ledger.into());
        rooms.in_order_of_data.push(supervisor);
        Ok(())
    }

    fn open_flow(
        &self,
        name: &str,
        queue: &str,
        leg: Leg,
        consumer: ConsumerPorts,
        to_come: FlowToCome,
    ) -> anyhow::Result<()> {
        let ConsumerPorts { bound, lost, delivered } = consumer;
        self.session.flow(name, queue, leg, FlowConsumer { bound, lost, delivered }, to_come)?;
        Ok(())
    }

    fn topics(&self) -> Topics {
        Topics::new(self.shared.prefix.clone(), self.settings.topics.personal_data)
    }
}

fn flow_ports(end: FlowEnd) -> FlowPorts {
    FlowPorts { acknowledge: end.acknowledge, rebind: end.rebind }
}
