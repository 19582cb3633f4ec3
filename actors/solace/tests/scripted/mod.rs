//! A broker for tests that does to publishers what a script says, in real SMF on a real socket.
//! Stores nothing but what it was sent, and delivers nothing.

#![allow(dead_code, reason = "each test file uses what it needs")]
#![allow(clippy::disallowed_methods, reason = "a thread of the test may sleep")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use secrecy::ExposeSecret;
use tillstream_smf::{
    AnswerBody, Capabilities, Capability, CapabilitySet, Frame, KeepAlive, Limits, Login, LoginAnswer, OpenPubFlow,
    PubFlow, Published, Reply, Request, RequestBody, Response,
};

const FLOW: u32 = 7;
const LIMITS: Limits = Limits::for_payload(8 << 20);

/// What becomes of a message.
#[derive(Debug, Clone)]
pub enum Word {
    /// It is acknowledged.
    Acknowledge,
    /// It is rejected with this.
    Reject(Response),
}

/// What the broker does; a test changes it while it runs.
pub struct Script {
    /// What a login gets.
    pub login: Box<dyn FnMut(&Login) -> Response + Send>,
    /// What a message gets. It is called once for each, however often it is sent.
    pub message: Box<dyn FnMut(&Published) -> Word + Send>,
    /// Whether words are held back, and for how long: until it is cleared by [`ScriptedBroker::release`].
    pub withhold: bool,
    /// The window that publishers are granted at most.
    pub window: u32,
    /// What the broker claims to be able to do.
    pub capabilities: Vec<Capability>,
    /// Messages above this fail in the library already.
    pub max_message: Option<u32>,
    /// Whether nothing is read from sockets, so that they fill up.
    pub deaf: bool,
    /// Whether nothing is done with what is read, not even with signs of life.
    pub mute: bool,
}

/// A login as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenLogin {
    pub username: String,
    pub password: String,
    pub client_name: String,
    pub vpn: String,
}

/// A message as it came, each once.
#[derive(Debug, Clone)]
pub struct SeenMessage {
    /// Counts the logins that were allowed, from 1.
    pub connection: usize,
    pub published: Published,
}

/// The broker and what it has seen.
#[derive(Clone)]
pub struct ScriptedBroker(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    script: Mutex<Script>,
    seen: Mutex<Seen>,
    connections: Mutex<Vec<Arc<Connection>>>,
}

#[derive(Default)]
struct Seen {
    logins: Vec<SeenLogin>,
    messages: Vec<SeenMessage>,
    allowed: usize,
    most_unanswered: usize,
}

struct Connection {
    socket: TcpStream,
    /// Held while an order of words is decided and written, so that they go out as they were given.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Which allowed login this is; 0 before.
    number: usize,
    last_received: u64,
    owed: Vec<(u64, Word)>,
}

// === impl Script ===

impl Default for Script {
    /// Lets everybody in, refuses probes as an honest broker does and acknowledges all else.
    fn default() -> Self {
        Self {
            login: Box::new(|_| Response::OK),
            message: Box::new(honest),
            withhold: false,
            window: 255,
            capabilities: vec![Capability::GuaranteedConsume, Capability::GuaranteedPublish],
            max_message: None,
            deaf: false,
            mute: false,
        }
    }
}

/// Whether it is the probe of a session.
pub fn is_probe(published: &Published) -> bool {
    published.content.topic.contains("/check/")
}

/// The word of a broker that refuses what no queue takes.
pub fn honest(published: &Published) -> Word {
    if is_probe(published) { Word::Reject(Response::NO_SUBSCRIPTION_MATCH) } else { Word::Acknowledge }
}

// === impl ScriptedBroker ===

