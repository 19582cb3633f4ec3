//! A broker of one queue that says what a test tells it to say, made from the codec: the official client library talks to it.
//! Keeps everything in memory, has no users, and is no example of a broker.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use tillstream_smf::{
    AnswerBody, Bound, Capabilities, Capability, CapabilitySet, Content, Delivered, DeliveryIds, DeliveryMode, FlowAck,
    FlowChange, Frame, Limits, Login, LoginAnswer, OpenPubFlow, Outcome, PubFlow, Reply, Request, RequestBody,
    Response,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// The only queue.
pub const QUEUE: &str = "q";

/// The server; dropped, it is gone with all connections.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    world: Arc<Mutex<World>>,
    accepting: JoinHandle<()>,
}

/// What the server does when it is asked.
#[derive(Clone)]
pub struct Rules {
    /// Refuses logins.
    pub login: Option<Response>,
    /// Accepts logins with this password only.
    pub password: Option<String>,
    /// Refuses binds.
    pub bind: Option<Response>,
    /// How many flows may be bound at once; one more is refused.
    pub max_binds: usize,
    /// Says which flow is active.
    pub tells_activity: bool,
    /// Offers negative settlement.
    pub settles: bool,
    /// Answers no login.
    pub deaf_to_logins: bool,
    /// Answers no bind.
    pub deaf_to_binds: bool,
}

/// What the server has heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A client logged in: user and client name.
    Login(String, String),
    /// It bound the queue.
    Bind,
    /// It unbound it.
    Unbind,
    /// It asked for no more messages, or for more again.
    Window(u32),
    /// It settled a message: its number and what became of it.
    Settled(u32, Outcome),
    /// Its connection ended.
    Closed,
}

struct World {
    rules: Rules,
    heard: Vec<Heard>,
    connections: BTreeMap<u64, UnboundedSender<Out>>,
    /// In the order in which they were bound: the first is the active one.
    flows: Vec<Flow>,
    queue: BTreeMap<u32, Stored>,
    /// Of connections, flows and deliveries, so that ids ascend on every flow.
    last_id: u64,
}

struct Flow {
    connection: u64,
    id: u32,
    window: u32,
    /// Deliveries that the client has not said it has got.
    under_way: Vec<u64>,
    last_sent: u64,
    stopped: bool,
}

struct Stored {
    payload: Bytes,
    redelivered: bool,
    /// The flow that has it and the id under which.
    holder: Option<(u32, u64)>,
}

enum Out {
    Frame(Bytes),
    Cut,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            login: None,
            password: None,
            bind: None,
            max_binds: 2,
            tells_activity: true,
            settles: true,
            deaf_to_logins: false,
            deaf_to_binds: false,
        }
    }
}

// === impl Server ===

impl Server {
    /// Listens on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let world = World {
            rules: Rules::default(),
            heard: Vec::new(),
            connections: BTreeMap::new(),
            flows: Vec::new(),
            queue: BTreeMap::new(),
            last_id: 1_000_000,
        };
        let world = Arc::new(Mutex::new(world));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&world)));
        Self { address, world, accepting }
    }

    /// What a client needs to find it.
    pub fn host(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// Changes what it does from now on.
    pub fn rule(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.world.lock().unwrap().rules);
    }

    /// Puts messages on the queue; the payload is the number, and as many more bytes.
    pub fn put(&self, numbers: std::ops::Range<u32>, more: usize) {
        let mut world = self.world.lock().unwrap();
        for number in numbers {
            let payload = format!("{number} {}", "x".repeat(more)).into();
            world.queue.insert(number, Stored { payload, redelivered: false, holder: None });
        }
        world.deliver();
    }

    /// The numbers that nobody has accepted or rejected.
    pub fn left(&self) -> Vec<u32> {
        self.world.lock().unwrap().queue.keys().copied().collect()
    }

    /// How many messages flows hold unsettled.
    pub fn held(&self) -> usize {
        self.world.lock().unwrap().queue.values().filter(|stored| stored.holder.is_some()).count()
    }

    /// All that it has heard.
    pub fn heard(&self) -> Vec<Heard> {
        self.world.lock().unwrap().heard.clone()
    }

    /// How often it has heard that.
    pub fn count(&self, what: impl Fn(&Heard) -> bool) -> usize {
        self.world.lock().unwrap().heard.iter().filter(|heard| what(heard)).count()
    }

    /// Ends all connections, in the middle of whatever they do.
    pub fn cut(&self) {
        self.world.lock().unwrap().connections.values().for_each(|out| drop(out.send(Out::Cut)));
    }

    /// Unbinds all flows, saying why.
    pub fn unbind(&self, response: &Response) {
        let mut world = self.world.lock().unwrap();
        for flow in std::mem::take(&mut world.flows) {
            let body = AnswerBody::Unbind { flow_id: flow.id };
            world.send(flow.connection, &Reply::answer(None, response.clone(), body));
            world.give_back(flow.id);
        }
    }

    /// Binds the queue for somebody else, who is active from now on and takes nothing.
    pub fn rival(&self) {
        let mut world = self.world.lock().unwrap();
        world.announce_activity(false);
        let id = world.next_flow_id();
        world
            .flows
            .insert(0, Flow { connection: 0, id, window: 0, under_way: Vec::new(), last_sent: 0, stopped: true });
    }

    /// The rival unbinds.
    pub fn rival_leaves(&self) {
        let mut world = self.world.lock().unwrap();
        world.flows.retain(|flow| flow.connection != 0);
        world.announce_activity(true);
        world.deliver();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, world: Arc<Mutex<World>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (out, outgoing) = unbounded_channel();
        let number = world.lock().unwrap().join(out);
        tokio::spawn(serve(stream, outgoing, number, Arc::clone(&world)));
    }
}

