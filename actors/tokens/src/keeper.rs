//! The actor that keeps an issuer's keys fresh: on a schedule, and sooner when a token names a key that is not there.
//! Never drops the keys it has because it cannot read, and reads at most once per `tokens.refetch` whoever asks.

use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, Message, SpawnHandle, WrapFuture};
use tillstream_messages::{HealthBoard, Leg, LegState};
use tillstream_supervision::{SupervisedContext, supervised};
use tokio::time::{Instant, timeout};
use tracing::{error, info, warn};

use crate::book::TokenBook;
use crate::error::FetchError;
use crate::fetch::KeySource;
use crate::key_set::KeySet;
use crate::keys::{Attempt, Keys};
use crate::metrics::{FETCHES, KEYS, KEYS_AGE_SECONDS};
use crate::settings::TokenSettings;

const TICK: Duration = Duration::from_secs(1);
/// The issuer's document, its keys, and a file that is read on the way have a deadline each.
const READINGS: u32 = 3;

/// Reads the keys of one issuer into a [`TokenBook`].
pub struct KeyKeeper {
    settings: TokenSettings,
    source: KeySource,
    book: TokenBook,
    /// Where the tokens leg is reported.
    health: HealthBoard,
    /// When the keys are read next, and the timer for it; nothing while they are being read.
    next: Option<(Instant, SpawnHandle)>,
    /// The last failure, so that it is logged once and not at every attempt.
    failure: Option<String>,
}

/// Order: read the keys as soon as `tokens.refetch` allows it; somebody named a key that is not known.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct FetchKeys;

// === impl KeyKeeper ===

impl KeyKeeper {
    /// A keeper that goes on with the keys that `book` has.
    pub const fn new(settings: TokenSettings, source: KeySource, book: TokenBook, health: HealthBoard) -> Self {
        Self { settings, source, book, health, next: None, failure: None }
    }

    /// Reads at that time unless it reads earlier anyway.
    fn plan(&mut self, at: Instant, ctx: &mut SupervisedContext<Self>) {
        if let Some((planned, timer)) = self.next {
            if planned <= at {
                return;
            }
            ctx.cancel_future(timer);
        }
        let timer = ctx.run_later(at.saturating_duration_since(Instant::now()), Self::fetch);
        self.next = Some((at, timer));
    }

    fn fetch(&mut self, ctx: &mut SupervisedContext<Self>) {
        self.next = None;
        let Some(keys) = self.book.keys() else { return };
        let attempt = keys.begin();
        let longest = self.settings.timeout * READINGS;
        let reading = timeout(longest, self.source.fetch()).into_actor(self).map(move |outcome, keeper, ctx| {
            keeper.settle(attempt, outcome.unwrap_or(Err(FetchError::Stuck { within: longest })));
            keeper.report();
            keeper.plan_next(ctx);
        });
        ctx.spawn(reading);
    }

    fn settle(&mut self, attempt: Attempt, outcome: Result<KeySet, FetchError>) {
        let Some(keys) = self.book.keys() else { return };
        match outcome {
            Ok(set) => {
                FETCHES.with_label_values(&["read"]).inc();
                if self.failure.take().is_some() {
                    info!("the token issuer's keys can be read again");
                }
                tell_changes(keys, &set);
                keys.take(attempt, set);
            }
            Err(reason) => {
                FETCHES.with_label_values(&["failed"]).inc();
                let text = reason.to_string();
                if self.failure.as_ref() != Some(&text) {
                    error!(reason = %text, "cannot read the token issuer's keys, keeping the last good ones");
                }
                self.failure = Some(text);
            }
        }
    }

    /// On the schedule after a reading; soon after a failure, or when somebody still looks for a key.
    fn plan_next(&mut self, ctx: &mut SupervisedContext<Self>) {
        let pause = match self.book.keys() {
            _ if self.failure.is_some() => jittered(self.settings.refetch),
            Some(keys) if keys.is_wanted() => Duration::ZERO,
            _ => jittered(self.settings.refresh),
        };
        self.plan(self.earliest().max(Instant::now() + pause), ctx);
    }

    /// The first moment at which another attempt is allowed.
    fn earliest(&self) -> Instant {
        let attempted = self.book.keys().and_then(Keys::attempted);
        attempted.map_or_else(Instant::now, |at| at + self.settings.refetch)
    }

    fn report(&self) {
        let last = self.book.keys().and_then(Keys::last);
        let count = last.as_ref().map_or(0, |reading| reading.set.len());
        KEYS.set(i64::try_from(count).unwrap_or(i64::MAX));
        if let Some(reading) = &last {
            KEYS_AGE_SECONDS.set(reading.age().as_secs_f64());
        }
        let failure = self.failure.as_deref();
        let state = match &last {
            None => LegState::Down(failure.unwrap_or("the issuer's keys are not read yet").to_owned()),
            Some(_) if count == 0 => LegState::Down("the issuer publishes no key that can be used".to_owned()),
            Some(reading) if reading.age() > self.settings.max_age => {
                let reason = failure.unwrap_or("they are being read");
                LegState::Down(format!("the issuer's keys are {} s old: {reason}", reading.age().as_secs()))
            }
            Some(_) => LegState::Up,
        };
        self.health.set(Leg::Tokens, state);
        self.health.remark(Leg::Tokens, self.failure.clone());
    }
}

/// A tenth around the time, so that processes that started together do not read together for ever.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(0.9 + 0.2 * fastrand::f64())
}

fn tell_changes(keys: &Keys, set: &KeySet) {
    let before = keys.last();
    let (old, new) = (before.as_ref().map(|reading| reading.set.ids()).unwrap_or_default(), set.ids());
    if before.is_some() && old == new {
        return;
    }
    let (added, gone) = (new.difference(&old).count(), old.difference(&new).count());
    info!(keys.usable = set.len(), keys.added = added, keys.gone = gone, "the token issuer's keys changed");
    if set.unused() > 0 {
        warn!(keys.unused = set.unused(), "the issuer publishes keys that fit no algorithm of `tokens.algorithms`");
    }
}

supervised!(KeyKeeper);

impl Actor for KeyKeeper {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.report();
        // An incarnation that follows another one at once must not read more often than one that lives.
        self.plan(self.earliest(), ctx);
        ctx.run_interval(TICK, |keeper, _| keeper.report());
    }
}

impl Handler<FetchKeys> for KeyKeeper {
    type Result = ();

    fn handle(&mut self, _: FetchKeys, ctx: &mut Self::Context) {
        // While the keys are being read, the end of that plans the next reading.
        if self.next.is_some() {
            self.plan(self.earliest(), ctx);
        }
    }
}
