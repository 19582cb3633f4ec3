//! The actor that keeps one queue bound, through every failure of connection and broker, and counts its bindings.
//! Does not look into messages; the pump moves them, the consumer decides when they are acknowledged.

mod gate;
mod hand;
mod pump;
mod report;
mod trouble;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Handler, Running, SpawnHandle, WrapFuture};
use tillstream_messages::{AcknowledgeDeliveries, DeliveryTag, HealthBoard, Leg, RebindFlow, SecretsChanged};
use tillstream_session::FlowConsumer;
use tillstream_supervision::{SupervisedContext, supervised};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tracing::{info, warn};

pub use self::hand::Hands;
use self::hand::{Hand, Plan, Turn};
use self::pump::{Pump, PumpEnd, Standing};
use self::report::Report;
pub(crate) use self::trouble::Trouble;
use crate::access::{Access, AccessBook};
use crate::client_name::client_name;
use crate::ffi::{FlowOptions, SessionOptions};
use crate::metrics::{self, LOGINS};
use crate::pauses::Pauses;
use crate::settings::SolaceSettings;

/// How a queue stands is said again this often: an earlier incarnation whose thread was blocked may have written late.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// The library gives up by itself; who waits for it waits a little longer.
const SLACK: Duration = Duration::from_secs(2);
/// A session that only consumes publishes nothing.
const NO_PUBLISHES: u8 = 1;
/// Of a queue's name in a client's name, which has room for no more.
const NAME_BYTES: usize = 64;

/// All that an incarnation of a flow starts from; cloned by the factory.
#[derive(Clone)]
pub struct SolaceFlowWiring {
    /// The newest way in.
    pub access: AccessBook,
    /// Where the secret tree has this user's credentials.
    pub creds_path: String,
    /// Bounds and pauses.
    pub settings: SolaceSettings,
    /// The queue to bind.
    pub queue: String,
    /// Who gets the messages.
    pub consumer: FlowConsumer,
    /// The leg that this flow is.
    pub leg: Leg,
    /// The leg on which this process publishes: while it is down, a queue from which nothing comes is not idle.
    pub publish_leg: Leg,
    /// Where the legs are reported.
    pub health: HealthBoard,
    /// Counts bindings that became active, over all incarnations of the actor; every clone shares it.
    pub epochs: Arc<AtomicU32>,
    /// What incarnations hold: make it once, with `default()`.
    pub hands: Hands,
}

/// Keeps one queue bound.
pub struct SolaceFlow {
    /// What to bind and for whom.
    wiring: SolaceFlowWiring,
    /// Where it is said how the queue stands.
    report: Report,
    /// The binding at work; without one an attempt is due or under way, or a pump is ending.
    binding: Option<Binding>,
    /// The way in of the attempt that is under way: the first binding, or one that is to replace the binding at work.
    attempt: Option<Arc<Access>>,
    /// The next attempt, if it has to wait.
    retry: Option<SpawnHandle>,
    /// For how long.
    pauses: Pauses,
    /// It only waits for its end.
    closing: bool,
}

struct Binding {
    /// Tells it from those before it.
    number: u64,
    /// The way in that it has used.
    access: Arc<Access>,
    /// Dropped to end the pump. Unbounded, but nothing is acknowledged that the flow's window did not let through.
    acknowledged: UnboundedSender<Vec<DeliveryTag>>,
}

// === impl SolaceFlow ===

impl SolaceFlow {
    /// An unbound flow; it binds when it starts.
    pub fn new(wiring: SolaceFlowWiring) -> Self {
        metrics::register();
        metrics::UNACKNOWLEDGED.with_label_values(&[&wiring.queue]);
        let report = Report::new(wiring.queue.clone(), wiring.leg, wiring.health.clone());
        let pauses = Pauses::new(&wiring.settings);
        Self { wiring, report, binding: None, attempt: None, retry: None, pauses, closing: false }
    }

    /// Binds with the newest way in, unless that has been done or is being done.
    fn bind(&mut self, ctx: &mut SupervisedContext<Self>) {
        let newest = self.wiring.access.newest();
        let done = self.binding.as_ref().is_some_and(|binding| binding.access == newest);
        if done || self.attempt.is_some() || self.closing {
            return;
        }
        self.retry.take().map(|retry| ctx.cancel_future(retry));
        self.attempt = Some(Arc::clone(&newest));
        let lining_up = line_up(self.plan(newest), self.wiring.settings.connect_within);
        ctx.spawn(lining_up.into_actor(self).map(|outcome, flow, ctx| flow.lined_up(outcome, ctx)));
    }

    fn plan(&self, access: Arc<Access>) -> Plan {
        let SolaceSettings { client_name: prefix, connect_within, keep_alive, max_unacked, .. } = &self.wiring.settings;
        let queue = self.wiring.queue.clone();
        let session = SessionOptions {
            client_name: client_name(prefix, &queue[..queue.floor_char_boundary(NAME_BYTES)]),
            publish_window: NO_PUBLISHES,
            connect_within: *connect_within,
            keep_alive: *keep_alive,
        };
        let flow = FlowOptions { queue, max_unacked: *max_unacked, bind_within: *connect_within, settles: false };
        let (creds_path, hands) = (self.wiring.creds_path.as_str().into(), self.wiring.hands.clone());
        Plan { access, creds_path, hands, session, flow }
    }

    fn lined_up(&mut self, outcome: Result<Standing, Trouble>, ctx: &mut SupervisedContext<Self>) {
        self.attempt = None;
        let logged_in = !matches!(outcome, Err(Trouble::Login(_) | Trouble::Silence(_)));
        LOGINS.with_label_values(&[if logged_in { "up" } else { "failed" }]).inc();
        match outcome {
            _ if self.closing => {}
            Ok(standing) => {
                self.pump(standing, ctx);
                // Another way in may have come meanwhile.
                self.bind(ctx);
            }
            Err(trouble) if self.binding.is_some() => self.not_replaced(&trouble, ctx),
            Err(trouble) => self.bind_later(&trouble, ctx),
        }
    }

