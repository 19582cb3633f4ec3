//! Moves one binding's messages to the consumer, in order, and its acknowledgements back.
//! Ends with the binding: it never binds again.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tillstream_messages::{DeliveryTag, FlowBound, HealthBoard, InboundMessage, Leg, LegState};
use tillstream_session::{FlowConsumer, Tags};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::info;

use super::hand::{Hand, Heard, Turn};
use super::report::Report;
use super::trouble::Trouble;
use crate::access::Access;
use crate::ffi::Delivered;
use crate::metrics::UNACKNOWLEDGED;

const BATCH: usize = 512;
const HEARTBEAT: Duration = Duration::from_millis(250);
/// The flow that this one replaces is unbound by then; one that still has to stand by says so.
const PATIENCE: Duration = Duration::from_millis(500);
/// When a session ends, its flow becomes inactive; the reason follows at once.
const REASON_WITHIN: Duration = Duration::from_millis(200);
/// What the consumer has acknowledged is on its way by then, or the broker is not there.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// A flow that is bound, active or not.
pub struct Standing {
    /// The way in that the session has used.
    pub access: Arc<Access>,
    /// What can be done to the flow.
    pub hand: Hand,
    /// What comes of it.
    pub heard: Heard,
}

/// One binding at work.
pub struct Pump {
    /// The binding; unbound with the pump.
    pub standing: Standing,
    /// The leg on which this process publishes.
    pub publish_leg: Leg,
    /// Asked whether that leg stands before a silent queue is called idle.
    pub health: HealthBoard,
    /// Where the binding says how it stands.
    pub report: Report,
    /// Counts bindings that became active, over all incarnations of the actor.
    pub epochs: Arc<AtomicU32>,
    /// How many unacknowledged messages the flow may hold.
    pub window: usize,
    /// Who gets the messages.
    pub consumer: FlowConsumer,
    /// Acknowledgements; closed when the binding is to end.
    pub orders: UnboundedReceiver<Vec<DeliveryTag>>,
}

/// Why a binding ended.
#[derive(Debug)]
pub enum PumpEnd {
    /// The actor asked for it.
    Dismissed,
    /// Something else did.
    Lost {
        /// What.
        trouble: Trouble,
        /// Whether the consumer knew of the binding.
        announced: bool,
    },
}

type Sending = Pin<Box<dyn Future<Output = ()>>>;

/// What is under way to the consumer.
struct Carriage {
    tags: Tags,
    sending: Option<Sending>,
    fetched: Option<Vec<InboundMessage>>,
    beat_at: Instant,
}

// === impl Pump ===

impl Pump {
    /// Stands by until the flow is active, then delivers until the binding ends.
    pub async fn run(mut self) -> PumpEnd {
        let mut inbox = Vec::new();
        match self.stand_by(&mut inbox).await {
            Ok(true) => {}
            Ok(false) => return self.dismissed().await,
            Err(trouble) => return PumpEnd::Lost { trouble, announced: false },
        }
        let end = self.deliver_all(inbox).await;
        UNACKNOWLEDGED.with_label_values(&[self.report.queue()]).set(0);
        match end {
            Ok(()) => self.dismissed().await,
            Err(trouble) => PumpEnd::Lost { trouble, announced: true },
        }
    }

    async fn dismissed(self) -> PumpEnd {
        self.standing.hand.close(CLOSE_WITHIN).await;
        PumpEnd::Dismissed
    }

    /// `false`: nobody wants it any more. A message shows as well as a word that the flow is active.
    async fn stand_by(&mut self, inbox: &mut Vec<Delivered>) -> Result<bool, Trouble> {
        let mut report_at = Some(Instant::now() + PATIENCE);
        let Heard { turns, messages } = &mut self.standing.heard;
        loop {
            tokio::select! {
                biased;
                order = self.orders.recv() => if order.is_none() { return Ok(false) },
                turn = turns.recv() => match turn {
                    Some(Turn::Active) => return Ok(true),
                    Some(Turn::Bound | Turn::Inactive) => {}
                    Some(Turn::Lost(trouble)) => return Err(trouble),
                    None => return Err(Trouble::Orphaned),
                },
                Some(message) = messages.recv() => {
                    inbox.push(message);
                    return Ok(true);
                }
                () = sleep_until(report_at.unwrap_or_else(Instant::now)), if report_at.is_some() => {
                    report_at = None;
                    self.report.standing_by();
                }
            }
        }
    }

