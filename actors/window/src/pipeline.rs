//! Wires the room from sink to source: outbox, router with its windows, intake.
//! Does not know who delivers and who publishes; both are ports.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tillstream_domain::{StoreId, Topics, WindowRules};
use tillstream_index::WriteGate;
use tillstream_messages::{
    AcknowledgeDeliveries, EnvironmentFaults, FlowBound, FlowLost, HealthBoard, MessagesDelivered, PublishAggregate,
    PublishMessage, RebindFlow,
};
use tillstream_supervision::{ActorSpec, Handle, Place, Port, SpawnError, Supervisor, SupervisorSpec};

use crate::intake::{Intake, IntakePorts};
use crate::messages::{Drain, TellAgain, WindowIdle};
use crate::metrics;
use crate::outbox::{Outbox, OutboxPorts};
use crate::router::{RouterPorts, StoreRouter, WindowDirectory, WindowPorts};
use crate::settings::{DedupSettings, InvalidSettings, WindowSettings};
use crate::state::{StateError, StateStore};
use crate::window::{StoreWindow, WindowOutputs};

/// Threads of the room.
#[derive(Clone)]
pub struct AggregationPlaces {
    /// Intake, router and windows: they hand sales to each other and are fastest together.
    pub windows: Place,
    /// The outbox: its publications must not wait for a burst of sales.
    pub outbox: Place,
}

/// What an operator has set, and where the state is.
#[derive(Debug, Clone)]
pub struct AggregationSettings {
    /// Section `[window]`.
    pub window: WindowSettings,
    /// Section `[dedup]`.
    pub dedup: DedupSettings,
    /// Builds the topics of late and rejected sales.
    pub topics: Topics,
    /// The state is kept in its subdirectory `aggregation`.
    pub data_dir: PathBuf,
    /// How the stores' window actors are supervised.
    pub windows: SupervisorSpec,
}

/// Whom the room tells.
#[derive(Clone)]
pub struct AggregationPorts {
    /// A validator: windows are checked like anything else that is published.
    pub aggregates: Port<PublishAggregate>,
    /// The publisher: late and rejected sales.
    pub messages: Port<PublishMessage>,
    /// The flow: settled sales.
    pub acknowledge: Port<AcknowledgeDeliveries>,
    /// The flow: the intake has lost what it held.
    pub rebind: Port<RebindFlow>,
    /// Where the state of the disk is shown.
    pub health: HealthBoard,
    /// What may be made to go wrong from outside; nothing by default.
    pub faults: EnvironmentFaults,
}

/// The running room, as its flow and the process see it.
#[derive(Clone)]
pub struct Aggregation {
    /// For the flow.
    pub flow_bound: Port<FlowBound>,
    /// For the flow.
    pub flow_lost: Port<FlowLost>,
    /// For the flow.
    pub messages: Port<MessagesDelivered>,
    /// For the process, before it stops the tree: everything decided is stored, published and settled. Nothing needs to
    /// become final; the broker delivers the rest again.
    pub drain: Port<Drain>,
}