    /// The binding before, if there is one, ends for want of its sender: it acknowledges what is due and is unbound. This
    /// one has stood by until then, and what was not acknowledged comes to it.
    fn pump(&mut self, standing: Standing, ctx: &mut SupervisedContext<Self>) {
        let number = next_number();
        let (acknowledged, orders) = unbounded_channel();
        let access = Arc::clone(&standing.access);
        let SolaceFlowWiring { settings, consumer, publish_leg, health, epochs, .. } = self.wiring.clone();
        let (report, window) = (self.report.clone(), settings.max_unacked);
        let pump = Pump { standing, publish_leg, health, report, epochs, window, consumer, orders };
        ctx.spawn(pump.run().into_actor(self).map(move |end, flow, ctx| flow.pump_ended(number, end, ctx)));
        self.binding = Some(Binding { number, access, acknowledged });
        self.pauses.reset();
    }

    fn pump_ended(&mut self, number: u64, end: PumpEnd, ctx: &mut SupervisedContext<Self>) {
        if self.binding.as_ref().is_some_and(|binding| binding.number != number) {
            return;
        }
        self.binding = None;
        match end {
            _ if self.closing => ctx.stop(),
            PumpEnd::Dismissed => self.bind(ctx),
            PumpEnd::Lost { trouble, announced } => {
                if announced {
                    self.wiring.consumer.lose(&trouble.to_string());
                }
                self.bind_later(&trouble, ctx);
            }
        }
    }

    /// The binding at work stays, unless there is room for one only.
    fn not_replaced(&mut self, trouble: &Trouble, ctx: &mut SupervisedContext<Self>) {
        let queue = &self.wiring.queue;
        if matches!(trouble, Trouble::TooManyConsumers(_)) {
            info!(%queue, "queue `{queue}` has room for one consumer only, so it is unbound first");
            // The pump ends, and `pump_ended` binds with the new credentials.
            self.binding = None;
            return;
        }
        let reason = trouble.to_string();
        warn!(%queue, reason, "queue `{queue}` stays bound with the old credentials, trying the new ones again");
        self.later(ctx);
    }

    fn bind_later(&mut self, trouble: &Trouble, ctx: &mut SupervisedContext<Self>) {
        self.report.failed(trouble);
        let pause = self.later(ctx);
        let (queue, reason) = (&self.wiring.queue, trouble.to_string());
        warn!(%queue, reason, pause_ms = pause.as_millis(), "queue `{queue}` is not bound, trying again");
    }

    fn later(&mut self, ctx: &mut SupervisedContext<Self>) -> Duration {
        let pause = self.pauses.next();
        self.retry.take().map(|retry| ctx.cancel_future(retry));
        self.retry = Some(ctx.run_later(pause, |flow, ctx| {
            flow.retry = None;
            flow.bind(ctx);
        }));
        pause
    }
}

/// Logs in and binds; returns when the flow is bound, active or not.
async fn line_up(plan: Plan, connect_within: Duration) -> Result<Standing, Trouble> {
    let access = Arc::clone(&plan.access);
    let within = connect_within * (access.hosts() + 1) + SLACK;
    let (hand, mut heard) = Hand::start(plan)?;
    let bound = async {
        match heard.turns.recv().await {
            Some(Turn::Lost(trouble)) => Err(trouble),
            Some(Turn::Bound | Turn::Active | Turn::Inactive) => Ok(()),
            None => Err(Trouble::Orphaned),
        }
    };
    timeout(within, bound).await.unwrap_or(Err(Trouble::Silence(within)))?;
    Ok(Standing { access, hand, heard })
}

fn next_number() -> u64 {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

supervised!(SolaceFlow);

impl Actor for SolaceFlow {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.wiring.hands.release();
        self.bind(ctx);
        ctx.run_interval(REPORT_EVERY, |flow, _| flow.report.repeat());
    }

    /// Once, and only for as long as the pump takes to acknowledge what is due and to unbind.
    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        let first = !std::mem::replace(&mut self.closing, true);
        let wait = first && self.binding.take().is_some();
        if wait { Running::Continue } else { Running::Stop }
    }
}

impl Handler<AcknowledgeDeliveries> for SolaceFlow {
    type Result = ();

    fn handle(&mut self, order: AcknowledgeDeliveries, _: &mut Self::Context) {
        let Some(binding) = &self.binding else { return };
        // Tags of another epoch have no message behind them; a pump that has just ended gives everything back.
        let _ = binding.acknowledged.send(order.tags);
    }
}

impl Handler<RebindFlow> for SolaceFlow {
    type Result = ();

    fn handle(&mut self, _: RebindFlow, _: &mut Self::Context) {
        // The pump ends for want of its sender, unbinds, and `pump_ended` binds anew.
        self.binding = None;
    }
}

impl Handler<SecretsChanged> for SolaceFlow {
    type Result = ();

    fn handle(&mut self, fact: SecretsChanged, ctx: &mut Self::Context) {
        let SolaceFlowWiring { settings, creds_path, access, .. } = &self.wiring;
        match Access::of(settings, &fact.tree, creds_path) {
            Ok(newest) => access.enter(newest),
            Err(error) => {
                return warn!(%error, "the changed secrets do not say how to log in, the old ones stay in use");
            }
        };
        if fact.changed.iter().any(|path| path == creds_path) {
            self.pauses.reset();
        }
        self.bind(ctx);
    }
}
