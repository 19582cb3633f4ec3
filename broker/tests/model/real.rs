//! The real thing with one consumer per queue, each of which keeps what it has.
//! Knows of the model only how many dead it must wait for.

use std::collections::{BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tillstream_broker::{
    BindError, Broker, BrokerSettings, Delivery, Flow, FlowOwner, Publishing, QueueSpec, WhenFull,
};

use crate::book::{Model, Sent, payload_len};
use crate::common::sim_disk::SimDisk;
use crate::common::*;
use crate::{
    ASIDE, DEAD, FEW_REDELIVERIES, LOOSE_QUOTA, MAX_REDELIVERY, NAMES, QUEUES, STRICT_QUOTA, SUBSCRIPTIONS, TOPICS,
    TTL, WILD,
};

/// A consumer that may have everything.
pub const UNLIMITED: usize = 10_000;

/// Holds a chunk or two, so that most bodies are read from the disk.
const LITTLE_CACHE: usize = 1_000;

pub struct Real {
    pub disk: SimDisk,
    pub clock: Arc<ManualClock>,
    pub broker: Broker,
    pub flows: [Option<Flow>; QUEUES],
    pub had: [Vec<Delivery>; QUEUES],
    /// Who waits until the consumer has gone.
    pub lines: [VecDeque<Standby>; QUEUES],
    /// Every delivery id there ever was.
    known: [BTreeSet<u64>; QUEUES],
    owners: [FlowOwner; QUEUES],
    with_owner: [bool; QUEUES],
    cache_bytes: usize,
}

/// Somebody in line, who has looked once and is to be woken when their turn comes and not before.
pub struct Standby {
    turn: Pin<Box<dyn Future<Output = Result<Flow, BindError>>>>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicBool);

/// `strict` must not miss anything; `loose` has every limit there is; `wild` has none; `aside` drops what fails too often.
fn specs() -> Vec<QueueSpec> {
    let of = |index: usize| queue(NAMES[index], SUBSCRIPTIONS[index]);
    let strict = QueueSpec { quota_bytes: STRICT_QUOTA, ..of(crate::STRICT) };
    let loose = QueueSpec {
        quota_bytes: LOOSE_QUOTA,
        when_full: WhenFull::DiscardNewest,
        ttl: Some(TTL),
        max_redelivery: Some(MAX_REDELIVERY),
        dead_message_queue: Some(NAMES[DEAD].to_owned()),
        ..of(crate::LOOSE)
    };
    vec![strict, loose, of(WILD), QueueSpec { max_redelivery: Some(FEW_REDELIVERIES), ..of(ASIDE) }, of(DEAD)]
}

// === impl Standby ===

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Standby {
    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::SeqCst)
    }

    fn look(&mut self) -> Poll<Result<Flow, BindError>> {
        let waker = Waker::from(Arc::clone(&self.woken));
        self.turn.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

// === impl Real ===

impl Real {
    pub fn open_new(little_memory: bool) -> Self {
        let cache_bytes = if little_memory { LITTLE_CACHE } else { BrokerSettings::default().cache_bytes };
        Self::open(SimDisk::default(), manual_clock(), cache_bytes)
    }

    fn open(disk: SimDisk, clock: Arc<ManualClock>, cache_bytes: usize) -> Self {
        let settings = BrokerSettings { cache_bytes, ..settings() };
        let broker = Broker::open_on(Arc::new(disk.clone()), clock.clone(), settings, specs()).expect("opens");
        let (flows, had, known, lines) = Default::default();
        let owners = std::array::from_fn(|_| FlowOwner::new());
        let mut real =
            Self { disk, clock, broker, flows, had, lines, known, owners, with_owner: [true; QUEUES], cache_bytes };
        (0..QUEUES).for_each(|queue| real.bind(queue, UNLIMITED));
        real
    }

    /// Goes on with another disk; returns what consumers had.
    pub fn reopen(&mut self, disk: SimDisk) -> [Vec<Delivery>; QUEUES] {
        let next = Self::open(disk, Arc::clone(&self.clock), self.cache_bytes);
        let before = std::mem::replace(self, next);
        self.known = before.known;
        before.had
    }

    pub fn bind(&mut self, queue: usize, window: usize) {
        self.flows[queue] = Some(self.broker.bind_again(self.owners[queue], NAMES[queue], window).unwrap());
        self.with_owner[queue] = true;
    }

    /// Whether the owner of this queue has it, and not somebody who stood in line.
    pub fn is_with_owner(&self, queue: usize) -> bool {
        self.with_owner[queue]
    }

    pub fn line_up(&mut self, queue: usize, window: usize) {
        let turn = Box::pin(self.broker.line_up(NAMES[queue], window));
        let mut standby = Standby { turn, woken: Arc::default() };
        assert!(standby.look().is_pending(), "{} is bound", NAMES[queue]);
        self.lines[queue].push_back(standby);
    }

    /// The consumer goes, and so do the first in line behind it, who were served and never looked. Whoever comes next in
    /// line has the queue then, or the owner when nobody does.
    pub fn hand_over(&mut self, queue: usize, unaware: usize, window: usize) {
        self.flows[queue] = None;
        for _ in 0..unaware {
            let served = self.lines[queue].pop_front().expect("the model has counted them");
            assert!(served.is_woken(), "{} was free and the first in line not woken", NAMES[queue]);
        }
        let Some(mut next) = self.lines[queue].pop_front() else { return self.bind(queue, window) };
        assert!(next.is_woken(), "{} was free and the next in line not woken", NAMES[queue]);
        let Poll::Ready(Ok(flow)) = next.look() else { panic!("{} is free and not served", NAMES[queue]) };
        self.flows[queue] = Some(flow);
        self.with_owner[queue] = false;
        assert!(self.lines[queue].iter().all(|standby| !standby.is_woken()), "one consumer at a time");
    }

    /// The owner binds again while its earlier flow is still in hand; returns what that had.
    pub fn supersede(&mut self, queue: usize, window: usize) -> Vec<Delivery> {
        let hung = self.flows[queue].take().unwrap();
        self.bind(queue, window);
        assert!(self.lines[queue].iter().all(|standby| !standby.is_woken()), "the owner has it still");
        let had = std::mem::take(&mut self.had[queue]);
        hung.acknowledge(&ids(&had));
        assert_eq!(hung.unacknowledged(), 0, "a flow that was superseded has nothing");
        assert!(matches!(self.broker.bind(NAMES[queue], 1), Err(BindError::Taken(_))), "queues are exclusive");
        had
    }

    pub fn flow(&self, queue: usize) -> &Flow {
        self.flows[queue].as_ref().unwrap()
    }

    pub fn publish(&self, sent: Sent, number: u64) -> Publishing {
        let mut message = message_of(TOPICS[sent.topic], number, payload_len(sent.long));
        if sent.described {
            message.properties = properties_of(number);
        }
        match sent.to {
            Some(queue) => self.broker.publish_to(NAMES.get(queue).unwrap_or(&"absent"), message),
            None => self.broker.publish(message),
        }
    }

    /// Asks once without waiting; returns how many came.
    pub async fn poll(&mut self, queue: usize, count: usize) -> usize {
        let flow = self.flows[queue].as_mut().unwrap();
        let came = tokio::select! { biased; came = flow.next_batch(count) => came.unwrap(), () = std::future::ready(()) => Vec::new() };
        came.len()
    }

    pub async fn take(&mut self, queue: usize, count: usize) -> Vec<Delivery> {
        within(&format!("{count} deliveries from {}", NAMES[queue]), take(self.flows[queue].as_mut().unwrap(), count))
            .await
    }

    /// Everything that the queue has, in its order.
    pub async fn take_all(&mut self, queue: usize) -> Vec<Delivery> {
        let flow = self.flows[queue].as_mut().unwrap();
        let all = async {
            let mut taken = Vec::new();
            while !flow.has_all() {
                tokio::select! {
                    came = flow.next_batch(UNLIMITED) => taken.extend(came.unwrap()),
                    // What is on its way to the dead never comes.
                    () = tokio::time::sleep(Duration::from_millis(1)) => {}
                }
            }
            taken
        };
        within(&format!("everything from {}", NAMES[queue]), all).await
    }

    pub fn keep(&mut self, queue: usize, deliveries: Vec<Delivery>) {
        self.known[queue].extend(ids(&deliveries));
        self.had[queue].extend(deliveries);
    }

    /// Takes what the consumer has at these places.
    pub fn choose(&mut self, queue: usize, places: &[u8]) -> Vec<Delivery> {
        let had = &mut self.had[queue];
        let mut chosen = Vec::new();
        for place in places {
            if !had.is_empty() {
                chosen.push(had.swap_remove(usize::from(*place) % had.len()));
            }
        }
        chosen
    }

    /// Ids that were delivered once and are not with the consumer, and some that never were.
    pub fn choose_strange(&self, queue: usize, places: &[u8]) -> Vec<u64> {
        let had: BTreeSet<u64> = ids(&self.had[queue]).into_iter().collect();
        let strange: Vec<u64> = self.known[queue].difference(&had).copied().chain([u64::MAX, u64::MAX - 70]).collect();
        places.iter().map(|place| strange[usize::from(*place) % strange.len()]).collect()
    }

    /// Waits until what left for the dead-message queue has arrived there, as it is one commit away.
    pub async fn settle_dead(&self, model: &Model) {
        let arrived = async {
            while depth_of(&self.broker, NAMES[DEAD]) != model.queues[DEAD].held.len() as u64 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        within("the dead-message queue", arrived).await;
    }

    /// Closing takes back what consumers had, so it counts as a delivery that failed.
    pub async fn restart_in_order(&mut self, model: &mut Model) {
        // A consumer that somebody waits for is there to the end, the others go before.
        for (flow, line) in self.flows.iter_mut().zip(&self.lines) {
            flow.take_if(|_| line.is_empty());
        }
        within("closing", self.broker.close()).await;
        for (name, line) in NAMES.iter().zip(&mut self.lines) {
            for standby in line {
                assert!(standby.is_woken() && matches!(standby.look(), Poll::Ready(Err(BindError::Closed))), "{name}");
            }
        }
        self.flows = Default::default();
        let had = self.reopen(self.disk.clone());
        for (queue, had) in had.iter().enumerate() {
            model.give_back(queue, &numbers(had));
            model.queues[queue].window = UNLIMITED;
            model.queues[queue].line.clear();
        }
        model.synced();
    }
}
