//! The publisher's sessions: opened, probed, used, replaced, lost.
//! Does not publish sales and does not report the leg.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, WrapFuture};
use tillstream_messages::PublishError;
use tillstream_supervision::SupervisedContext;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{info, warn};

use super::link::Link;
use super::probe::{self, Verdict};
use super::refusal::advice;
use super::{Opening, Retiring, SolacePublisher};
use crate::access::Access;
use crate::client_name::client_name;
use crate::ffi::{Failure, Session, SessionEvent, SessionOptions};
use crate::metrics::LOGINS;

/// Beyond the time for logging in: the broker's word about the probe.
const PROBE_WITHIN: Duration = Duration::from_secs(10);
/// Events that are handled at once; a full window of acknowledgements fits.
const BATCH: usize = 256;

impl SolacePublisher {
    /// Logs in with the newest access, unless that is done or under way.
    pub(super) fn open(&mut self, ctx: &mut SupervisedContext<Self>) {
        self.retry = None;
        let access = self.wiring.access.newest();
        let used = self.current.as_ref().is_some_and(|link| link.access == access);
        if used || self.opening.is_some() {
            return;
        }
        let id = self.next_number();
        self.opening = Some(Opening { id, access: Arc::clone(&access), link: None });
        let settings = &self.wiring.settings;
        let options = SessionOptions {
            client_name: client_name(&settings.client_name, self.wiring.leg.name()),
            publish_window: settings.publish_window,
            connect_within: settings.connect_within,
            keep_alive: settings.keep_alive,
        };
        let patience = settings.connect_within * access.hosts() + PROBE_WITHIN;
        // Unbounded, but the library tells no more than a window of acknowledgements and a handful of other things.
        let (teller, events) = unbounded_channel();
        let opened = open_apart(access, options, teller);
        ctx.spawn(
            opened.into_actor(self).map(move |session, publisher, ctx| publisher.opened(id, session, events, ctx)),
        );
        ctx.run_later(patience, move |publisher, ctx| {
            if publisher.opening.as_ref().is_some_and(|opening| opening.id == id) {
                publisher.attempt_failed("the broker answered neither login nor probe in time", ctx);
            }
        });
    }

    fn opened(
        &mut self,
        id: u64,
        session: Result<Session, Failure>,
        events: UnboundedReceiver<SessionEvent>,
        ctx: &mut SupervisedContext<Self>,
    ) {
        let window = usize::from(self.wiring.settings.publish_window.max(1));
        let Some(opening) = self.opening.as_mut().filter(|opening| opening.id == id) else { return };
        match session {
            Ok(session) => opening.link = Some(Link::new(id, Arc::clone(&opening.access), session, window)),
            Err(failure) => return self.attempt_failed(&advice(&failure, &self.wiring.creds_path), ctx),
        }
        self.listen(id, events, ctx);
    }

    /// Takes the next events of a session; ends when the session has closed.
    fn listen(&self, id: u64, mut events: UnboundedReceiver<SessionEvent>, ctx: &mut SupervisedContext<Self>) {
        let next = async move {
            let mut batch = Vec::with_capacity(BATCH);
            events.recv_many(&mut batch, BATCH).await;
            (events, batch)
        };
        ctx.spawn(next.into_actor(self).map(move |(events, batch), publisher, ctx| {
            if batch.is_empty() {
                return;
            }
            batch.into_iter().for_each(|event| publisher.told(id, event, ctx));
            publisher.retiring.retain(|retiring| !retiring.link.is_idle());
            publisher.forward(ctx);
            publisher.listen(id, events, ctx);
        }));
    }

    fn told(&mut self, id: u64, event: SessionEvent, ctx: &mut SupervisedContext<Self>) {
        match event {
            SessionEvent::Acknowledged(tag) => self.settled(id, tag, Ok(()), ctx),
            SessionEvent::Rejected(tag, failure) => self.settled(id, tag, Err(&failure), ctx),
            // Every batch of events is followed by an attempt to send.
            SessionEvent::CanSend => {}
            SessionEvent::Up => self.send_probe(id, ctx),
            SessionEvent::ConnectFailed(failure)
            | SessionEvent::Down(failure)
            | SessionEvent::PublishingDown(failure) => self.lost(id, &failure, ctx),
        }
    }

