use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Waker;

use proptest::prelude::*;

use super::*;

/// What the broker has said about each message so far, in the order of arrival.
type Words = Rc<RefCell<Vec<Option<Result<(), PublishError>>>>>;

/// The broker's word about one message.
struct Said(Words, usize);

impl Future for Said {
    type Output = Result<(), PublishError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.borrow()[self.1].clone().map_or(Poll::Pending, Poll::Ready)
    }
}

/// The whole line: a client as libraries are, a connection that breaks, the flow, and a broker that takes its time.
struct World {
    flow: PublisherFlow<Said>,
    words: Words,
    /// Which message each of the broker's words is about.
    stored: Vec<u64>,
    connection: u64,
    /// What the flow has said and the client has not read.
    under_way: VecDeque<Word>,
    /// Messages that the client has sent and knows no fate of.
    unknown: VecDeque<u64>,
    last: u64,
    acked: u64,
    /// What the client was told in the end.
    verdicts: BTreeMap<u64, Response>,
}

const WINDOW: u8 = 5;

impl World {
    fn new() -> Self {
        let mut flow = PublisherFlow::new("flow".to_owned(), "user".to_owned(), 1);
        assert_eq!(flow.resume(1, "user", 0, WINDOW), Some(0));
        Self {
            flow,
            words: Words::default(),
            stored: Vec::new(),
            connection: 1,
            under_way: VecDeque::new(),
            unknown: VecDeque::new(),
            last: 0,
            acked: 0,
            verdicts: BTreeMap::new(),
        }
    }

    /// The client sends a new message, if its window allows.
    fn publish(&mut self) {
        if self.unknown.len() < usize::from(WINDOW) {
            self.last += 1;
            self.unknown.push_back(self.last);
            self.arrive(self.last);
        }
    }

    /// Some messages never reach the broker: every seventh is not allowed.
    fn arrive(&mut self, id: u64) {
        match self.flow.arrive(id, id - 1) {
            Arrival::Next if id.is_multiple_of(7) => self.flow.take(id, Fate::Refused(Response::PUBLISH_ACL_DENIED)),
            Arrival::Next => {
                self.words.borrow_mut().push(None);
                self.stored.push(id);
                let said = Said(Rc::clone(&self.words), self.stored.len() - 1);
                self.flow.take(id, Fate::WithBroker(said, Addressed::Topic));
            }
            Arrival::Again => {}
            arrival => panic!("{arrival:?} of message {id}, which the client may send"),
        }
        self.look();
    }

    /// The broker says what becomes of one of its messages, in any order.
    fn say(&mut self, at: usize, refuse: bool) {
        let open: Vec<usize> = (0..self.stored.len()).filter(|at| self.words.borrow()[*at].is_none()).collect();
        if let Some(at) = open.get(at % open.len().max(1)) {
            let word = if refuse { Err(PublishError::NoSubscriber(String::new())) } else { Ok(()) };
            self.words.borrow_mut()[*at] = Some(word);
            self.look();
        }
    }

    fn look(&mut self) {
        self.flow.hear(&mut Context::from_waker(Waker::noop()));
        self.under_way.extend(self.flow.words());
        assert!(self.flow.kept() <= usize::from(WINDOW) + WIDEST as usize);
    }

    /// The client reads a word: everything before it is accepted, and it itself as the response says.
    fn read(&mut self) {
        let Some((id, response)) = self.under_way.pop_front() else { return };
        while let Some(front) = self.unknown.pop_front_if(|front| *front <= id) {
            let verdict = if front == id { response.clone() } else { Response::OK };
            self.verdicts.insert(front, verdict);
        }
        self.acked = self.acked.max(id);
    }

    /// The client sends everything again whose fate it does not know: its timer has run out.
    fn send_again(&mut self) {
        for id in self.unknown.clone() {
            self.arrive(id);
        }
    }

    /// The connection breaks; what was under way in either direction is lost.
    fn cut(&mut self, arrived: bool) {
        self.under_way.clear();
        if !arrived {
            self.flow.leave(self.connection);
        }
        self.connection += 1;
        let known = self.flow.resume(self.connection, "user", self.acked, WINDOW).expect("its own flow");
        while let Some(front) = self.unknown.pop_front_if(|front| *front <= known) {
            self.verdicts.insert(front, Response::OK);
        }
        self.acked = self.acked.max(known);
        self.send_again();
    }

    fn fate(&self, id: u64) -> Option<Response> {
        if id.is_multiple_of(7) {
            return Some(Response::PUBLISH_ACL_DENIED);
        }
        let at = self.stored.iter().position(|stored| *stored == id)?;
        let word = self.words.borrow()[at].clone()?;
        Some(word.map_or_else(|error| refusal(error, Addressed::Topic), |()| Response::OK))
    }

