//! The handle on a broker: opening, publishing, binding, looking, closing.
//! Does not touch the storage; the engine's thread does.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::disk::{Disk, FileDisk};
use crate::engine::Engine;
use crate::errors::{BindError, NoSuchQueue, OpenError, PublishError};
use crate::flow::{Flow, FlowOwner};
use crate::gate::{GatedDisk, WriteGate};
use crate::guard::Wreck;
use crate::inbox::Waiting;
use crate::message::OutboundMessage;
use crate::recovery::{Recovered, recover};
use crate::round::Publishing;
use crate::settings::{BrokerSettings, QueueSpec};
use crate::shared::{Shared, lock};
use crate::sides::Side;
use crate::store::{NotOpened, Store};
use crate::topic::{Route, Subscriptions, check_publish_topic};

/// A handle on an open broker. Clones are the same broker; when the last is dropped it closes in order, so that the
/// directory is free afterwards, but `close` lets an async caller wait for that.
#[derive(Clone)]
pub struct Broker(Arc<Handle>);

/// What a queue holds at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueStats {
    /// The queue.
    pub name: String,
    /// Messages that are stored for it, delivered or not, until they are acknowledged.
    pub depth: u64,
    /// Of these, messages that its consumer has.
    pub unacknowledged: u64,
    /// Stored bytes of all of them.
    pub bytes: u64,
    /// Messages that it dropped: over quota, too old, or undeliverable without a dead-message queue.
    pub discarded: u64,
    /// Flows that are bound; at most one.
    pub consumers: u32,
}

struct Handle {
    shared: Arc<Shared>,
    engine: Mutex<Option<JoinHandle<()>>>,
}

// === impl Broker ===

impl Broker {
    /// Opens the broker of a directory. Queues are as the specs say; new ones get only later messages, and stored ones
    /// that no spec names keep what they have until it is consumed.
    pub fn open(dir: &Path, settings: BrokerSettings, queues: Vec<QueueSpec>) -> Result<Broker, OpenError> {
        Self::open_on(Arc::new(FileDisk::lock(dir)?), Arc::new(SystemClock), settings, queues)
    }

    /// As [`open`](Self::open), but whatever is written has to pass the gate, which can so make the disk full or read-only.
    pub fn open_gated(
        dir: &Path,
        gate: WriteGate,
        settings: BrokerSettings,
        queues: Vec<QueueSpec>,
    ) -> Result<Broker, OpenError> {
        let disk = GatedDisk::new(FileDisk::lock(dir)?, gate);
        Self::open_on(Arc::new(disk), Arc::new(SystemClock), settings, queues)
    }