/// Why the room cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AggregationError {
    /// A setting makes no sense.
    #[error(transparent)]
    Settings(#[from] InvalidSettings),
    /// The state cannot be opened.
    #[error(transparent)]
    State(#[from] StateError),
    /// The tree takes no children.
    #[error("aggregation cannot be spawned: {0}")]
    Spawn(#[from] SpawnError),
}

/// Opens the state, locks it and spawns the room below `supervisor`.
///
/// # Errors
/// See [`AggregationError`]; nothing runs then but what the supervisor has already.
pub fn spawn_aggregation(
    supervisor: &Supervisor,
    places: &AggregationPlaces,
    settings: AggregationSettings,
    ports: AggregationPorts,
) -> Result<Aggregation, AggregationError> {
    metrics::register();
    let rules = settings.window.rules()?;
    let EnvironmentFaults { storage, tamper } = ports.faults;
    let gate = WriteGate::new(move || storage.check());
    let state = Arc::new(StateStore::open(&settings.data_dir, settings.dedup.horizon, gate)?);

    let (stored, stored_slot) = Port::deferred();
    let (settled, settled_slot) = Port::deferred();
    let (tell_again, tell_again_slot) = Port::deferred();
    let (idle, idle_slot) = Port::deferred();
    let outbox_ports = OutboxPorts {
        aggregates: ports.aggregates,
        messages: ports.messages,
        stored,
        settled,
        tell_again: tell_again.clone(),
        health: ports.health,
    };
    let outbox = spawn_outbox(supervisor, &places.outbox, Arc::clone(&state), settings.topics, outbox_ports)?;
    let windows = supervisor.supervisor(settings.windows)?;
    let outputs = window_outputs(&outbox, idle, tell_again.clone());
    let directory = window_directory(windows, places.windows.clone(), rules, state, outputs);
    let router =
        spawn_router(supervisor, &places.windows, directory, RouterPorts { rejected: outbox.port(), tell_again })?;
    let intake_ports = IntakePorts {
        sales: router.port(),
        told_again: router.port(),
        rejected: outbox.port(),
        journal: outbox.port(),
        load_journal: outbox.port(),
        settle: outbox.port(),
        acknowledge: ports.acknowledge,
        rebind: ports.rebind,
    };
    let intake = supervisor.spawn(ActorSpec::new("intake", "intake"), &places.windows, move || {
        Intake::new(intake_ports.clone(), tamper.clone())
    })?;

    stored_slot.bind(router.port());
    idle_slot.bind(router.port());
    settled_slot.bind(intake.port());
    tell_again_slot.bind(intake.port());
    Ok(Aggregation {
        flow_bound: intake.port(),
        flow_lost: intake.port(),
        messages: intake.port(),
        drain: outbox.port(),
    })
}

fn spawn_outbox(
    supervisor: &Supervisor,
    place: &Place,
    state: Arc<StateStore>,
    topics: Topics,
    ports: OutboxPorts,
) -> Result<Handle<Outbox>, SpawnError> {
    let writers = AtomicU64::new(0);
    supervisor.spawn(ActorSpec::new("outbox", "outbox"), place, move || {
        let writer = writers.fetch_add(1, Ordering::Relaxed) + 1;
        Outbox::new(writer, Arc::clone(&state), topics.clone(), ports.clone())
    })
}

fn spawn_router(
    supervisor: &Supervisor,
    place: &Place,
    directory: WindowDirectory,
    ports: RouterPorts,
) -> Result<Handle<StoreRouter>, SpawnError> {
    let factory = move || StoreRouter::new(ports.clone(), directory.clone());
    supervisor.spawn(ActorSpec::new("router", "router"), place, factory)
}

fn window_outputs(outbox: &Handle<Outbox>, idle: Port<WindowIdle>, tell_again: Port<TellAgain>) -> WindowOutputs {
    WindowOutputs {
        decide_final: outbox.port(),
        decide_late: outbox.port(),
        rejected: outbox.port(),
        settle: outbox.port(),
        emit: outbox.port(),
        idle,
        tell_again,
    }
}

fn window_directory(
    windows: Supervisor,
    place: Place,
    rules: WindowRules,
    state: Arc<StateStore>,
    outputs: WindowOutputs,
) -> WindowDirectory {
    WindowDirectory::new(move |store: StoreId| {
        let (rules, state, outputs) = (rules.clone(), Arc::clone(&state), outputs.clone());
        let factory = move || StoreWindow::new(store, rules.clone(), Arc::clone(&state), outputs.clone());
        let window = windows.spawn(ActorSpec::new(store.to_string(), "window"), &place, factory)?;
        Ok(WindowPorts {
            sales: window.port(),
            time: window.port(),
            told_again: window.port(),
            decided: window.port(),
            late_decided: window.port(),
        })
    })
}
