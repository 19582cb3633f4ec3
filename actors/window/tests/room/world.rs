//! The loop that drives the room: delivers, lets time pass, kills and begins anew.
//! Does not say what is sold and what must hold; the tests do.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tillstream_domain::{Sale, Topics};
use tillstream_messages::{
    DeliveryTag, EnvironmentFaults, FlowBound, HealthBoard, InboundMessage, MessagesDelivered, TraceContext,
};
use tillstream_supervision::{Fault, Intensity, Node, Place, Strategy, Supervisor, SupervisorSpec};
use tillstream_traces::testing::sent_context;
use tillstream_window::{
    Aggregation, AggregationError, AggregationPlaces, AggregationSettings, DedupSettings, WindowSettings,
    spawn_aggregation,
};

use crate::broker::{Broker, ports};
use crate::deadline::{doing, within};
use crate::lives::{Life, Point, Reaper, fresh_disk};
use crate::random::Random;
use crate::receipts::Receipts;
use crate::sales::{payload, sale_at};

const STEP: Duration = Duration::from_millis(500);

/// Wall time of the tills when a test begins.
pub const EPOCH_MS: i64 = 1_700_000_000_000;

pub struct World {
    pub broker: Arc<Mutex<Broker>>,
    running: Option<Running>,
    reaper: Arc<Mutex<Reaper>>,
    pub now_ms: i64,
    /// How long a step is.
    pub pace: Duration,
    /// How many messages the flow delivers at once.
    pub batch: usize,
    /// Failures of window actors that are no reason to give up.
    windows: Intensity,
    pub health: HealthBoard,
    /// What is wrong with the disk, and with the counting.
    pub faults: EnvironmentFaults,
    /// Everything that was ever put on the queue.
    pub receipts: Receipts,
    /// Draws which messages have traces; without it none has.
    pub sampling: Option<Random>,
}

struct Running {
    root: Supervisor,
    room: Aggregation,
    life: Life,
}

// === impl World ===

impl World {
    pub async fn start(limit: usize) -> Self {
        Self::start_with(limit, Reaper::default()).await
    }

    /// A world in which the process dies suddenly.
    pub async fn start_with(limit: usize, reaper: Reaper) -> Self {
        let usual = SupervisorSpec::new("windows", Strategy::OneForOne).intensity;
        Self::begin(limit, reaper, usual).await
    }

    /// A world in which window actors may fail as often as they like.
    pub async fn start_patient(limit: usize) -> Self {
        Self::begin(limit, Reaper::default(), Intensity { max: 1_000_000, within: Duration::from_secs(1) }).await
    }

    async fn begin(limit: usize, reaper: Reaper, windows: Intensity) -> Self {
        let mut world = Self {
            broker: Arc::new(Mutex::new(Broker::new(limit))),
            running: None,
            reaper: Arc::new(Mutex::new(reaper)),
            now_ms: EPOCH_MS,
            pace: STEP,
            batch: 40,
            windows,
            health: HealthBoard::default(),
            faults: EnvironmentFaults::default(),
            receipts: Receipts::default(),
            sampling: None,
        };
        let life = Life::begin(fresh_disk(), Arc::clone(&world.reaper));
        world.live(life).await;
        world
    }

