//! Everything that the model is painted from, and the model of one moment.
//! Does not say when; the painter does.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use tillstream_generator::Rate;
use tillstream_messages::{LiveReport, QueryLive};
use tillstream_supervision::Node;
use tokio::time::Instant;

use super::actors::Actors;
use super::counters::Counters;
use super::model::{About, Silence, seconds};
use super::patch::without_nulls;
use super::rates::Rates;
use super::sales::{sales, time};
use crate::faults::Faults;
use crate::http::{Door, Health};

/// Newest faults that a page shows.
const FAULTS: usize = 20;

/// Where everything is read.
#[derive(Clone)]
pub struct Sources {
    /// What does not change.
    pub about: About,
    /// How the process is.
    pub health: Health,
    /// Its actors.
    pub tree: Arc<dyn Fn() -> Node + Send + Sync>,
    /// What was broken on purpose.
    pub faults: Faults,
    /// How sales stand.
    pub sales: Door<QueryLive>,
    /// Of the simulated tills, where there are any.
    pub rate: Option<Rate>,
}

/// What has to be remembered from one model to the next.
pub struct Board {
    sources: Sources,
    constants: Map<String, Value>,
    rates: Rates,
    actors: Actors,
    silence: Silence,
    /// The last answer of reporting.
    report: Option<LiveReport>,
}

impl Board {
    /// Nothing is known yet.
    pub fn new(sources: Sources) -> Self {
        let (rates, actors, silence) = (Rates::default(), Actors::default(), Silence::default());
        Self { constants: sources.about.constants(), sources, rates, actors, silence, report: None }
    }

    /// Where everything is read.
    pub const fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The model of this moment, which says by when the next one is there at the latest; without an answer of reporting its last
    /// one stands.
    pub fn paint(
        &mut self,
        report: Option<LiveReport>,
        pages: usize,
        next_within: Duration,
        now: DateTime<Utc>,
    ) -> Value {
        self.silence.note(report.is_some(), now);
        self.report = report.or(self.report.take());
        let counters = Counters::read();
        let mut reading = counters.reading();
        // What stands because nobody has answered has not stood still.
        let fresh = self.report.as_ref().filter(|_| self.silence.is_over());
        reading.extend(fresh.map(|report| ("ledger", report.accepted.count)));
        let rates = self.rates.take(Instant::now(), reading);
        let mut model = self.constants.clone();
        if let Some(report) = &self.report {
            model.extend(sales(report, rates.get("ledger").copied()));
        }
        model.extend([
            ("at".to_owned(), time(now).into()),
            ("next_within_seconds".to_owned(), seconds(next_within)),
            ("process".to_owned(), self.process(pages)),
            ("outcomes".to_owned(), counters.outcomes()),
            ("flow".to_owned(), counters.flow(&rates)),
            ("rates".to_owned(), shown(rates)),
            ("reporting".to_owned(), self.silence.document()),
            ("actors".to_owned(), self.actors.lines(&(self.sources.tree)(), now)),
            ("faults".to_owned(), self.faults()),
            ("generator".to_owned(), json!(self.sources.rate.as_ref().map(|rate| json!({"rate": rate.get()})))),
        ]);
        without_nulls(Value::Object(model))
    }

    fn process(&self, pages: usize) -> Value {
        let (about, health) = (&self.sources.about, &self.sources.health);
        let degraded = health.troubles().into_iter().map(|trouble| {
            let document = json!({"since": trouble.since.map(time), "why": trouble.why});
            (trouble.what.to_owned(), document)
        });
        json!({
            "started": time(about.started),
            "ready": health.is_ready(),
            "faults_enabled": about.faults_enabled,
            "degraded": degraded.collect::<Map<_, _>>(),
            "pages": pages,
        })
    }

    fn faults(&self) -> Value {
        let newest = self.sources.faults.newest(FAULTS).into_iter().map(|fault| {
            let (target, kind, state, verdict) = (fault.target, fault.kind, fault.state, fault.verdict);
            let document = json!({"target": target, "kind": kind, "state": state, "verdict": verdict});
            (fault.id.to_string(), document)
        });
        Value::Object(newest.collect())
    }
}

/// Those of outcomes; what the flow is made of stands there.
fn shown(mut rates: std::collections::BTreeMap<&'static str, f64>) -> Value {
    rates.retain(|name, _| !["ledger", "events"].contains(name));
    json!(rates)
}
