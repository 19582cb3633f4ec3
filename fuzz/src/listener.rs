//! What must hold for every frame that a client of the listener sends: used by `smf_listener` here and by the listener's
//! own tests. Generates no input; a file of its own, so that the other judgements do not need the listener.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bytes::BytesMut;
use tempfile::TempDir;
use tillstream_broker::{Broker, BrokerSettings, OutboundMessage, QueueSpec, WhenFull};
use tillstream_listener::{Account, Accounts, Consume, ListenerSettings, Rehearsal, Rights};
use tillstream_smf::{
    Answer, AnswerBody, Bind, Destination, Fault, Frame, Limits, Login, OpenPubFlow, PublishAck, Published, Reply,
    Request, RequestBody, Response,
};

/// The topic that a queue takes, and the queue.
const TAKEN: &str = "q1/a";
const QUEUE: &str = "q1";
/// Messages in the queue at first.
const STORED: u64 = 20;
/// The judge reads on where the listener does not.
const LIMITS: Limits = Limits::for_payload(1 << 20);
/// After so many inputs the broker is a new one: what they published waits for ever.
const INPUTS: u32 = 2_000;
/// What a client may make wait, and what one frame may add to it.
const OUTGOING: usize = 64 << 10;
const ONE_FRAME: usize = 128 << 10;

/// A broker whose disk never says a word again: whatever is acknowledged in front of it is a lie.
pub struct Stage {
    broker: Broker,
    inputs: u32,
    _directory: TempDir,
}

/// One connection as the judge sees it.
struct Play {
    listener: Rehearsal,
    publishers: HashMap<u32, Told>,
    consumers: HashMap<u32, Sent>,
    /// How many deliveries the client has settled.
    settled: u64,
}

/// What a publisher's flow may be told.
#[derive(Default)]
struct Told {
    received: u64,
    /// The first message that the broker has: no word about it or any later one is true.
    taken: Option<u64>,
    /// The last message that was rejected.
    rejected: u64,
}

/// What a consumer's flow was sent.
#[derive(Default)]
struct Sent {
    previous: u64,
    unsettled: BTreeSet<u64>,
}

// === impl Stage ===

impl Stage {
    /// Stores a few messages and stops the broker for ever.
    pub fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let settings = BrokerSettings {
            max_message_bytes: 1 << 20,
            reserve_bytes: 0,
            max_waiting_messages: usize::MAX,
            max_waiting_bytes: usize::MAX,
            ..BrokerSettings::default()
        };
        let queues = vec![queue(QUEUE, TAKEN), queue("other", "other/>")];
        let broker = Broker::open(directory.path(), settings, queues).expect("a broker");
        let stored: Vec<_> = (0..STORED).map(|_| broker.publish(message())).collect();
        while depth(&broker) < STORED {
            std::thread::yield_now();
        }
        drop(stored);
        broker.stall(Duration::from_secs(1 << 20));
        Self { broker, inputs: 0, _directory: directory }
    }

    /// No acknowledgement that is not true, no message that vanishes, no delivery that clients would drop, no buffer
    /// without a bound. The first byte says whether somebody has logged in; the others are frames.
    ///
    /// # Panics
    /// It is not so.
    pub fn judge(&mut self, input: &[u8]) {
        self.inputs += 1;
        if self.inputs > INPUTS {
            *self = Self::new();
        }
        let Some((first, stream)) = input.split_first() else { return };
        let before = depth(&self.broker);
        let mut play = Play::new(&self.broker);
        if *first > 0 {
            play.enter();
        }
        play.feed(stream);
        let settled = play.settled;
        drop(play);
        let gone = before - depth(&self.broker);
        assert!(gone <= settled, "{gone} messages left the queue, {settled} were settled");
    }
}

fn queue(name: &str, subscription: &str) -> QueueSpec {
    QueueSpec {
        name: name.to_owned(),
        subscriptions: vec![subscription.to_owned()],
        max_redelivery: None,
        dead_message_queue: None,
        ttl: None,
        quota_bytes: u64::MAX,
        when_full: WhenFull::RefusePublisher,
    }
}

fn message() -> OutboundMessage {
    OutboundMessage {
        topic: TAKEN.to_owned(),
        message_id: Default::default(),
        properties: Default::default(),
        payload: Default::default(),
    }
}

fn depth(broker: &Broker) -> u64 {
    broker.stats().iter().map(|queue| queue.depth).sum()
}

// === impl Play ===

impl Play {
    fn new(broker: &Broker) -> Self {
        let rights = Rights {
            publish: vec![">".to_owned(), "#P2P/>".to_owned()],
            consume: Consume::All,
            subscribe: vec![">".to_owned()],
        };
        let accounts = Accounts::default();
        accounts.replace(BTreeMap::from([("u".to_owned(), Account { password: "p".into(), rights })]));
        let settings = ListenerSettings { max_outgoing_bytes: OUTGOING, max_unacked: 8, ..ListenerSettings::default() };
        let listener = Rehearsal::new(broker.clone(), accounts, settings);
        Self { listener, publishers: HashMap::new(), consumers: HashMap::new(), settled: 0 }
    }