    pub fn broker(&self) -> MutexGuard<'_, Broker> {
        self.broker.lock().unwrap()
    }

    pub fn reaper(&self) -> MutexGuard<'_, Reaper> {
        self.reaper.lock().unwrap()
    }

    pub fn put(&mut self, sale: Sale) {
        self.put_document(payload(&sale));
    }

    pub fn put_document(&mut self, document: Bytes) {
        self.receipts.add(&document);
        self.draw_trace(&document);
        self.broker().queue.push_back((document, false));
    }

    /// Every second message has a trace of its own, and every second one of those is sampled.
    fn draw_trace(&mut self, document: &Bytes) {
        let Some(random) = &mut self.sampling else { return };
        let drawn = random.percent(50).then(|| sent_context(random.percent(50)));
        if let Some(trace) = drawn {
            self.broker().traces.entry(document.clone()).or_insert(trace);
        }
    }

    /// The same for a message that is of this trace.
    pub fn put_traced(&mut self, document: Bytes, trace: TraceContext) {
        self.broker().traces.insert(document.clone(), trace);
        self.put_document(document);
    }

    pub fn sale(&self, number: u128, store: u32, lag_ms: i64, cents: i64) -> Sale {
        sale_at(number, store, self.now_ms - lag_ms, self.now_ms, cents)
    }

    /// Lets a step's time pass: delivers what may be delivered, or sends the heartbeat.
    pub async fn step(&mut self, connected: bool) {
        self.now_ms += self.pace.as_millis() as i64;
        if connected {
            self.bind_if_asked();
            self.deliver();
        }
        tokio::time::sleep(self.pace).await;
        self.broker().sync();
        self.life().survives(Point::AtRest);
        self.begin_anew_if_dead().await;
    }

    /// A step in which an actor fails when the others have been polled so often since the delivery.
    pub async fn step_with_fault(&mut self, actor: &str, fault: Fault, polls: usize) {
        self.step_interrupted(polls, |world| world.inject(actor, fault)).await;
    }

    /// A step in which the process may die when its actors have been polled so often since the delivery.
    pub async fn step_near_death(&mut self, polls: usize) {
        self.step_interrupted(polls, |world| {
            world.life().survives(Point::Anywhere);
        })
        .await;
    }

    async fn step_interrupted(&mut self, polls: usize, interrupt: impl FnOnce(&Self)) {
        self.now_ms += self.pace.as_millis() as i64;
        self.bind_if_asked();
        self.deliver();
        for _ in 0..polls {
            tokio::task::yield_now().await;
        }
        interrupt(self);
        tokio::time::sleep(self.pace).await;
        self.begin_anew_if_dead().await;
    }

    pub async fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step(true).await;
        }
    }

    /// Steps until nothing is waiting anywhere; panics when that takes for ever.
    pub async fn settle(&mut self) {
        for step in 0..1_500 {
            doing(|| format!("settling, step {step}: {}", self.backlog()));
            self.step(true).await;
            if self.is_drained() {
                // Journalled sales are acknowledged while their windows are open: an idle store ahead of its tills' clock
                // needs all of 59 s + 10 s + 30 s, and idle time begins anew after a restart.
                return self.steps(260).await;
            }
        }
        panic!("for ever: {}", self.backlog());
    }

    fn backlog(&self) -> String {
        let broker = self.broker();
        format!("{} queued and {} unacknowledged", broker.queue.len(), broker.unacknowledged.len())
    }

    fn is_drained(&self) -> bool {
        let broker = self.broker();
        broker.queue.is_empty() && broker.unacknowledged.is_empty()
    }

    pub fn assert_everything_is_counted_once(&self, context: &str) {
        let broker = self.broker();
        let complaints = self.receipts.complaints(&broker.published);
        assert!(complaints.is_empty(), "{context}: {complaints:#?}");
        assert!(broker.acknowledged_too_early.is_empty(), "{context}: {:?}", broker.acknowledged_too_early);
    }
}

// === impl World: lives ===
impl World {
    pub fn room(&self) -> &Aggregation {
        &self.running.as_ref().unwrap().room
    }

    pub fn root(&self) -> &Supervisor {
        &self.running.as_ref().unwrap().root
    }

    /// Restarts of an actor so far.
    pub fn restarts(&self, actor: &str) -> u64 {
        let path = format!("root.{actor}");
        fn find(node: &Node, path: &str) -> Option<u64> {
            if node.path == path {
                return Some(node.restarts);
            }
            node.children.iter().find_map(|child| find(child, path))
        }
        find(&self.root().tree(), &path).unwrap()
    }

    fn life(&self) -> &Life {
        &self.running.as_ref().unwrap().life
    }

    pub fn inject(&self, actor: &str, fault: Fault) {
        // A store that has no actor yet cannot fail.
        let _ = self.root().inject(&format!("root.{actor}"), fault);
    }