impl ScriptedBroker {
    /// Listens on a port of its own.
    pub fn start(script: Script) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let broker = Self(Arc::new(Shared {
            address: listener.local_addr().expect("it is bound"),
            script: Mutex::new(script),
            seen: Mutex::default(),
            connections: Mutex::default(),
        }));
        let accepting = broker.clone();
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let serving = accepting.clone();
                thread::spawn(move || serving.serve(socket));
            }
        });
        broker
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The same for a client.
    pub fn url(&self) -> String {
        format!("tcp://{}", self.0.address)
    }

    /// The script, to be changed.
    pub fn script(&self) -> MutexGuard<'_, Script> {
        lock(&self.0.script)
    }

    /// All logins, in the order in which they came.
    pub fn logins(&self) -> Vec<SeenLogin> {
        lock(&self.0.seen).logins.clone()
    }

    /// All messages but probes, in the order in which they came.
    pub fn messages(&self) -> Vec<SeenMessage> {
        lock(&self.0.seen).messages.iter().filter(|seen| !is_probe(&seen.published)).cloned().collect()
    }

    /// How many messages have come, but for probes.
    pub fn count(&self) -> usize {
        lock(&self.0.seen).messages.iter().filter(|seen| !is_probe(&seen.published)).count()
    }

    /// The largest number of messages of one connection that had no word at once.
    pub fn most_unanswered(&self) -> usize {
        lock(&self.0.seen).most_unanswered
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        lock(&self.0.connections).len()
    }

    /// Says what was held back, and holds nothing back from now on.
    pub fn release(&self) {
        self.script().withhold = false;
        for connection in self.connections() {
            connection.speak(&mut lock(&connection.state));
        }
    }

    /// Cuts all connections as a network does, in the middle of whatever is under way.
    pub fn cut(&self) {
        for connection in self.connections() {
            // It may be gone already.
            let _ = connection.socket.shutdown(Shutdown::Both);
        }
    }

    /// Ends guaranteed publishing on all connections, which stay open.
    pub fn end_publishing(&self) {
        for connection in self.connections() {
            let body = AnswerBody::ClosePubFlow { flow_id: FLOW };
            connection.send(&Reply::answer(None, Response::SERVICE_UNAVAILABLE, body));
        }
    }

    fn connections(&self) -> Vec<Arc<Connection>> {
        lock(&self.0.connections).clone()
    }

    fn serve(&self, socket: TcpStream) {
        let connection = Arc::new(Connection { socket, state: Mutex::default() });
        lock(&self.0.connections).push(Arc::clone(&connection));
        self.read(&connection);
        let _ = connection.socket.shutdown(Shutdown::Both);
        lock(&self.0.connections).retain(|other| !Arc::ptr_eq(other, &connection));
    }

    fn read(&self, connection: &Connection) {
        let (mut buffer, mut chunk) = (BytesMut::new(), vec![0; 1 << 16]);
        while let Ok(count @ 1..) = (&connection.socket).read(&mut chunk) {
            while self.script().deaf {
                thread::sleep(Duration::from_millis(1));
            }
            buffer.extend_from_slice(&chunk[..count]);
            while let Some(frame) = Frame::take_from(&mut buffer, &LIMITS).expect("the client library writes frames") {
                let request = Request::decode(&frame).expect("the client library sends what is understood");
                if !self.handle(connection, request) {
                    return;
                }
            }
        }
    }

    /// False where the connection is to be closed.
    fn handle(&self, connection: &Connection, request: Request) -> bool {
        if self.script().mute {
            return true;
        }
        let correlation = request.correlation;
        match request.body {
            RequestBody::Login(login) => return self.log_in(connection, &login),
            RequestBody::OpenPubFlow(open) => self.open_flow(connection, &open),
            RequestBody::Subscription(asked) => {
                connection.send(&Reply::answer(correlation, Response::OK, AnswerBody::Subscription(Some(asked))));
            }
            RequestBody::Publish(published) => self.take(connection, published),
            RequestBody::KeepAlive(_) => connection.send(&Reply::KeepAlive(KeepAlive::V2)),
            other => panic!("a publisher has no business with {other:?}"),
        }
        true
    }

    fn log_in(&self, connection: &Connection, login: &Login) -> bool {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let response = (self.script().login)(login);
        let mut seen = lock(&self.0.seen);
        seen.logins.push(SeenLogin {
            username: text(&login.username),
            password: login.password.as_ref().map(|password| password.expose_secret().to_owned()).unwrap_or_default(),
            client_name: text(&login.client_name),
            vpn: text(&login.message_vpn),
        });
        if response.refuses() {
            connection.send(&Reply::answer(None, response, AnswerBody::Login(LoginAnswer::default())));
            return false;
        }
        seen.allowed += 1;
        lock(&connection.state).number = seen.allowed;
        let script = self.script();
        let flags = CapabilitySet::of(&script.capabilities);
        let capabilities = Capabilities { flags, max_guaranteed: script.max_message, ..Capabilities::default() };
        let answer = LoginAnswer { capabilities: Some(capabilities), ..LoginAnswer::default() };
        connection.send(&Reply::answer(None, Response::OK, AnswerBody::Login(answer)));
        true
    }

    fn open_flow(&self, connection: &Connection, open: &OpenPubFlow) {
        let window = open.window.map(|asked| asked.min(self.script().window));
        let flow = PubFlow { flow_id: FLOW, window, ..PubFlow::default() };
        connection.send(&Reply::answer(None, Response::OK, AnswerBody::OpenPubFlow(Some(flow))));
    }

    /// Takes a message once; the library repeats what gets no word for a while.
    fn take(&self, connection: &Connection, published: Published) {
        let id = published.guaranteed.expect("publishers here send with guarantee only").message_id;
        let mut state = lock(&connection.state);
        if id <= state.last_received {
            return;
        }
        state.last_received = id;
        let (word, withhold) = {
            let mut script = self.script();
            ((script.message)(&published), script.withhold && !is_probe(&published))
        };
        state.owed.push((id, word));
        let mut seen = lock(&self.0.seen);
        seen.messages.push(SeenMessage { connection: state.number, published });
        seen.most_unanswered = seen.most_unanswered.max(state.owed.len());
        drop(seen);
        if !withhold {
            connection.speak(&mut state);
        }
    }
}

// === impl Connection ===

impl Connection {
    fn speak(&self, state: &mut State) {
        for (id, word) in state.owed.drain(..) {
            match word {
                Word::Acknowledge => self.send(&Reply::acknowledged(FLOW, id)),
                Word::Reject(response) => self.send(&Reply::rejected(FLOW, id, response)),
            }
        }
    }

    fn send(&self, reply: &Reply) {
        let mut out = BytesMut::new();
        reply.encode(&mut out).expect("a reply that fits");
        // A client that is gone hears nothing.
        let _ = (&self.socket).write_all(&out);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("the broker of the test failed")
}