    /// Opens a broker on any disk and clock, which is how tests lose power or let a day pass.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        settings: BrokerSettings,
        queues: Vec<QueueSpec>,
    ) -> Result<Broker, OpenError> {
        let store = open_store(&disk)?;
        let storage = |error: crate::store::StoreError| OpenError::Storage(error.to_string());
        let loaded = store.load().map_err(storage)?;
        let sequence = loaded.sequence;
        let Recovered { state, subscriptions, definitions } = recover(loaded, queues, settings.cache_bytes)?;
        store.define(&definitions).map_err(storage)?;
        let shared = Arc::new(Shared::new(state, subscriptions, settings, clock));
        let mut engine = Engine::new(Arc::clone(&shared), disk, store, sequence);
        engine.keep_up();
        let thread = std::thread::Builder::new().name("broker-engine".to_owned());
        let engine = thread.spawn(move || engine.run()).map_err(|error| OpenError::Storage(error.to_string()))?;
        Ok(Broker(Arc::new(Handle { shared, engine: Mutex::new(Some(engine)) })))
    }

    /// Resolves to Ok only after the message is synced. The message is on its way when this returns, whether or not
    /// the future is polled; two calls after one another keep their order. Never blocks the caller's thread.
    pub fn publish(&self, message: OutboundMessage) -> Publishing {
        self.take(message, Subscriptions::route)
    }

    /// As [`publish`](Self::publish), but the message is for this queue alone, whatever it subscribes to. The topic is
    /// carried to the consumer and compared with nothing.
    pub fn publish_to(&self, queue: &str, message: OutboundMessage) -> Publishing {
        self.take(message, |subscriptions, _| subscriptions.queue(queue))
    }

    fn take(&self, message: OutboundMessage, route: impl FnOnce(&Subscriptions, &str) -> Route) -> Publishing {
        let shared = &self.0.shared;
        if message.len() > shared.settings.max_message_bytes {
            return Publishing::refused(PublishError::TooLarge);
        }
        if let Err(reason) = check_publish_topic(&message.topic) {
            return Publishing::refused(PublishError::InvalidTopic(reason));
        }
        let route = route(&shared.subscriptions, &message.topic);
        if route.is_empty() {
            return Publishing::refused(PublishError::NoSubscriber(message.topic));
        }
        shared.inbox.join(Waiting { message, route }, &shared.settings)
    }

    /// Whether there is a queue of this name that can be bound, now or when its consumer has gone.
    pub fn has_queue(&self, name: &str) -> bool {
        self.0.shared.state().bindable(name).is_some()
    }

    /// Binds the queue's only flow, which has at most `max_unacked` messages at a time. Dropping the flow gives
    /// everything unacknowledged back, in order, with the redelivered flag.
    pub fn bind(&self, queue: &str, max_unacked: usize) -> Result<Flow, BindError> {
        let (bound, _) = self.0.shared.state().bind(queue, max_unacked, None)?;
        Ok(Flow::new(Arc::clone(&self.0.shared), bound))
    }

    /// As [`bind`](Self::bind), but ends the flow that this owner has there already, as if it had been dropped: for an
    /// owner whose earlier self hangs with the flow in hand and cannot drop it.
    pub fn bind_again(&self, owner: FlowOwner, queue: &str, max_unacked: usize) -> Result<Flow, BindError> {
        let (bound, superseded) = self.0.shared.state().bind(queue, max_unacked, Some(owner.0))?;
        self.0.shared.mark_dirty();
        superseded.into_iter().for_each(std::task::Waker::wake);
        Ok(Flow::new(Arc::clone(&self.0.shared), bound))
    }

    /// As [`bind`](Self::bind), but waits in line while another flow is bound: first come, first served, as standby
    /// consumers of an exclusive queue. The place in line is taken when this returns, and given up when the future is
    /// dropped. Await it: whoever's turn has come holds the queue, also unawares.
    pub fn line_up(
        &self,
        queue: &str,
        max_unacked: usize,
    ) -> impl Future<Output = Result<Flow, BindError>> + Send + 'static {
        let joined = self.0.shared.state().line_up(queue, max_unacked);
        let standby = joined.map(|bound| Flow::new(Arc::clone(&self.0.shared), bound));
        async move {
            let flow = standby?;
            flow.turn().await?;
            Ok(flow)
        }
    }

    /// Shuts one side of a queue until it is opened again or the broker is closed. What it holds stays; what its consumer
    /// has, whose flow ends by this, comes again.
    pub fn shut(&self, queue: &str, side: Side) -> Result<(), NoSuchQueue> {
        self.set_shut(queue, side, true)
    }

    /// Opens one side of a queue again.
    pub fn reopen(&self, queue: &str, side: Side) -> Result<(), NoSuchQueue> {
        self.set_shut(queue, side, false)
    }

    fn set_shut(&self, queue: &str, side: Side, shut: bool) -> Result<(), NoSuchQueue> {
        let ended = {
            let mut state = self.0.shared.state();
            let index = state.bindable(queue).ok_or_else(|| NoSuchQueue(queue.to_owned()))?;
            state.set_shut(index, side, shut)
        };
        self.0.shared.mark_dirty();
        ended.into_iter().for_each(std::task::Waker::wake);
        Ok(())
    }

    /// What each queue holds, in the order in which queues were first defined.
    pub fn stats(&self) -> Vec<QueueStats> {
        let state = self.0.shared.state();
        let shown = state.queues.iter().filter(|queue| !queue.retired || queue.depth > 0);
        let stats = shown.map(|queue| QueueStats {
            name: queue.spec.name.clone(),
            depth: queue.depth,
            unacknowledged: queue.unacked,
            bytes: queue.bytes,
            discarded: queue.discarded,
            consumers: u32::from(queue.consumer.is_some()),
        });
        stats.collect()
    }

    /// The most bytes of properties and payload that a message may have.
    pub fn max_message_bytes(&self) -> usize {
        self.0.shared.settings.max_message_bytes
    }

    /// Why publishing fails at the moment (the disk is full, say, or the broker has ended); `None` when it does not.
    pub fn trouble(&self) -> Option<String> {
        self.0.shared.inbox.trouble()
    }

    /// Closes in order: every publish in flight is answered, acknowledgements are written, files are closed. Takes as
    /// long as the disk does: put a deadline around it, and mind that the last handle waits for the same when dropped.
    pub fn close(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.shared.inbox.close();
        let shared = Arc::clone(&self.0.shared);
        async move { shared.departed().await }
    }

    /// A fault on purpose: the engine does nothing for so long; publishers and lagging consumers really wait. Closing
    /// ends it.
    pub fn stall(&self, duration: Duration) {
        self.0.shared.inbox.stall(duration);
    }

    /// A fault on purpose: for so long messages are stored and delivered, but their publishers never hear it. Those that
    /// still wait when it ends are told that nobody knows, as after a connection that broke.
    pub fn drop_acks(&self, duration: Duration) {
        self.0.shared.inbox.withhold(duration);
    }
}

// === impl Handle ===

impl Drop for Handle {
    /// Waits for the engine, so that the directory is free afterwards. A disk that hangs holds the caller's thread for
    /// as long, beyond any deadline around `close`: a system call on it cannot be cut short. Whoever must end in time
    /// ends the process, which loses no more than a crash.
    fn drop(&mut self) {
        self.shared.inbox.close();
        if let Some(engine) = lock(&self.engine).take() {
            // A panic of the engine has been answered to everybody it concerned.
            let _ = engine.join();
        }
    }
}

/// A database that was cut off by a full disk needs a little space to be opened: that is what the reserve is for.
fn open_store(disk: &Arc<dyn Disk>) -> Result<Store, OpenError> {
    let storage = |refused: NotOpened| OpenError::Storage(refused.error.to_string());
    match Store::open(disk, Wreck::default()) {
        Err(NotOpened { wreck, .. }) if wreck.full => {
            disk.set_reserve(0).map_err(|error| OpenError::Storage(error.to_string()))?;
            Store::open(disk, wreck).map_err(storage)
        }
        opened => opened.map_err(storage),
    }
}