    /// Ends the process in order and begins the next on the same disk.
    pub async fn restart_process(&mut self) {
        let Running { root, room, life } = self.running.take().unwrap();
        within("the tree to shut down", root.shutdown()).await;
        drop((root, room));
        self.broker().give_back();
        self.live(life).await;
    }

    async fn begin_anew_if_dead(&mut self) {
        while self.life().is_dead() {
            let Running { root, life, .. } = self.running.take().unwrap();
            // What is left of it goes on, unheard, in a directory that nobody reads any more.
            tokio::task::spawn_local(async move {
                root.shutdown().await;
                drop(life);
            });
            let image = self.reaper().take_image().unwrap();
            self.broker().crash();
            self.live(Life::begin(image, Arc::clone(&self.reaper))).await;
            self.life().survives(Point::Born);
        }
    }

    async fn live(&mut self, life: Life) {
        self.broker().rebind = true;
        let mut spec = SupervisorSpec::new("root", Strategy::OneForOne);
        spec.intensity = Intensity { max: 100_000, within: Duration::from_secs(1) };
        let root = Supervisor::root(spec, &Place::here());
        let spawned = async {
            loop {
                match self.spawn(&root, &life) {
                    Ok(room) => return room,
                    // The last incarnation's blocking writes still hold the lock.
                    Err(AggregationError::State(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let room = within("the state's lock", spawned).await;
        self.running = Some(Running { root, room, life });
    }

    fn spawn(&self, root: &Supervisor, life: &Life) -> Result<Aggregation, AggregationError> {
        let places = AggregationPlaces { windows: Place::here(), outbox: Place::here() };
        let settings = AggregationSettings {
            window: WindowSettings::default(),
            dedup: DedupSettings::default(),
            topics: Topics::default(),
            data_dir: life.disk().to_owned(),
            windows: SupervisorSpec { intensity: self.windows, ..SupervisorSpec::new("windows", Strategy::OneForOne) },
        };
        spawn_aggregation(root, &places, settings, ports(&self.broker, life, self.health.clone(), self.faults.clone()))
    }

    /// Ends the room and counts what is left in its journal on disk.
    pub async fn journalled_after_the_end(&mut self) -> usize {
        let Running { root, room, life } = self.running.take().unwrap();
        within("the tree to shut down", root.shutdown()).await;
        drop((root, room));
        let state = life.disk().join("aggregation");
        let opened = async {
            loop {
                match fjall::Database::builder(&state).open() {
                    Err(fjall::Error::Locked) => tokio::time::sleep(Duration::from_millis(10)).await,
                    opened => return opened.unwrap(),
                }
            }
        };
        let database = within("the state's lock", opened).await;
        database.keyspace("journal", Default::default).unwrap().iter().count()
    }
}

// === impl World: the flow ===
impl World {
    fn bind_if_asked(&self) {
        let mut broker = self.broker();
        if !std::mem::take(&mut broker.rebind) {
            return;
        }
        broker.give_back();
        broker.epoch += 1;
        broker.next_number = 1;
        let bound = FlowBound { epoch: broker.epoch, window: broker.limit };
        drop(broker);
        self.room().flow_bound.push(bound).unwrap();
    }

    fn deliver(&self) {
        let mut broker = self.broker();
        let free = broker.limit.saturating_sub(broker.unacknowledged.len());
        if free == 0 {
            return;
        }
        let count = free.min(self.batch).min(broker.queue.len());
        let mut messages = Vec::new();
        for (payload, redelivered) in broker.queue.drain(..count).collect::<Vec<_>>() {
            let tag = DeliveryTag { epoch: broker.epoch, number: broker.next_number };
            broker.next_number += 1;
            broker.unacknowledged.insert(tag.number, payload.clone());
            let trace = broker.trace_of(&payload);
            messages.push(InboundMessage { tag, topic: "receipt".into(), payload, redelivered, trace });
        }
        broker.peak_unacknowledged = broker.peak_unacknowledged.max(broker.unacknowledged.len());
        let epoch = broker.epoch;
        drop(broker);
        let any = !messages.is_empty();
        self.room().messages.push(MessagesDelivered { epoch, messages }).unwrap();
        if any {
            self.life().survives(Point::Delivered);
        }
    }
}
