//! The thread that holds one session with one flow and makes every call of the library that may wait.
//! Decides nothing: it binds once, does as it is told, and hands on what it hears.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::debug;

use super::gate::{Gate, Level};
use super::trouble::Trouble;
use crate::access::Access;
use crate::ffi::{Delivered, Failure, Flow, FlowEvent, FlowOptions, Outcome, Session, SessionEvent, SessionOptions};

/// The other end of the thread. Dropped, it makes the thread send what is due, unbind and close, in its own time.
pub struct Hand {
    orders: Sender<Order>,
    gate: Arc<Gate>,
    closed: oneshot::Receiver<()>,
    number: u64,
    hands: Hands,
}

/// What all incarnations of one flow actor hold; every clone shares it. An incarnation that hangs drops nothing, and while
/// its flow is bound the broker gives the queue to nobody else.
#[derive(Clone, Default)]
pub struct Hands(Arc<Mutex<BTreeMap<u64, Sender<Order>>>>);

/// What the thread hears, in two lines: what changes is never stuck behind messages that nobody takes.
pub struct Heard {
    /// Turns of the flow.
    pub turns: UnboundedReceiver<Turn>,
    /// Messages, in the queue's order. Bounded by the flow's `max_unacked` and, in bytes, by its gate.
    pub messages: UnboundedReceiver<Delivered>,
}

/// How a flow stands from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Bound; whether it gets messages is told next.
    Bound,
    /// It gets them.
    Active,
    /// Another consumer does.
    Inactive,
    /// It is gone, for good.
    Lost(Trouble),
}

/// All that a session with one flow is made from.
pub struct Plan {
    /// Where and as whom.
    pub access: Arc<Access>,
    /// Where the secret tree says so.
    pub creds_path: Arc<str>,
    /// Where the hand is entered.
    pub hands: Hands,
    /// How to log in.
    pub session: SessionOptions,
    /// What to bind.
    pub flow: FlowOptions,
}

enum Order {
    LoggedIn,
    Acknowledge(Vec<u64>),
    Look,
    End,
}

/// The thread's own things.
struct Body {
    orders: Receiver<Order>,
    ears: Ears,
    gate: Arc<Gate>,
    stopped: bool,
}

/// Where callbacks put what they were told. Only pushes, so that no callback ever waits.
#[derive(Clone)]
struct Ears {
    creds_path: Arc<str>,
    turns: UnboundedSender<Turn>,
    messages: UnboundedSender<Delivered>,
    orders: Sender<Order>,
    gate: Arc<Gate>,
}

// === impl Hand ===

impl Hand {
    /// Starts the thread, which logs in and binds.
    pub fn start(plan: Plan) -> Result<(Self, Heard), Trouble> {
        let (orders, taken) = channel();
        let (turns, heard_turns) = unbounded_channel();
        let (messages, heard_messages) = unbounded_channel();
        let (closing, closed) = oneshot::channel();
        let gate = Arc::<Gate>::default();
        let (creds_path, hands) = (Arc::clone(&plan.creds_path), plan.hands.clone());
        let ears = Ears { creds_path, turns, messages, orders: orders.clone(), gate: Arc::clone(&gate) };
        let body = Body { orders: taken, ears, gate: Arc::clone(&gate), stopped: false };
        let thread = thread::Builder::new().name("solace-flow".to_owned());
        let started = thread.spawn(move || body.run(plan, closing));
        started.map_err(|error| Trouble::Other(Failure::of(0, &format!("no thread can be started: {error}"))))?;
        let number = hands.enter(orders.clone());
        Ok((Self { orders, gate, closed, number, hands }, Heard { turns: heard_turns, messages: heard_messages }))
    }

    /// These are done. Returns at once; the thread acknowledges them.
    pub fn acknowledge(&self, ids: Vec<u64>) {
        if !ids.is_empty() {
            self.order(Order::Acknowledge(ids));
        }
    }

    /// The consumer has taken these off the line.
    pub fn taken(&self, messages: &[Delivered]) {
        let fallen = messages.iter().fold(false, |fallen, message| self.gate.leave(message.payload.len()) | fallen);
        if fallen {
            self.order(Order::Look);
        }
    }

    /// Whether nothing that was delivered waits to be taken.
    pub fn has_nothing(&self) -> bool {
        self.gate.is_empty()
    }

    /// Sends what is due, unbinds, closes the session, and returns when that is done or has taken too long.
    pub async fn close(mut self, within: Duration) {
        self.order(Order::End);
        if timeout(within, &mut self.closed).await.is_err() {
            debug!("the broker has not answered to the end of a flow; it is closed without waiting");
        }
    }

