//! Spawns reporting: Turnover first, then the ledger that compares itself with it.
//! Does not bind flows; whoever does gets the ports to deliver to.

use std::sync::Arc;

use actix::{Actor, Handler};
use tillstream_messages::{
    AcknowledgeDeliveries, FlowBound, FlowLost, HealthBoard, MessagesDelivered, PublishMessage, QueryJourney,
    QueryLedger, QueryLive, QueryTurnover, RebindFlow,
};
use tillstream_supervision::{ActorSpec, Handle, Place, Port, SpawnError, SupervisedContext, Supervisor};

use crate::consumer::Wiring;
use crate::journey::JourneyBook;
use crate::ledger::{Ledger, TurnoverPorts};
use crate::leg::SharedLeg;
use crate::settings::{ReportingPlan, ReportingSettings};
use crate::shelf::Shelf;
use crate::turnover::{QueryFailedPayments, Turnover};

/// What a consumer tells its flow.
#[derive(Clone)]
pub struct FlowPorts {
    /// These are committed.
    pub acknowledge: Port<AcknowledgeDeliveries>,
    /// The consumer has lost what it held.
    pub rebind: Port<RebindFlow>,
}

/// What a flow tells its consumer.
#[derive(Clone)]
pub struct ConsumerPorts {
    /// The flow is bound.
    pub bound: Port<FlowBound>,
    /// The flow is down.
    pub lost: Port<FlowLost>,
    /// The queue's messages.
    pub delivered: Port<MessagesDelivered>,
}

/// What reporting needs of other rooms.
#[derive(Clone)]
pub struct ReportingPorts {
    /// The flow of the reporting queue.
    pub turnover_flow: FlowPorts,
    /// The flow of the ledger's queue.
    pub ledger_flow: FlowPorts,
    /// Publishes what is rejected.
    pub publish: Port<PublishMessage>,
}

/// What other rooms need of reporting.
#[derive(Clone)]
pub struct Reporting {
    /// For the flow of the reporting queue.
    pub turnover_consumer: ConsumerPorts,
    /// For the flow of the ledger's queue.
    pub ledger_consumer: ConsumerPorts,
    /// Windows, newest first.
    pub turnover: Port<QueryTurnover>,
    /// Both sides of the ledger.
    pub ledger: Port<QueryLedger>,
    /// Where one sale is.
    pub journey: Port<QueryJourney>,
    /// How sales stand now.
    pub live: Port<QueryLive>,
    /// Failed payments per store.
    pub failed_payments: Port<QueryFailedPayments>,
}

/// Spawns `turnover` and `ledger` below this supervisor.
///
/// # Errors
/// The supervisor refuses a child.
pub fn spawn_reporting(
    supervisor: &Supervisor,
    place: &Place,
    settings: &ReportingSettings,
    plan: ReportingPlan,
    ports: ReportingPorts,
    health: HealthBoard,
) -> Result<Reporting, SpawnError> {
    let (plan, leg, journeys) = (Arc::new(plan), SharedLeg::new(health), JourneyBook::new(settings));
    let wiring = Wiring {
        settings: settings.clone(),
        plan: plan.clone(),
        acknowledge: ports.turnover_flow.acknowledge,
        rebind: ports.turnover_flow.rebind,
        publish: ports.publish.clone(),
        leg: leg.clone(),
        shelf: Shelf::default(),
        journeys: journeys.clone(),
        links: (),
    };
    let turnover =
        supervisor.spawn(ActorSpec::new("turnover", "turnover"), place, move || Turnover::new(wiring.clone()))?;
    let wiring = Wiring {
        settings: settings.clone(),
        plan,
        acknowledge: ports.ledger_flow.acknowledge,
        rebind: ports.ledger_flow.rebind,
        publish: ports.publish,
        leg,
        shelf: Shelf::default(),
        journeys,
        links: TurnoverPorts { figures: turnover.port(), recent: turnover.port(), window: turnover.port() },
    };
    let ledger = supervisor.spawn(ActorSpec::new("ledger", "ledger"), place, move || Ledger::new(wiring.clone()))?;
    Ok(Reporting {
        turnover_consumer: consumer_ports(&turnover),
        ledger_consumer: consumer_ports(&ledger),
        turnover: turnover.port(),
        ledger: ledger.port(),
        journey: ledger.port(),
        live: ledger.port(),
        failed_payments: turnover.port(),
    })
}

fn consumer_ports<A>(consumer: &Handle<A>) -> ConsumerPorts
where
    A: Actor<Context = SupervisedContext<A>>
        + actix::Supervised
        + Handler<FlowBound>
        + Handler<FlowLost>
        + Handler<MessagesDelivered>,
{
    ConsumerPorts { bound: consumer.port(), lost: consumer.port(), delivered: consumer.port() }
}