    /// Whatever the client believes is what became of the message.
    fn check(&self) {
        for (id, verdict) in &self.verdicts {
            assert_eq!(Some(verdict.clone()), self.fate(*id), "message {id}");
        }
        assert!(self.stored.is_sorted_by(|one, next| one < next), "stored twice: {:?}", self.stored);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Publish,
    Say { at: usize, refuse: bool },
    Read,
    SendAgain,
    Cut { noticed: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Publish),
        4 => (0_usize..5, prop::bool::weighted(0.3)).prop_map(|(at, refuse)| Step::Say { at, refuse }),
        4 => Just(Step::Read),
        1 => Just(Step::SendAgain),
        1 => any::<bool>().prop_map(|noticed| Step::Cut { noticed }),
    ]
}

proptest! {
    #[test]
    fn a_client_believes_of_every_message_what_the_broker_said_however_often_the_connection_breaks(
        steps in prop::collection::vec(step(), 0..400),
    ) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Publish => world.publish(),
                Step::Say { at, refuse } => world.say(at, refuse),
                Step::Read => world.read(),
                Step::SendAgain => world.send_again(),
                Step::Cut { noticed } => world.cut(!noticed),
            }
            world.check();
        }
        // In the end the broker speaks and the client listens.
        for _ in 0..WINDOW {
            world.say(0, false);
        }
        world.cut(true);
        while !world.under_way.is_empty() {
            world.read();
        }
        world.check();
        prop_assert_eq!(world.verdicts.len() as u64, world.last, "still unknown: {:?}", world.unknown);
    }
}

fn flow_with(fates: Vec<Fate<Said>>) -> PublisherFlow<Said> {
    let mut flow = PublisherFlow::new("flow".to_owned(), "user".to_owned(), 1);
    flow.resume(1, "user", 0, 255).unwrap();
    for (id, fate) in (1..).zip(fates) {
        assert_eq!(flow.arrive(id, id - 1), Arrival::Next);
        flow.take(id, fate);
    }
    flow
}

fn hear(flow: &mut PublisherFlow<Said>) -> Vec<Word> {
    flow.hear(&mut Context::from_waker(Waker::noop()));
    flow.words()
}

fn words(said: &[Option<Result<(), PublishError>>]) -> (Words, Vec<Fate<Said>>) {
    let words: Words = Rc::new(RefCell::new(said.to_vec()));
    let fates = (0..said.len()).map(|at| Fate::WithBroker(Said(Rc::clone(&words), at), Addressed::Topic)).collect();
    (words, fates)
}

#[test]
fn a_refusal_waits_for_the_messages_before_it() {
    let refused = Some(Err(PublishError::TooLarge));
    let (words, fates) = words(&[Some(Ok(())), None, refused, Some(Ok(()))]);
    let mut flow = flow_with(fates);
    assert_eq!(hear(&mut flow), [(1, Response::OK)]);
    assert_eq!(hear(&mut flow), []);

    words.borrow_mut()[1] = Some(Ok(()));
    assert_eq!(hear(&mut flow), [(3, Response::DOCUMENT_TOO_LARGE), (4, Response::OK)]);
}

#[test]
fn a_repetition_is_answered_with_what_is_known_and_nothing_more() {
    let (_, fates) = words(&[Some(Ok(())), None]);
    let mut flow = flow_with(fates);
    hear(&mut flow);
    assert_eq!(flow.arrive(2, 1), Arrival::Again);
    assert_eq!(hear(&mut flow), []);
    assert_eq!(flow.arrive(1, 0), Arrival::Again);
    assert_eq!(hear(&mut flow), [(1, Response::OK)]);
}

#[test]
fn more_than_the_window_is_a_flood_and_a_hole_is_a_gap() {
    let (_, fates) = words(&[None, None]);
    let mut flow = flow_with(fates);
    assert_eq!(flow.arrive(4, 3), Arrival::Gap);
    flow.resume(2, "user", 0, 2).unwrap();
    assert_eq!(flow.arrive(3, 2), Arrival::Flood);
}

#[test]
fn a_refusal_is_remembered_for_a_window_of_messages_however_their_ids_run() {
    let no_room = || Fate::Refused(Response::SPOOL_OVER_QUOTA);
    let mut flow = flow_with(Vec::new());
    for id in (1..=255).map(|number| number * 1000) {
        assert_eq!(flow.arrive(id, id - 1000), Arrival::Next);
        flow.take(id, no_room());
        // Said, and lost with the connection.
        hear(&mut flow);
    }
    flow.leave(1);

    assert_eq!(flow.resume(2, "user", 0, 255), Some(999), "the client takes a refusal for an acknowledgement");
}

#[test]
fn ids_at_the_end_of_all_numbers_do_no_harm() {
    let mut flow = flow_with(Vec::new());
    assert_eq!(flow.arrive(0, 0), Arrival::Again);
    assert_eq!(flow.arrive(u64::MAX, 0), Arrival::Next);
    flow.take(u64::MAX, Fate::Refused(Response::FORBIDDEN));
    assert_eq!(hear(&mut flow), [(u64::MAX, Response::FORBIDDEN)]);
    assert_eq!(flow.resume(2, "user", 0, 2), Some(u64::MAX - 1));
    assert_eq!(flow.resume(2, "user", u64::MAX, 2), Some(u64::MAX));
}
