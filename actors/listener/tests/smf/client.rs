//! A client of the listener, made of the codec's other side and a socket.
//! Does by itself only what every client does: it logs in, and it fails by name when it waits in vain.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tillstream_smf::{Action, AdCtrlVersion, Outcome, Subscription, SubscriptionFlags};
use tillstream_smf::{
    Answer, AnswerBody, Bind, Bound, Content, CorrelationTag, Delivered, DeliveryMode, FlowAck, Frame, KeepAlive,
    Limits, Login, OpenPubFlow, PubFlow, PublishIds, Published, Reply, Request, RequestBody, Response, Settlement,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Whatever a test waits for comes within this time, or never.
pub const WITHIN: Duration = Duration::from_secs(20);
const LIMITS: Limits = Limits::for_payload(8 << 20);

/// One connection.
pub struct Client {
    who: String,
    stream: TcpStream,
    input: BytesMut,
}

/// How messages are published: the next id and the one before.
pub struct Publisher {
    pub flow: PubFlow,
    pub last: u64,
}

impl Client {
    /// A connection on which nobody has logged in.
    pub async fn connect(address: std::net::SocketAddr, who: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self { who: who.to_owned(), stream, input: BytesMut::new() }
    }

    /// A client that is logged in under its own name.
    pub async fn login(address: std::net::SocketAddr, who: &str) -> Self {
        let mut client = Self::connect(address, who).await;
        let answer = client.ask_login(login(who, "all", "secret")).await;
        assert_eq!(answer, Response::OK, "{who} is not let in");
        client
    }

    pub async fn ask_login(&mut self, login: Login) -> Response {
        self.send(RequestBody::Login(login)).await;
        match self.reply().await {
            Some(Reply::Answer(Answer { response, body: AnswerBody::Login(_), .. })) => response,
            other => panic!("{}: not the answer to a login: {other:?}", self.who),
        }
    }

    pub async fn send(&mut self, body: RequestBody) {
        self.send_all([Request { correlation: None, body }]).await;
    }

    pub async fn send_all(&mut self, requests: impl IntoIterator<Item = Request>) {
        let mut out = BytesMut::new();
        requests.into_iter().for_each(|request| request.encode(&mut out).unwrap());
        timeout(WITHIN, self.stream.write_all(&out))
            .await
            .unwrap_or_else(|_| panic!("{} cannot write", self.who))
            .unwrap();
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next reply, also a sign of life; nothing when the listener has closed the connection.
    pub async fn any_reply(&mut self) -> Option<Reply> {
        loop {
            if let Some(frame) = Frame::take_from(&mut self.input, &LIMITS).unwrap() {
                return Some(Reply::decode(&frame).unwrap());
            }
            let read = timeout(WITHIN, self.stream.read_buf(&mut self.input)).await;
            let read = read.unwrap_or_else(|_| panic!("{} waits in vain for the listener", self.who));
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The next reply that is not a sign of life.
    pub async fn reply(&mut self) -> Option<Reply> {
        loop {
            match self.any_reply().await {
                Some(Reply::KeepAlive(_)) => {}
                other => return other,
            }
        }
    }

    pub async fn answer(&mut self) -> Answer {
        match self.reply().await {
            Some(Reply::Answer(answer)) => answer,
            other => panic!("{}: not an answer: {other:?}", self.who),
        }
    }

    /// Waits until the listener closes the connection, whatever it says before.
    pub async fn closed(&mut self) {
        while self.any_reply().await.is_some() {}
    }

    pub async fn open_publisher(&mut self, window: u32) -> Publisher {
        let flow = self.try_open("", 0, 0, window).await.unwrap();
        Publisher { last: flow.last_acked, flow }
    }

    pub async fn try_open(&mut self, name: &str, acked: u64, sent: u64, window: u32) -> Result<PubFlow, Response> {
        self.send(open_request(name, acked, sent, window)).await;
        let Answer { response, body: AnswerBody::OpenPubFlow(flow), .. } = self.answer().await else {
            panic!("{}: not the answer to an open", self.who)
        };
        flow.ok_or(response)
    }

    /// The last message that the next answer is about, and what became of it.
    pub async fn publish_answer(&mut self) -> (u64, Response) {
        let Answer { response, body: AnswerBody::PublishAck(ack), .. } = self.answer().await else {
            panic!("{}: not an acknowledgement", self.who)
        };
        (ack.last_acked, response)
    }

    /// Waits until everything up to that id is acknowledged and nothing is rejected.
    pub async fn acknowledged(&mut self, id: u64) {
        loop {
            let (acked, response) = self.publish_answer().await;
            assert_eq!(response, Response::OK, "{}: message {acked}", self.who);
            if acked >= id {
                return;
            }
        }
    }

    pub async fn bind(&mut self, queue: &str, window: u32) -> Result<Bound, Response> {
        let bind = Bind {
            queue: Some(queue.to_owned()),
            window: Some(window),
            durable: Some(true),
            wants_flow_changes: Some(true),
            ..Bind::default()
        };
        self.try_bind(bind).await
    }

    pub async fn try_bind(&mut self, bind: Bind) -> Result<Bound, Response> {
        let tag = CorrelationTag([0, 0, 7]);
        self.send_all([Request { correlation: Some(tag), body: RequestBody::Bind(bind) }]).await;
        loop {
            match self.reply().await {
                Some(Reply::Answer(Answer { correlation, response, body: AnswerBody::Bind(bound) })) => {
                    assert_eq!(correlation, Some(tag));
                    return bound.ok_or(response);
                }
                Some(Reply::Deliver(_)) => {}
                other => panic!("{}: not the answer to a bind: {other:?}", self.who),
            }
        }
    }

    pub async fn delivery(&mut self) -> Delivered {
        match self.reply().await {
            Some(Reply::Deliver(delivered)) => delivered,
            other => panic!("{}: not a delivery: {other:?}", self.who),
        }
    }

    pub async fn deliveries(&mut self, count: usize) -> Vec<Delivered> {
        let mut all = Vec::new();
        while all.len() < count {
            all.push(self.delivery().await);
        }
        all
    }

    /// Confirms what arrived up to `received`, grants a window, and settles.
    pub async fn flow_ack(&mut self, flow_id: u32, received: u64, window: u32, settled: &[(u64, u64, Outcome)]) {
        let settled =
            settled.iter().map(|(first, last, outcome)| Settlement { first: *first, last: *last, outcome: *outcome });
        let ack = FlowAck { flow_id, received: Some(received), window: Some(window), settled: settled.collect() };
        self.send(RequestBody::FlowAck(ack)).await;
    }

    pub async fn subscribe(&mut self, topic: &str) -> Response {
        self.subscription(Action::Add, topic).await
    }

    pub async fn subscription(&mut self, action: Action, topic: &str) -> Response {
        let subscription = Subscription { action, flags: SubscriptionFlags::USUAL, topic: topic.to_owned() };
        let correlation = Some(CorrelationTag([1, 2, 3]));
        self.send_all([Request { correlation, body: RequestBody::Subscription(subscription.clone()) }]).await;
        let answer = self.answer().await;
        assert_eq!((answer.correlation, answer.body), (correlation, AnswerBody::Subscription(Some(subscription))));
        answer.response
    }

    /// Nothing more is on its way: a sign of life comes back, and nothing before it.
    pub async fn nothing_else(&mut self) {
        self.send(RequestBody::KeepAlive(KeepAlive::V1)).await;
        loop {
            match self.any_reply().await {
                Some(Reply::KeepAlive(KeepAlive::V1)) => return,
                Some(Reply::KeepAlive(KeepAlive::V2)) => {}
                other => panic!("{}: got {other:?} where nothing was due", self.who),
            }
        }
    }
}

/// For clients that are cut off on purpose.
impl Client {
    pub async fn try_send_login(&mut self, login: Login) -> Option<Response> {
        let request = Request { correlation: None, body: RequestBody::Login(login) };
        if !self.try_send_all([request]).await {
            return None;
        }
        match self.reply().await? {
            Reply::Answer(answer) => Some(answer.response),
            other => panic!("{}: not the answer to a login: {other:?}", self.who),
        }
    }

    /// Goes on where the earlier connection ended. None when this one is cut as well.
    pub async fn open_or_cut(&mut self, name: &str, acked: u64, sent: u64) -> Option<PubFlow> {
        let open = open_request(name, acked, sent, 50);
        if !self.try_send_all([Request { correlation: None, body: open }]).await {
            return None;
        }
        match self.reply().await? {
            Reply::Answer(Answer { body: AnswerBody::OpenPubFlow(flow), response, .. }) => {
                Some(flow.unwrap_or_else(|| panic!("{}: not resumed: {response:?}", self.who)))
            }
            other => panic!("{}: not the answer to an open: {other:?}", self.who),
        }
    }

    /// False when the connection is cut.
    pub async fn try_send_all(&mut self, requests: impl IntoIterator<Item = Request>) -> bool {
        let mut out = BytesMut::new();
        requests.into_iter().for_each(|request| request.encode(&mut out).unwrap());
        self.stream.write_all(&out).await.is_ok()
    }

    /// Everything sent so far has been served, whatever came back.
    pub async fn served(&mut self) {
        self.send(RequestBody::KeepAlive(KeepAlive::V1)).await;
        while self.any_reply().await.expect("an open connection") != Reply::KeepAlive(KeepAlive::V1) {}
    }
}

impl Publisher {
    /// The next message, to a topic.
    pub fn message(&mut self, topic: &str, payload: impl Into<Bytes>) -> Request {
        self.last += 1;
        self.numbered(self.last, topic, payload, false)
    }

    pub fn numbered(&self, message_id: u64, topic: &str, payload: impl Into<Bytes>, redelivered: bool) -> Request {
        let guaranteed = PublishIds {
            flow_id: self.flow.flow_id,
            publisher_id: self.flow.publisher_id,
            message_id,
            previous_id: message_id - 1,
            redelivered,
            ack_immediately: false,
        };
        let published = Published { content: content(topic, payload), guaranteed: Some(guaranteed) };
        Request { correlation: None, body: RequestBody::Publish(published) }
    }
}

fn open_request(name: &str, acked: u64, sent: u64, window: u32) -> RequestBody {
    RequestBody::OpenPubFlow(OpenPubFlow {
        version: AdCtrlVersion::V2,
        last_acked: acked,
        last_sent: sent,
        window: Some(window),
        flow_name: name.to_owned(),
    })
}

pub fn content(topic: &str, payload: impl Into<Bytes>) -> Content {
    let delivery_mode = Some(DeliveryMode::Persistent);
    Content { topic: topic.into(), delivery_mode, priority: Some(4), payload: payload.into(), ..Content::default() }
}

pub fn direct(topic: &str, payload: impl Into<Bytes>) -> RequestBody {
    let content = Content { delivery_mode: None, ..content(topic, payload) };
    RequestBody::Publish(Published { content, guaranteed: None })
}

pub fn login(name: &str, user: &str, password: &str) -> Login {
    Login {
        username: Some(user.to_owned()),
        password: Some(password.into()),
        client_name: Some(name.to_owned()),
        message_vpn: Some("default".to_owned()),
        keep_alive_seconds: Some(3),
        ..Login::default()
    }
}

/// What the payload says, as a number.
pub fn number(delivered: &Delivered) -> u64 {
    String::from_utf8_lossy(&delivered.content.payload).parse().unwrap()
}

/// The wire id of a delivery.
pub fn id(delivered: &Delivered) -> u64 {
    delivered.guaranteed.unwrap().message_id
}