    /// Logs in, opens publisher flow 2 and consumer flow 4, as in the captured frames, and two others.
    fn enter(&mut self) {
        let login = Login {
            username: Some("u".to_owned()),
            password: Some("p".into()),
            client_name: Some("cli".to_owned()),
            ..Login::default()
        };
        let open = OpenPubFlow {
            version: tillstream_smf::AdCtrlVersion::V2,
            last_acked: 0,
            last_sent: 0,
            window: Some(255),
            flow_name: String::new(),
        };
        let bind = |queue: &str, window| {
            RequestBody::Bind(Bind { queue: Some(queue.to_owned()), window: Some(window), ..Bind::default() })
        };
        let bodies = [
            RequestBody::Login(login),
            bind("other", 255),
            RequestBody::OpenPubFlow(open),
            bind("other", 1),
            bind(QUEUE, 5),
        ];
        for body in bodies {
            let mut out = BytesMut::new();
            Request { correlation: None, body }.encode(&mut out).expect("a request that fits");
            self.feed(&out);
        }
        assert!(self.publishers.contains_key(&2) && self.consumers.contains_key(&4), "not let in");
    }

    /// Frame by frame, so that it is known which one is answered how.
    fn feed(&mut self, stream: &[u8]) {
        let mut buffer = BytesMut::from(stream);
        while let Ok(Some(frame)) = Frame::take_from(&mut buffer, &LIMITS) {
            self.note(&frame);
            let Ok(said) = self.listener.hear(frame.bytes()) else { return };
            self.check(said);
        }
        if let Ok(said) = self.listener.hear(&buffer) {
            self.check(said);
            assert!(self.listener.kept() <= buffer.len(), "more is kept than came");
        }
    }

    /// What the frame allows the listener to say and do.
    fn note(&mut self, frame: &Frame) {
        match Request::decode(frame) {
            Ok(Request { body: RequestBody::Publish(Published { content, guaranteed: Some(ids) }), .. }) => {
                let taken = match content.destination() {
                    Destination::Topic(topic) => topic == TAKEN,
                    Destination::Queue(queue) => queue == QUEUE,
                };
                self.arrived(ids.flow_id, ids.message_id, ids.previous_id, taken);
            }
            Err(Fault::Rejected { flow_id, message_id, previous_id, .. }) => {
                self.arrived(flow_id, message_id, previous_id, false);
            }
            Ok(Request { body: RequestBody::ClosePubFlow { flow_id }, .. }) => drop(self.publishers.remove(&flow_id)),
            Ok(Request { body: RequestBody::FlowAck(ack), .. }) => {
                let Some(sent) = self.consumers.get_mut(&ack.flow_id) else { return };
                let covered = |id: &u64| ack.settled.iter().any(|range| (range.first..=range.last).contains(id));
                let before = sent.unsettled.len();
                sent.unsettled.retain(|id| !covered(id));
                self.settled += (before - sent.unsettled.len()) as u64;
            }
            _ => {}
        }
    }

    fn arrived(&mut self, flow_id: u32, id: u64, previous: u64, taken: bool) {
        let Some(told) = self.publishers.get_mut(&flow_id) else { return };
        if id > told.received && previous <= told.received {
            told.received = id;
            if taken {
                told.taken.get_or_insert(id);
            }
        }
    }

    fn check(&mut self, mut said: BytesMut) {
        assert!(said.len() <= OUTGOING + ONE_FRAME, "{} bytes wait for one client", said.len());
        while let Some(frame) = Frame::take_from(&mut said, &LIMITS).expect("in step") {
            match Reply::decode(&frame).expect("a reply") {
                Reply::Answer(Answer { response, body, .. }) => self.check_answer(&response, body),
                Reply::Deliver(delivered) => {
                    // Direct messages are passed on to whoever subscribed, the sender too.
                    let Some(ids) = delivered.guaranteed else { continue };
                    let sent = self.consumers.get_mut(&ids.flow_id).expect("a flow that is bound");
                    assert_eq!(ids.previous_id, sent.previous);
                    assert!(ids.message_id > sent.previous, "{} after {}", ids.message_id, sent.previous);
                    sent.previous = ids.message_id;
                    sent.unsettled.insert(ids.message_id);
                }
                Reply::FlowChange(_) | Reply::KeepAlive(_) => {}
            }
        }
        assert!(said.is_empty(), "half a frame was said");
    }

    fn check_answer(&mut self, response: &Response, body: AnswerBody) {
        match body {
            AnswerBody::OpenPubFlow(Some(flow)) => {
                self.publishers.insert(flow.flow_id, Told { received: flow.last_acked, ..Told::default() });
            }
            AnswerBody::Bind(Some(bound)) => drop(self.consumers.insert(bound.flow_id, Sent::default())),
            AnswerBody::Unbind { flow_id } => drop(self.consumers.remove(&flow_id)),
            AnswerBody::PublishAck(PublishAck { flow_id, last_acked, .. }) => {
                let told = self.publishers.get_mut(&flow_id).expect("a flow that is open");
                assert!(
                    told.taken.is_none_or(|taken| last_acked < taken),
                    "a word about a message that is not durable"
                );
                if response.refuses() {
                    told.rejected = told.rejected.max(last_acked);
                }
                assert!(last_acked <= told.rejected, "an acknowledgement of a message that is not durable");
            }
            _ => {}
        }
    }
}