    /// Sends one batch at a time while the next one is already fetched. Returns when nobody wants more.
    async fn deliver_all(&mut self, mut inbox: Vec<Delivered>) -> Result<(), Trouble> {
        let epoch = self.begin_epoch();
        let bound = FlowBound { epoch, window: self.window };
        let mut carriage = Carriage {
            tags: Tags::new(epoch),
            sending: Some(Box::pin(self.consumer.clone().announce(bound))),
            fetched: None,
            beat_at: Instant::now() + HEARTBEAT,
        };
        carriage.load(&self.standing.hand, &mut inbox);
        let held = UNACKNOWLEDGED.with_label_values(&[self.report.queue()]);
        loop {
            held.set(i64::try_from(carriage.tags.open()).unwrap_or(i64::MAX));
            if carriage.sending.is_none() {
                carriage.sending = carriage.fetched.take().map(|batch| self.deliver(epoch, batch));
            }
            let (free, idle) = (carriage.fetched.is_none(), carriage.is_empty());
            tokio::select! {
                biased;
                order = self.orders.recv() => match order {
                    Some(acknowledged) => self.standing.hand.acknowledge(carriage.tags.settle(&acknowledged)),
                    None => return Ok(()),
                },
                turn = self.standing.heard.turns.recv() => self.judge(turn).await?,
                () = sent(&mut carriage.sending) => {
                    carriage.sending = None;
                    carriage.beat_at = Instant::now() + HEARTBEAT;
                }
                _ = self.standing.heard.messages.recv_many(&mut inbox, BATCH), if free => {
                    carriage.load(&self.standing.hand, &mut inbox);
                }
                // Last: it fires only when nothing that was delivered waits.
                () = sleep_until(carriage.beat_at), if idle => {
                    carriage.beat_at = Instant::now() + HEARTBEAT;
                    carriage.sending = self.heartbeat(epoch, carriage.tags.open());
                }
            }
        }
    }

    fn begin_epoch(&self) -> u32 {
        let epoch = self.epochs.fetch_add(1, Ordering::Relaxed) + 1;
        self.report.active();
        let queue = self.report.queue();
        info!(%queue, flow.epoch = epoch, "bound queue `{queue}`");
        epoch
    }

    /// An active flow has nothing good to hear.
    async fn judge(&mut self, turn: Option<Turn>) -> Result<(), Trouble> {
        match turn {
            Some(Turn::Bound | Turn::Active) => Ok(()),
            Some(Turn::Inactive) => Err(self.reason().await),
            Some(Turn::Lost(trouble)) => Err(trouble),
            None => Err(Trouble::Orphaned),
        }
    }

    async fn reason(&mut self) -> Trouble {
        let turns = &mut self.standing.heard.turns;
        let lost = async {
            loop {
                match turns.recv().await {
                    Some(Turn::Lost(trouble)) => return trouble,
                    Some(_) => {}
                    None => return Trouble::Orphaned,
                }
            }
        };
        timeout(REASON_WITHIN, lost).await.unwrap_or(Trouble::Superseded)
    }

    fn deliver(&self, epoch: u32, batch: Vec<InboundMessage>) -> Sending {
        Box::pin(self.consumer.clone().deliver(epoch, batch))
    }

    /// A heartbeat says that time may pass, so there is none while sales wait: behind a full window, or in front of a
    /// broker that takes nothing.
    fn heartbeat(&self, epoch: u32, unacknowledged: usize) -> Option<Sending> {
        let flows = self.standing.hand.has_nothing() && self.health.get(self.publish_leg) == LegState::Up;
        let idle = unacknowledged < self.window && flows;
        idle.then(|| -> Sending { Box::pin(self.consumer.clone().beat(epoch)) })
    }
}

async fn sent(sending: &mut Option<Sending>) {
    match sending {
        Some(answer) => answer.await,
        None => pending().await,
    }
}

// === impl Carriage ===

impl Carriage {
    /// Takes over what was fetched; nothing is fetched before that has been sent.
    fn load(&mut self, hand: &Hand, inbox: &mut Vec<Delivered>) {
        if inbox.is_empty() {
            return;
        }
        hand.taken(inbox);
        let tagged = inbox.drain(..).map(|it| self.tags.tag(it.id, it.topic, it.payload, it.redelivered, it.trace));
        self.fetched = Some(tagged.collect());
    }

    fn is_empty(&self) -> bool {
        self.sending.is_none() && self.fetched.is_none()
    }
}
