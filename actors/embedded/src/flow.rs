//! The actor that holds one queue's flow: binds it, keeps it bound and counts its bindings.
//! Does not look into messages; the pump moves them, the consumer decides when they are acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, WrapFuture};
use tillstream_broker::{Broker, Flow, FlowOwner};
use tillstream_messages::{AcknowledgeDeliveries, DeliveryTag, HealthBoard, Leg, LegState, RebindFlow};
use tillstream_session::FlowConsumer;
use tillstream_supervision::{SupervisedContext, supervised};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::{info, warn};

use crate::pump::{Pump, PumpEnd};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A binding that stands is reported again this often: an earlier incarnation whose thread was blocked may have written late.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// All that an incarnation of a flow starts from; cloned by the factory.
#[derive(Clone)]
pub struct FlowWiring {
    /// The broker.
    pub broker: Broker,
    /// The queue to bind.
    pub queue: String,
    /// How many unacknowledged messages the flow may hold.
    pub window: usize,
    /// Who gets the messages.
    pub consumer: FlowConsumer,
    /// The leg that this flow is.
    pub leg: Leg,
    /// Where the leg is reported.
    pub health: HealthBoard,
    /// Counts bindings over all incarnations of the actor; every clone shares it.
    pub epochs: Arc<AtomicU32>,
    /// Every incarnation binds in this name: one that hangs with the flow in hand cannot give it back.
    pub owner: FlowOwner,
}

/// Keeps one queue bound.
pub struct EmbeddedFlow {
    /// What to bind and for whom.
    wiring: FlowWiring,
    /// The binding at work; without one an attempt to bind is due or a pump is ending.
    binding: Option<Binding>,
    /// How long to wait after the next failed attempt.
    pause: Duration,
}

struct Binding {
    epoch: u32,
    /// Dropped to end the pump. Unbounded, but nothing is acknowledged that the flow's window did not let through.
    acknowledged: UnboundedSender<Vec<DeliveryTag>>,
}

// === impl EmbeddedFlow ===

impl EmbeddedFlow {
    /// An unbound flow; it binds when it starts.
    pub fn new(wiring: FlowWiring) -> Self {
        Self { wiring, binding: None, pause: FIRST_PAUSE }
    }

    fn bind(&mut self, ctx: &mut SupervisedContext<Self>) {
        match self.wiring.broker.bind_again(self.wiring.owner, &self.wiring.queue, self.wiring.window) {
            Ok(flow) => self.pump(flow, ctx),
            Err(reason) => self.bind_later(&reason.to_string(), ctx),
        }
    }

    fn pump(&mut self, flow: Flow, ctx: &mut SupervisedContext<Self>) {
        let epoch = self.wiring.epochs.fetch_add(1, Ordering::Relaxed) + 1;
        let (acknowledged, orders) = unbounded_channel();
        let FlowWiring { broker, window, consumer, health, .. } = self.wiring.clone();
        let pump = Pump { broker, health, flow, epoch, window, consumer, orders };
        ctx.spawn(pump.run().into_actor(self).map(|end, flow, ctx| flow.pump_ended(&end, ctx)));
        self.binding = Some(Binding { epoch, acknowledged });
        self.pause = FIRST_PAUSE;
        self.wiring.health.set(self.wiring.leg, LegState::Up);
        info!(queue = %self.wiring.queue, flow.epoch = epoch, "bound queue `{}`", self.wiring.queue);
    }

    fn report_standing(&self) {
        if self.binding.is_some() {
            self.wiring.health.set(self.wiring.leg, LegState::Up);
        }
    }

    fn pump_ended(&mut self, end: &PumpEnd, ctx: &mut SupervisedContext<Self>) {
        self.binding = None;
        let PumpEnd::Lost(reason) = end else {
            return self.bind(ctx);
        };
        let text = reason.to_string();
        self.wiring.consumer.lose(&text);
        self.bind_later(&text, ctx);
    }

    fn bind_later(&mut self, reason: &str, ctx: &mut SupervisedContext<Self>) {
        let FlowWiring { queue, leg, health, .. } = &self.wiring;
        warn!(%queue, reason, pause_ms = self.pause.as_millis(), "queue `{queue}` is not bound, trying again");
        health.set(*leg, LegState::Down(format!("queue `{queue}` is not bound: {reason}")));
        ctx.run_later(self.pause, Self::bind);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

supervised!(EmbeddedFlow);

impl Actor for EmbeddedFlow {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.bind(ctx);
        ctx.run_interval(REPORT_EVERY, |flow, _| flow.report_standing());
    }
}

impl Handler<AcknowledgeDeliveries> for EmbeddedFlow {
    type Result = ();

    fn handle(&mut self, order: AcknowledgeDeliveries, _: &mut Self::Context) {
        let Some(binding) = &self.binding else { return };
        let mut tags = order.tags;
        tags.retain(|tag| tag.epoch == binding.epoch);
        // A pump that has just ended gives everything back; its messages come again.
        let _ = binding.acknowledged.send(tags);
    }
}

impl Handler<RebindFlow> for EmbeddedFlow {
    type Result = ();

    fn handle(&mut self, _: RebindFlow, _: &mut Self::Context) {
        // The pump ends for want of its sender, drops the flow, and `pump_ended` binds anew.
        self.binding = None;
    }
}
