//! How busy the actors of each kind are: time inside their code and messages handled, since the process started.
//! Counts per poll and not per message, and says nothing of a poll that has not ended yet.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{CounterVec, IntCounterVec, Opts};

use crate::shared::lock;

/// Of all actors of one kind, those that are gone included: a counter never falls.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    busy_nanos: AtomicU64,
    messages: AtomicU64,
}

/// The tallies of all kinds.
#[derive(Clone)]
pub(crate) struct Tallies(Arc<Inner>);

struct Inner {
    busy: CounterVec,
    messages: IntCounterVec,
    kinds: Mutex<BTreeMap<&'static str, Arc<Tally>>>,
}

// === impl Tally ===

impl Tally {
    /// One poll took so long and handled so many messages.
    pub(crate) fn polled(&self, time: Duration, messages: u64) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.busy_nanos.fetch_add(nanos, Ordering::Relaxed);
        if messages > 0 {
            self.messages.fetch_add(messages, Ordering::Relaxed);
        }
    }

    fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy_nanos.load(Ordering::Relaxed))
    }
}

// === impl Tallies ===

impl Tallies {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let busy = "Time that actors of the kind spent in their own code, in polls that have ended";
        let messages = "Messages that actors of the kind took out of their mailboxes";
        Ok(Self(Arc::new(Inner {
            busy: CounterVec::new(Opts::new("actor_busy_seconds_total", busy), &["actor"])?,
            messages: IntCounterVec::new(Opts::new("actor_messages_total", messages), &["actor"])?,
            kinds: Mutex::default(),
        })))
    }

    /// The tally that all actors of this kind share.
    pub(crate) fn of(&self, kind: &'static str) -> Arc<Tally> {
        Arc::clone(lock(&self.0.kinds).entry(kind).or_default())
    }
}

impl Collector for Tallies {
    fn desc(&self) -> Vec<&Desc> {
        [self.0.busy.desc(), self.0.messages.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Two scrapes at once must not see each other's half-made figures.
        let kinds = lock(&self.0.kinds);
        self.0.busy.reset();
        self.0.messages.reset();
        for (kind, tally) in &*kinds {
            self.0.busy.with_label_values(&[kind]).inc_by(tally.busy().as_secs_f64());
            self.0.messages.with_label_values(&[kind]).inc_by(tally.messages.load(Ordering::Relaxed));
        }
        [self.0.busy.collect(), self.0.messages.collect()].concat()
    }
}