    fn send_probe(&mut self, id: u64, ctx: &mut SupervisedContext<Self>) {
        let tag = self.next_number();
        let topic = self.wiring.probe_topic.clone();
        if let Some(Err(failure)) = self.link(id).map(|link| link.send_probe(&topic, tag)) {
            self.lost(id, &failure, ctx);
        }
    }

    pub(super) fn probed(&mut self, word: Result<(), &Failure>, ctx: &mut SupervisedContext<Self>) {
        let topic = &self.wiring.probe_topic;
        match word.map_or_else(|failure| probe::rejected(failure, topic), |()| probe::acknowledged(topic)) {
            Verdict::Honest => self.use_next(),
            Verdict::Unfit(reason) => self.attempt_failed(&reason, ctx),
        }
    }

    /// From now on publishes go over the session that was opened last.
    fn use_next(&mut self) {
        let Some(link) = self.opening.take().and_then(|opening| opening.link) else { return };
        LOGINS.with_label_values(&["up"]).inc();
        info!(broker.user = link.access.username(), "logged in at the broker");
        if let Some(link) = self.current.replace(link).filter(|link| !link.is_idle()) {
            self.retiring.push(Retiring { link, since: Instant::now() });
        }
        self.pauses.reset();
        self.look();
    }

    fn attempt_failed(&mut self, reason: &str, ctx: &mut SupervisedContext<Self>) {
        LOGINS.with_label_values(&["failed"]).inc();
        self.opening = None;
        self.trouble = reason.to_owned();
        self.try_later(ctx);
    }

    /// A session is over, whichever it was.
    pub(super) fn lost(&mut self, id: u64, failure: &Failure, ctx: &mut SupervisedContext<Self>) {
        let reason = advice(failure, &self.wiring.creds_path);
        if self.opening.as_ref().is_some_and(|opening| opening.id == id) {
            return self.attempt_failed(&reason, ctx);
        }
        if let Some(position) = self.retiring.iter().position(|retiring| retiring.link.id == id) {
            return self.retiring.swap_remove(position).link.give_up(&reason);
        }
        if let Some(link) = self.current.take_if(|link| link.id == id) {
            link.give_up(&reason);
            for parcel in self.backlog.drain(..) {
                parcel.owed.refuse(|_| PublishError::Down(reason.clone()));
            }
            self.trouble = reason;
            self.try_later(ctx);
        }
    }

    fn try_later(&mut self, ctx: &mut SupervisedContext<Self>) {
        self.look();
        if self.retry.is_some() || self.opening.is_some() {
            return;
        }
        let pause = self.pauses.next();
        warn!(reason = self.trouble, pause_ms = pause.as_millis(), "logging in at the broker again after a pause");
        self.retry = Some(ctx.run_later(pause, Self::open));
    }

    /// Replaces the session if it was opened with other credentials.
    pub(super) fn renew(&mut self, ctx: &mut SupervisedContext<Self>) {
        let newest = self.wiring.access.newest();
        self.opening.take_if(|opening| opening.access != newest);
        if let Some(retry) = self.retry.take() {
            ctx.cancel_future(retry);
        }
        self.pauses.reset();
        self.open(ctx);
    }
}

/// On a thread of its own: names may have to be looked up, and a runtime that ends would wait for that. When nobody waits
/// for the session any more, it is dropped and closes.
async fn open_apart(
    access: Arc<Access>,
    options: SessionOptions,
    teller: UnboundedSender<SessionEvent>,
) -> Result<Session, Failure> {
    let (opened, session) = oneshot::channel();
    let on_event = move |event| {
        // An actor that is gone has told its senders so.
        let _ = teller.send(event);
    };
    let work = move || {
        let _ = opened.send(Session::open(&access, &options, on_event));
    };
    let login = thread::Builder::new().name("solace-login".to_owned());
    login.spawn(work).map_err(|error| Failure::of(0, &format!("no thread to log in on: {error}")))?;
    session.await.unwrap_or_else(|_| Err(Failure::of(0, "the thread that logs in ended early")))
}