    /// A thread that has ended takes no orders: then there is no flow any more.
    fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.hands.entered().remove(&self.number);
        self.order(Order::End);
    }
}

// === impl Hands ===

impl Hands {
    /// Makes earlier incarnations let go, wherever they hang.
    pub fn release(&self) {
        for (_, orders) in std::mem::take(&mut *self.entered()) {
            let _ = orders.send(Order::End);
        }
    }

    fn enter(&self, orders: Sender<Order>) -> u64 {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.entered().insert(number, orders);
        number
    }

    fn entered(&self) -> MutexGuard<'_, BTreeMap<u64, Sender<Order>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Body ===

impl Body {
    /// `closing` is dropped with the session, when nothing is left of it.
    fn run(mut self, plan: Plan, closing: oneshot::Sender<()>) {
        if let Err(trouble) = self.hold(&plan, closing) {
            self.ears.turn(Turn::Lost(trouble));
        }
    }

    fn hold(&mut self, plan: &Plan, closing: oneshot::Sender<()>) -> Result<(), Trouble> {
        let ears = self.ears.clone();
        let on_event = move |event| {
            let _lives_as_long_as_the_session = &closing;
            ears.hear_session(event);
        };
        let session =
            Session::open(&plan.access, &plan.session, on_event).map_err(|failure| self.ears.no_login(&failure))?;
        if !self.logged_in() {
            return Ok(());
        }
        let ears = self.ears.clone();
        let flow = Flow::bind(&session, &plan.flow, move |event| ears.hear_flow(event)).map_err(Trouble::of_bind)?;
        // Dropped before the session, whose last owner closes it.
        while let Ok(order) = self.orders.recv() {
            match order {
                Order::End => break,
                Order::Acknowledge(ids) => acknowledge(&flow, &ids)?,
                Order::LoggedIn | Order::Look => self.keep_level(&flow)?,
            }
        }
        Ok(())
    }

    /// `false`: there will be no flow, either because nobody wants it any more or because the login failed.
    fn logged_in(&self) -> bool {
        while let Ok(order) = self.orders.recv() {
            match order {
                Order::LoggedIn => return true,
                Order::End => return false,
                Order::Acknowledge(_) | Order::Look => {}
            }
        }
        false
    }

    /// Both calls are made here, by one thread, so that a stop never overtakes the start that follows it.
    fn keep_level(&mut self, flow: &Flow) -> Result<(), Trouble> {
        let (change, stopped) = match (self.gate.level(), self.stopped) {
            (Level::High, false) => (flow.stop(), true),
            (Level::Low, true) => (flow.start(), false),
            _ => return Ok(()),
        };
        debug!(flow.stopped = stopped, "the flow was told how much there is room for");
        self.stopped = stopped;
        change.map_err(Trouble::Other)
    }
}

fn acknowledge(flow: &Flow, ids: &[u64]) -> Result<(), Trouble> {
    ids.iter().try_for_each(|id| flow.settle(*id, Outcome::Accepted)).map_err(Trouble::Other)
}

// === impl Ears ===

impl Ears {
    fn hear_session(&self, event: SessionEvent) {
        match event {
            SessionEvent::Up => self.order(Order::LoggedIn),
            SessionEvent::ConnectFailed(failure) => self.turn(Turn::Lost(self.no_login(&failure))),
            SessionEvent::Down(failure) => self.turn(Turn::Lost(Trouble::Connection(failure))),
            // Publishing is another session's.
            SessionEvent::PublishingDown(_)
            | SessionEvent::Acknowledged(_)
            | SessionEvent::Rejected(..)
            | SessionEvent::CanSend => {}
        }
    }

    fn hear_flow(&self, event: FlowEvent) {
        match event {
            FlowEvent::Message(message) => self.take(message),
            FlowEvent::Bound => self.turn(Turn::Bound),
            FlowEvent::Active => self.turn(Turn::Active),
            FlowEvent::Inactive => self.turn(Turn::Inactive),
            FlowEvent::Refused(failure) => self.turn(Turn::Lost(Trouble::of_bind(failure))),
            FlowEvent::Down(failure) => self.turn(Turn::Lost(Trouble::of_unbind(failure))),
        }
    }

    fn take(&self, message: Delivered) {
        let risen = self.gate.enter(message.payload.len());
        let _ = self.messages.send(message);
        if risen {
            self.order(Order::Look);
        }
    }

    fn no_login(&self, failure: &Failure) -> Trouble {
        Trouble::of_login(failure, &self.creds_path)
    }

    fn turn(&self, turn: Turn) {
        let _ = self.turns.send(turn);
    }

    fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }
}
