//! The actor through which everything reaches a Solace broker, over one session that it replaces when need be.
//! Answers with the broker's word or with a refusal, never for the broker.
//!
//! A session is used once the broker has refused its probe, so that an acknowledgement means a queue. A session that is lost
//! takes its publishes with it: their senders hear at once that the session is down, and repeat them. New credentials
//! get a session of their own first; then new publishes go there, and the old session stays until it owes nothing.

mod link;
mod parcel;
pub(crate) mod probe;
pub(crate) mod refusal;
mod sessions;

use std::collections::VecDeque;
use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Handler, ResponseFuture, SpawnHandle};
use tillstream_messages::{HealthBoard, Leg, LegState, PublishError, PublishMessage, SecretsChanged};
use tillstream_session::{Backend, Line, show_connected};
use tillstream_supervision::{SupervisedContext, supervised};
use tokio::time::Instant;
use tracing::{error, info};

use crate::access::{Access, AccessBook};
use crate::ffi::{Failure, subcode};
use crate::metrics;
use crate::pauses::Pauses;
use crate::publisher::link::{Handed, Link, Subject};
use crate::publisher::parcel::Parcel;
use crate::publisher::refusal::{refusal, unfit};
use crate::settings::SolaceSettings;

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// For so long after a refusal that no acknowledgement followed, the leg is down. Then it is up again, so that somebody tries.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// All that an incarnation of the publisher starts from; cloned by the factory.
#[derive(Clone)]
pub struct PublisherWiring {
    /// The newest way in; shared by all incarnations.
    pub access: AccessBook,
    /// Where the secret tree has this user.
    pub creds_path: String,
    /// Bounds.
    pub settings: SolaceSettings,
    /// Where the leg is reported.
    pub health: HealthBoard,
    /// The leg that this publisher is.
    pub leg: Leg,
    /// No queue takes this topic.
    pub probe_topic: String,
}

/// Publishes on a Solace broker.
pub struct SolacePublisher {
    wiring: PublisherWiring,
    /// All publishes without an answer.
    waiting: Rc<Line>,
    /// Those for which there is no room yet.
    backlog: VecDeque<Parcel>,
    /// The session that is used.
    current: Option<Link>,
    /// The session that is to be used next.
    opening: Option<Opening>,
    /// Sessions that were replaced and are owed acknowledgements.
    retiring: Vec<Retiring>,
    /// The next attempt, when none is under way.
    retry: Option<SpawnHandle>,
    pauses: Pauses,
    /// Why there is no session.
    trouble: String,
    /// Numbers links and tags.
    last_number: u64,
    /// The last word about a sale, if the broker would have none: it cannot store, or a queue is shut down or missing.
    refused: Option<Refused>,
    /// What was last reported; `None` before the first look.
    reported: Option<LegState>,
}

/// Why the broker would not have a message.
struct Refused {
    reason: String,
    since: Instant,
}

/// A session on its way to be used.
struct Opening {
    id: u64,
    access: Arc<Access>,
    /// Without one the library is still busy with names and sockets.
    link: Option<Link>,
}

/// A session that was replaced.
struct Retiring {
    link: Link,
    since: Instant,
}

// === impl SolacePublisher ===

