//! Looks at a broker with one user's eyes: may it log in, are its queues there, what becomes of a message that no queue takes.
//! Takes no message and leaves none; subscriptions, limits and what a full queue does are not for clients to see.

use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::access::Access;
use crate::client_name::client_name;
use crate::ffi::{Failure, Flow, FlowEvent, FlowOptions, Session, SessionEvent, SessionOptions};
use crate::flow::Trouble;
use crate::publisher::probe::{self, Verdict};
use crate::publisher::refusal::advice;
use crate::settings::SolaceSettings;

/// Longest wait for the broker's word about a queue or the probe.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The library gives up by itself; who waits for it waits a little longer.
const SLACK: Duration = Duration::from_secs(2);
/// A consumer that has not become active by then stands by.
const ACTIVE_WITHIN: Duration = Duration::from_secs(2);
const PROBE_TAG: u64 = 1;

/// What to look at.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// As whom.
    pub access: Access,
    /// Where the secret tree has this user, for advice.
    pub creds_path: String,
    /// Queues that it must be able to consume.
    pub queues: Vec<String>,
    /// A topic that no queue takes, if it publishes.
    pub probe_topic: Option<String>,
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// How it stands.
    pub state: FindingState,
}

/// How something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingState {
    /// As it must be; the text says what that is.
    InOrder(String),
    /// Wrong; the text says what to do.
    Wrong(String),
}

/// One login, and what it is told.
struct Visit {
    session: Session,
    events: UnboundedReceiver<SessionEvent>,
}

/// Looks at everything, also when something before is wrong; without a login there is nothing to look at.
pub async fn inspect(inspection: &Inspection, settings: &SolaceSettings) -> Vec<Finding> {
    let access = &inspection.access;
    let subject = format!("login as `{}`", access.username());
    let visit = Visit::begin(access, settings).await;
    let mut visit = match visit {
        Ok(visit) => visit,
        Err(failure) => {
            let reason = format!("{}: {}", access.host(), advice(&failure, &inspection.creds_path));
            return vec![wrong(subject, reason)];
        }
    };
    let mut findings = vec![in_order(subject, format!("{}, message VPN `{}`", access.host(), access.vpn()))];
    for queue in &inspection.queues {
        findings.push(visit.look_at(queue, settings).await);
    }
    if let Some(topic) = &inspection.probe_topic {
        findings.push(visit.probe(topic).await);
    }
    findings
}

// === impl Visit ===

impl Visit {
    async fn begin(access: &Access, settings: &SolaceSettings) -> Result<Self, Failure> {
        let options = SessionOptions {
            client_name: client_name(&settings.client_name, "check"),
            publish_window: settings.publish_window,
            connect_within: settings.connect_within,
            keep_alive: settings.keep_alive,
        };
        let within = settings.connect_within * (access.hosts() + 1) + SLACK;
        let (teller, mut events) = unbounded_channel();
        let access = access.clone();
        // Names may have to be looked up.
        let opened = spawn_blocking(move || {
            Session::open(&access, &options, move |event| {
                // A visit that is over has no more questions.
                let _ = teller.send(event);
            })
        });
        let session = opened.await.unwrap_or_else(|panic| Err(Failure::of(0, &panic.to_string())))?;
        match timeout(within, events.recv()).await {
            Ok(Some(SessionEvent::Up)) => Ok(Self { session, events }),
            Ok(Some(SessionEvent::ConnectFailed(failure) | SessionEvent::Down(failure))) => Err(failure),
            Ok(_) => Err(Failure::of(0, "the login ended without a word")),
            Err(_) => Err(silence(within)),
        }
    }

    /// Binds without taking anything and unbinds again.
    async fn look_at(&self, queue: &str, settings: &SolaceSettings) -> Finding {
        let subject = format!("queue `{queue}`");
        let options = FlowOptions {
            queue: queue.to_owned(),
            max_unacked: settings.max_unacked,
            bind_within: settings.connect_within,
            settles: false,
        };
        let (teller, mut events) = unbounded_channel();
        let bound = Flow::bind_stopped(&self.session, &options, move |event| {
            // As above.
            let _ = teller.send(event);
        });
        let flow = match bound {
            Ok(flow) => flow,
            Err(failure) => return wrong(subject, Trouble::of_bind(failure).to_string()),
        };
        let word = timeout(settings.connect_within + SLACK, events.recv()).await;
        let is_active = matches!(word, Ok(Some(FlowEvent::Bound))) && becomes_active(&mut events).await;
        drop(flow);
        match word {
            Ok(Some(FlowEvent::Bound)) if is_active => in_order(subject, "can be consumed".to_owned()),
            Ok(Some(FlowEvent::Bound)) => {
                let text = "can be bound, but another consumer is active: is it this service, and not a stranger?";
                in_order(subject, text.to_owned())
            }
            Ok(Some(FlowEvent::Refused(failure) | FlowEvent::Down(failure))) => {
                wrong(subject, Trouble::of_bind(failure).to_string())
            }
            Ok(_) => wrong(subject, "the bind ended without a word".to_owned()),
            Err(_) => wrong(subject, silence(settings.connect_within).text),
        }
    }

    async fn probe(&mut self, topic: &str) -> Finding {
        let subject = "no match".to_owned();
        match self.word_about_probe(topic).await {
            Ok(Verdict::Honest) => in_order(subject, "what no queue takes is refused".to_owned()),
            Ok(Verdict::Unfit(reason)) => wrong(subject, reason),
            Err(failure) => wrong(subject, failure.to_string()),
        }
    }

    async fn word_about_probe(&mut self, topic: &str) -> Result<Verdict, Failure> {
        let message = probe::probe(topic, PROBE_TAG).map_err(|reason| Failure::of(0, &reason.to_string()))?;
        self.session.send(&message)?;
        let word = async {
            loop {
                match self.events.recv().await {
                    Some(SessionEvent::Acknowledged(PROBE_TAG)) => return Ok(probe::acknowledged(topic)),
                    Some(SessionEvent::Rejected(PROBE_TAG, failure)) => return Ok(probe::rejected(&failure, topic)),
                    Some(SessionEvent::Down(failure) | SessionEvent::PublishingDown(failure)) => return Err(failure),
                    Some(_) => {}
                    None => return Err(Failure::of(0, "the session ended without a word")),
                }
            }
        };
        timeout(ANSWER_WITHIN, word).await.unwrap_or_else(|_| Err(silence(ANSWER_WITHIN)))
    }
}

/// The broker says at once who is active.
async fn becomes_active(events: &mut UnboundedReceiver<FlowEvent>) -> bool {
    matches!(timeout(ACTIVE_WITHIN, events.recv()).await, Ok(Some(FlowEvent::Active)))
}

fn silence(within: Duration) -> Failure {
    Failure::of(0, &format!("the broker gave no answer within {} s", within.as_secs()))
}

const fn in_order(subject: String, text: String) -> Finding {
    Finding { subject, state: FindingState::InOrder(text) }
}

const fn wrong(subject: String, text: String) -> Finding {
    Finding { subject, state: FindingState::Wrong(text) }
}
