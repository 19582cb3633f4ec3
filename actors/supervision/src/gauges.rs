//! Sums what the live actors of each kind say of themselves, at scrape time.
//! Costs nothing per message and holds no actor alive.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGaugeVec, Opts};

use crate::shared::{Life, Shared, lock};

/// Below this many entries it is not worth while to look for dead ones.
const FEW: usize = 64;

#[derive(Clone)]
pub(crate) struct ActorGauges(Arc<Inner>);

struct Inner {
    up: IntGaugeVec,
    depth: IntGaugeVec,
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    actors: Vec<Weak<Shared>>,
    /// Length at which the dead are swept out again: twice what was left the last time.
    sweep_at: usize,
}

impl ActorGauges {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let up = Opts::new("actor_up", "1 while every actor of the kind runs, 0 while one of them is down");
        let depth = Opts::new("actor_mailbox_depth", "Messages waiting in the mailboxes of the kind");
        Ok(Self(Arc::new(Inner {
            up: IntGaugeVec::new(up, &["actor"])?,
            depth: IntGaugeVec::new(depth, &["actor"])?,
            watched: Mutex::default(),
        })))
    }

    pub(crate) fn watch(&self, actor: &Arc<Shared>) {
        let mut watched = lock(&self.0.watched);
        watched.actors.push(Arc::downgrade(actor));
        if watched.actors.len() >= watched.sweep_at.max(FEW) {
            watched.actors.retain(|actor| actor.strong_count() > 0);
            watched.sweep_at = watched.actors.len() * 2;
        }
    }

    fn read(&self, watched: &Watched) {
        let mut kinds: HashMap<&'static str, Kind> = HashMap::new();
        for actor in watched.actors.iter().filter_map(Weak::upgrade) {
            if actor.life() == Life::Terminated {
                continue;
            }
            let kind = kinds.entry(actor.kind).or_default();
            kind.depth += actor.depth();
            kind.down |= actor.life() == Life::Down;
        }
        self.0.up.reset();
        self.0.depth.reset();
        for (name, kind) in kinds {
            self.0.up.with_label_values(&[name]).set(i64::from(!kind.down));
            self.0.depth.with_label_values(&[name]).set(i64::try_from(kind.depth).unwrap_or(i64::MAX));
        }
    }
}

/// The sums of one kind.
#[derive(Default)]
struct Kind {
    depth: usize,
    down: bool,
}

impl Collector for ActorGauges {
    fn desc(&self) -> Vec<&Desc> {
        [self.0.up.desc(), self.0.depth.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Two scrapes at once must not see each other's half-made sums.
        let watched = lock(&self.0.watched);
        self.read(&watched);
        [self.0.up.collect(), self.0.depth.collect()].concat()
    }
}