async fn serve(stream: TcpStream, outgoing: UnboundedReceiver<Out>, number: u64, world: Arc<Mutex<World>>) {
    stream.set_nodelay(true).unwrap();
    let (reading, writing) = stream.into_split();
    tokio::select! {
        () = read(reading, number, &world) => {}
        () = write(writing, outgoing) => {}
    }
    world.lock().unwrap().leave(number);
}

async fn read(mut stream: OwnedReadHalf, number: u64, world: &Mutex<World>) {
    let limits = Limits::for_payload(8 << 20);
    let mut buffer = BytesMut::new();
    while stream.read_buf(&mut buffer).await.is_ok_and(|count| count > 0) {
        while let Some(frame) = Frame::take_from(&mut buffer, &limits).unwrap() {
            world.lock().unwrap().hear(number, Request::decode(&frame).unwrap());
        }
    }
}

async fn write(mut stream: OwnedWriteHalf, mut outgoing: UnboundedReceiver<Out>) {
    while let Some(Out::Frame(bytes)) = outgoing.recv().await {
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

// === impl World ===

impl World {
    fn join(&mut self, out: UnboundedSender<Out>) -> u64 {
        let number = self.next_id();
        self.connections.insert(number, out);
        number
    }

    fn leave(&mut self, connection: u64) {
        self.connections.remove(&connection);
        self.heard.push(Heard::Closed);
        let gone: Vec<u32> =
            self.flows.iter().filter(|flow| flow.connection == connection).map(|flow| flow.id).collect();
        gone.into_iter().for_each(|id| self.forget(id));
    }

    fn hear(&mut self, connection: u64, request: Request) {
        let answer = |response, body| Some(Reply::answer(request.correlation, response, body));
        let reply = match request.body {
            RequestBody::Login(login) => self.login(&login),
            RequestBody::Update(_) => answer(Response::OK, AnswerBody::Update),
            RequestBody::OpenPubFlow(open) => Some(open_publisher(&open)),
            RequestBody::ClosePubFlow { flow_id } => answer(Response::OK, AnswerBody::ClosePubFlow { flow_id }),
            RequestBody::Publish(_) => None,
            RequestBody::Subscription(wish) => answer(Response::OK, AnswerBody::Subscription(Some(wish))),
            RequestBody::KeepAlive(sign) => Some(Reply::KeepAlive(sign)),
            RequestBody::Bind(bind) => {
                self.heard.push(Heard::Bind);
                let outcome = self.bind(connection, bind.window.unwrap_or(0));
                outcome.and_then(|(response, bound)| answer(response, AnswerBody::Bind(bound)))
            }
            RequestBody::Unbind { flow_id } => {
                self.heard.push(Heard::Unbind);
                self.forget(flow_id);
                answer(Response::OK, AnswerBody::Unbind { flow_id })
            }
            RequestBody::FlowAck(ack) => {
                self.acknowledge(&ack);
                None
            }
            RequestBody::FlowChangeSeen(_) => None,
        };
        if let Some(reply) = reply {
            self.send(connection, &reply);
        }
        self.deliver();
    }

    fn login(&mut self, login: &Login) -> Option<Reply> {
        if self.rules.deaf_to_logins {
            return None;
        }
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let refusal = self.rules.login.clone().or_else(|| {
            let password = login.password.as_ref().map(secrecy::ExposeSecret::expose_secret);
            let wrong = self.rules.password.as_deref().is_some_and(|right| password != Some(right));
            wrong.then_some(Response::UNAUTHORIZED)
        });
        if let Some(refusal) = refusal {
            return Some(Reply::answer(None, refusal, AnswerBody::Login(LoginAnswer::default())));
        }
        self.heard.push(Heard::Login(text(&login.username), text(&login.client_name)));
        let mut flags = vec![Capability::GuaranteedPublish, Capability::GuaranteedConsume];
        flags.extend(self.rules.tells_activity.then_some(Capability::ActiveFlowIndication));
        flags.extend(self.rules.settles.then_some(Capability::NegativeSettlement));
        let capabilities = Capabilities { flags: CapabilitySet::of(&flags), ..Capabilities::default() };
        let answer = LoginAnswer { capabilities: Some(capabilities), ..LoginAnswer::default() };
        Some(Reply::answer(None, Response::OK, AnswerBody::Login(answer)))
    }

    fn bind(&mut self, connection: u64, window: u32) -> Option<(Response, Option<Bound>)> {
        if self.rules.deaf_to_binds {
            return None;
        }
        let full = (self.flows.len() >= self.rules.max_binds).then_some(Response::TOO_MANY_CLIENTS_ON_QUEUE);
        if let Some(refusal) = self.rules.bind.clone().or(full) {
            return Some((refusal, None));
        }
        let id = self.next_flow_id();
        self.flows.push(Flow { connection, id, window, under_way: Vec::new(), last_sent: 0, stopped: false });
        let active = self.rules.tells_activity.then_some(self.flows.len() == 1);
        let bound = Bound { flow_id: id, window: Some(window), active, flow_changes: active, ..Bound::default() };
        Some((Response::OK, Some(bound)))
    }

    fn forget(&mut self, id: u32) {
        let was_active = self.flows.first().is_some_and(|flow| flow.id == id);
        self.flows.retain(|flow| flow.id != id);
        self.give_back(id);
        if was_active {
            self.announce_activity(true);
        }
        self.deliver();
    }

    fn announce_activity(&mut self, active: bool) {
        let Some(first) = self.flows.first() else { return };
        let (connection, flow_id) = (first.connection, first.id);
        if self.rules.tells_activity {
            self.send(connection, &Reply::FlowChange(FlowChange { flow_id, active }));
        }
    }

    fn give_back(&mut self, flow: u32) {
        let held = self.queue.values_mut().filter(|stored| stored.holder.is_some_and(|(holder, _)| holder == flow));
        held.for_each(|stored| (stored.redelivered, stored.holder) = (true, None));
    }

    fn acknowledge(&mut self, ack: &FlowAck) {
        let Some(flow) = self.flows.iter_mut().find(|flow| flow.id == ack.flow_id) else { return };
        let received = ack.received.unwrap_or(0);
        flow.under_way.retain(|id| *id > received);
        if let Some(window) = ack.window {
            let stopped = window == 0;
            if stopped != flow.stopped {
                self.heard.push(Heard::Window(window));
            }
            (flow.window, flow.stopped) = (window, stopped);
        }
        let of_range = |range: &tillstream_smf::Settlement, stored: &Stored| {
            stored.holder.is_some_and(|(holder, id)| holder == ack.flow_id && (range.first..=range.last).contains(&id))
        };
        for range in &ack.settled {
            let numbers: Vec<u32> =
                self.queue.iter().filter(|(_, stored)| of_range(range, stored)).map(|(number, _)| *number).collect();
            numbers.into_iter().for_each(|number| self.settle(number, range.outcome));
        }
    }

    fn settle(&mut self, number: u32, outcome: Outcome) {
        self.heard.push(Heard::Settled(number, outcome));
        match (outcome, self.queue.get_mut(&number)) {
            (Outcome::Failed, Some(stored)) => (stored.redelivered, stored.holder) = (true, None),
            _ => drop(self.queue.remove(&number)),
        }
    }

    /// To the active flow, as long as its window has room.
    fn deliver(&mut self) {
        let Some(flow) = self.flows.first_mut() else { return };
        let Some(out) = self.connections.get(&flow.connection) else { return };
        for stored in self.queue.values_mut().filter(|stored| stored.holder.is_none()) {
            if flow.under_way.len() >= usize::try_from(flow.window).unwrap() {
                return;
            }
            self.last_id += 1;
            let ids = DeliveryIds {
                flow_id: flow.id,
                message_id: self.last_id,
                previous_id: flow.last_sent,
                redelivered: stored.redelivered,
            };
            stored.holder = Some((flow.id, self.last_id));
            flow.under_way.push(self.last_id);
            flow.last_sent = self.last_id;
            let content = Content {
                topic: "a/topic".into(),
                priority: Some(4),
                delivery_mode: Some(DeliveryMode::Persistent),
                payload: stored.payload.clone(),
                ..Content::default()
            };
            let _ = out.send(frame(&Reply::Deliver(Delivered { content, guaranteed: Some(ids) })));
        }
    }

    fn send(&self, connection: u64, reply: &Reply) {
        if let Some(out) = self.connections.get(&connection) {
            let _ = out.send(frame(reply));
        }
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn next_flow_id(&mut self) -> u32 {
        u32::try_from(self.next_id()).unwrap()
    }
}

fn open_publisher(open: &OpenPubFlow) -> Reply {
    let flow = PubFlow {
        flow_id: 1,
        last_acked: 0,
        window: open.window,
        flow_name: Some("f".to_owned()),
        publisher_id: Some(1),
    };
    Reply::answer(None, Response::OK, AnswerBody::OpenPubFlow(Some(flow)))
}

fn frame(reply: &Reply) -> Out {
    let mut bytes = BytesMut::new();
    reply.encode(&mut bytes).unwrap();
    Out::Frame(bytes.freeze())
}