impl SolacePublisher {
    /// A publisher that logs in when it starts.
    pub fn new(wiring: PublisherWiring) -> Self {
        metrics::register();
        Self {
            pauses: Pauses::new(&wiring.settings),
            wiring,
            waiting: Rc::default(),
            backlog: VecDeque::new(),
            current: None,
            opening: None,
            retiring: Vec::new(),
            retry: None,
            trouble: "not logged in yet".to_owned(),
            last_number: 0,
            refused: None,
            reported: None,
        }
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    // --- publishing ---

    /// Sends what waits, as far as there is room.
    fn forward(&mut self, ctx: &mut SupervisedContext<Self>) {
        while let Some(link) = &mut self.current {
            let Some(parcel) = self.backlog.pop_front() else { return };
            match link.hand(parcel) {
                Handed::Taken => {}
                Handed::Back(parcel) => return self.backlog.push_front(parcel),
                Handed::Unfit(owed, reason) => owed.refuse(|topic| unfit(&reason, topic)),
                Handed::Failed(owed, failure) => {
                    let id = link.id;
                    let broken = matches!(refusal(&failure, ""), PublishError::Down(_));
                    owed.refuse(|topic| refusal(&failure, topic));
                    if broken {
                        self.lost(id, &failure, ctx);
                    }
                }
            }
        }
    }

    fn settled(&mut self, id: u64, tag: u64, word: Result<(), &Failure>, ctx: &mut SupervisedContext<Self>) {
        match (self.link(id).and_then(|link| link.settle(tag)), word) {
            (Some(Subject::Publish(owed)), Ok(())) => {
                self.refused = None;
                owed.acknowledge();
            }
            (Some(Subject::Publish(owed)), Err(failure)) => {
                if keeps_from_publishing(failure) {
                    self.refused = Some(Refused { reason: failure.to_string(), since: Instant::now() });
                }
                owed.refuse(|topic| refusal(failure, topic));
            }
            (Some(Subject::Probe), word) => self.probed(word, ctx),
            // A link that was given up has told its senders already.
            (None, _) => {}
        }
    }

    fn link(&mut self, id: u64) -> Option<&mut Link> {
        let opening = self.opening.as_mut().and_then(|opening| opening.link.as_mut());
        let retiring = self.retiring.iter_mut().map(|retiring| &mut retiring.link);
        self.current.iter_mut().chain(opening).chain(retiring).find(|link| link.id == id)
    }

    // --- health ---

    fn patrol(&mut self, ctx: &mut SupervisedContext<Self>) {
        if let Some(link) = self.current.as_ref().filter(|link| link.is_poisoned()) {
            self.lost(link.id, &Failure::of(0, "a callback of the client library failed"), ctx);
        }
        let patience = self.wiring.settings.retire_within;
        for retired in self.retiring.extract_if(.., |retiring| retiring.since.elapsed() >= patience) {
            retired.link.give_up("the broker did not acknowledge it before its session was replaced");
        }
        self.look();
    }

    fn look(&mut self) {
        let trouble = match self.current {
            Some(_) => self.waiting.silence().or_else(|| self.refused.as_ref().and_then(Refused::trouble)),
            None => Some(format!("no session at the broker: {}", self.trouble)),
        };
        let state = trouble.map_or(LegState::Up, LegState::Down);
        // Each time: an earlier incarnation whose thread was blocked may have written late.
        self.wiring.health.set(self.wiring.leg, state.clone());
        if self.reported.as_ref() == Some(&state) {
            return;
        }
        match &state {
            LegState::Up => info!("the broker takes messages"),
            LegState::Down(_) if self.reported.is_none() => info!("logging in at the broker"),
            LegState::Down(reason) => error!(%reason, "the broker takes no messages"),
        }
        show_connected(Backend::Solace, self.wiring.leg, state == LegState::Up);
        self.reported = Some(state);
    }
}

/// Not a queue that is full: flows give no heartbeat while publishing is down, and without heartbeats the last windows of an
/// idle store would not become final, so that nothing would ever be acknowledged and make room. Nor one message's size.
fn keeps_from_publishing(failure: &Failure) -> bool {
    let is_too_large = matches!(refusal(failure, ""), PublishError::TooLarge);
    failure.subcode != subcode::SPOOL_OVER_QUOTA && !is_too_large
}

// === impl Refused ===

impl Refused {
    fn trouble(&self) -> Option<String> {
        let is_fresh = self.since.elapsed() < REFUSED_FOR;
        is_fresh.then(|| format!("the broker takes no message: {}", self.reason))
    }
}

supervised!(SolacePublisher);

impl Actor for SolacePublisher {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look();
        self.open(ctx);
        ctx.run_interval(LOOK_EVERY, Self::patrol);
    }
}

impl Handler<PublishMessage> for SolacePublisher {
    type Result = ResponseFuture<Result<(), PublishError>>;

    fn handle(&mut self, order: PublishMessage, ctx: &mut Self::Context) -> Self::Result {
        if self.current.is_none() {
            return Box::pin(ready(Err(PublishError::Down(self.trouble.clone()))));
        }
        if self.waiting.len() >= self.wiring.settings.max_waiting {
            return Box::pin(ready(Err(PublishError::Overloaded)));
        }
        let waiting = Line::join(&self.waiting).of(order.trace.as_ref());
        let (parcel, answer) = Parcel::new(order, self.next_number(), waiting);
        self.backlog.push_back(parcel);
        self.forward(ctx);
        let dropped = || Err(PublishError::Down("the publisher gave up the message".to_owned()));
        Box::pin(async move { answer.await.unwrap_or_else(|_| dropped()) })
    }
}

impl Handler<SecretsChanged> for SolacePublisher {
    type Result = ();

    fn handle(&mut self, fact: SecretsChanged, ctx: &mut Self::Context) {
        let PublisherWiring { settings, creds_path, access, .. } = &self.wiring;
        match Access::of(settings, &fact.tree, creds_path) {
            Err(reason) => {
                return error!(%reason, "the new secrets do not say how to log in, the last ones stay in use");
            }
            Ok(newest) => access.enter(newest),
        };
        self.renew(ctx);
    }
}
