//! One fault from the order to the verdict, through cuts, refusals and the death of the process.
//! Does not choose faults and does not count them.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::api::{FaultRecord, Verdict};
use crate::error::DrillError;
use crate::kinds::FaultKind;
use crate::options::Tempo;
use crate::service::{Reply, Service, read};
use crate::tree::{Node, Target};
use crate::watch::ClockWatch;

pub(crate) const FAULTS: &str = "/api/v1/faults";
pub(crate) const ACTORS: &str = "/api/v1/actors";
/// The service answers after 15 s at the latest, or the fault itself holds the answer up.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const LOOK_WITHIN: Duration = Duration::from_secs(5);
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// A target that is being restarted may be away for this long.
const AWAY_WITHIN: Duration = Duration::from_secs(10);
/// A verdict that is pending for longer than the fault itself takes and this will not come.
const PENDING_WITHIN: Duration = Duration::from_secs(60);
/// How often a fault is ordered anew because the process died before it had a verdict.
const ORDERS: usize = 5;
/// Characters of a refusal that are shown.
const SHOWN: usize = 120;

/// How a fault ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The service says so, and `/actors` shows the target running.
    Recovered,
    /// It did not take effect.
    NotFired,
    /// It took effect and was not made good in time.
    Unrecovered,
    /// The process does not have what the fault would disturb, such as a broker that runs elsewhere.
    NotHere,
    /// The service did not take the order.
    Refused,
}

/// What is asked of the service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    /// What.
    pub(crate) kind: FaultKind,
    /// On whom; `None` for the environment.
    pub(crate) target: Option<Target>,
    /// How long, or how far.
    pub(crate) seconds: Option<f64>,
    /// How long a moved clock stays moved.
    pub(crate) hold_seconds: Option<f64>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    /// The service's number.
    pub(crate) id: Option<u64>,
    /// How it ended.
    pub(crate) state: State,
    /// The service's figures.
    pub(crate) verdict: Verdict,
    /// What there is to say about it.
    pub(crate) note: Option<String>,
}

/// Orders faults.
#[derive(Debug)]
pub(crate) struct Injector {
    service: Service,
    tempo: Tempo,
    clock: ClockWatch,
    /// Faults that are not the one under way.
    known: BTreeSet<u64>,
}

impl Order {
    fn path(&self) -> String {
        match &self.target {
            Some(target) => format!("{ACTORS}/{}/fault", target.path),
            None => format!("{FAULTS}/environment"),
        }
    }

    fn body(&self) -> String {
        let mut body = json!({ "kind": self.kind });
        if let Some(seconds) = self.seconds {
            body["seconds"] = json!(seconds);
        }
        if let Some(seconds) = self.hold_seconds {
            body["hold_seconds"] = json!(seconds);
        }
        body.to_string()
    }

    /// How long the fault may take by itself: block, wait for its moment, hold.
    fn lasts(&self) -> Duration {
        let seconds = if self.kind == FaultKind::Clock { self.hold_seconds } else { self.seconds };
        seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or_default()
    }

    fn is_of(&self, record: &FaultRecord) -> bool {
        let same_target = self.target.as_ref().is_none_or(|target| Some(&target.path) == record.target.as_ref());
        record.kind == self.kind.name() && same_target
    }
}

impl Outcome {
    /// The order was not carried out.
    pub(crate) fn refused(why: String) -> Self {
        Self::not_ordered(State::Refused, why)
    }

    fn not_ordered(state: State, why: String) -> Self {
        Self { id: None, state, verdict: Verdict::default(), note: Some(why) }
    }

    fn of(record: FaultRecord, state: State, note: Option<String>) -> Self {
        Self { id: Some(record.id), state, verdict: record.verdict.unwrap_or_default(), note }
    }
}

impl Injector {
    /// Knows which faults there were before.
    pub(crate) async fn new(service: Service, tempo: Tempo, clock: ClockWatch) -> Result<Self, DrillError> {
        let before = match service.learn::<Vec<FaultRecord>>(FAULTS, tempo.outage).await {
            Err(DrillError::NotAdmin { status: 403, .. }) => return Err(DrillError::FaultsDisabled),
            before => before?,
        };
        Ok(Self { service, tempo, clock, known: before.into_iter().map(|record| record.id).collect() })
    }

    /// Whom it asks.
    pub(crate) const fn service(&self) -> &Service {
        &self.service
    }

    /// The tree as it is now.
    pub(crate) async fn tree(&self) -> Result<Node, DrillError> {
        self.service.learn(ACTORS, self.tempo.outage).await
    }

    /// Orders the fault and waits until its target runs again, or is given up.
    pub(crate) async fn inject(&mut self, order: &Order) -> Result<Outcome, DrillError> {
        if order.kind != FaultKind::Clock {
            return self.carry_out(order).await;
        }
        self.clock.moved();
        let outcome = self.carry_out(order).await;
        self.clock.restored();
        outcome
    }

    async fn carry_out(&mut self, order: &Order) -> Result<Outcome, DrillError> {
        for _ in 0..ORDERS {
            let record = match self.order(order).await? {
                Ok(record) => record,
                Err(outcome) => return Ok(outcome),
            };
            self.known.insert(record.id);
            if let Some(record) = self.verdict(order, record).await? {
                return self.confirm(order, record).await;
            }
        }
        let note = "the process died each time before there was a verdict".to_owned();
        Ok(Outcome { id: None, state: State::Unrecovered, verdict: Verdict::default(), note: Some(note) })
    }

    /// The record of the ordered fault, or what became of the order.
    async fn order(&self, order: &Order) -> Result<Result<FaultRecord, Outcome>, DrillError> {
        let (started, path) = (Instant::now(), order.path());
        loop {
            let sent = self.service.send(Method::POST, &path, Some(order.body()), ANSWER_WITHIN).await;
            let (last, patience) = match sent {
                Ok(reply) if matches!(reply.status, 200 | 202) => match read(&path, &reply) {
                    Ok(record) => return Ok(Ok(record)),
                    Err(error) => return Err(error),
                },
                Ok(reply) if reply.status == 403 => return Err(DrillError::FaultsDisabled),
                // An environment has no path that might come back.
                Ok(reply) if reply.status == 404 && order.target.is_none() => {
                    return Ok(Err(Outcome::not_ordered(State::NotHere, shown(&reply))));
                }
                Ok(reply) => (shown(&reply), patience_with(reply.status, self.tempo)),
                Err(cut) => (cut.to_string(), self.tempo.outage),
            };
            if let Some(record) = self.look_up(order).await {
                return Ok(Ok(record));
            }
            if started.elapsed() >= patience {
                return Ok(Err(Outcome::refused(last)));
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    /// The answer may have been cut although the fault was taken.
    async fn look_up(&self, order: &Order) -> Option<FaultRecord> {
        let reply = self.service.send(Method::GET, FAULTS, None, LOOK_WITHIN).await.ok()?;
        let records = read::<Vec<FaultRecord>>(FAULTS, &reply).ok()?;
        let ours = records.into_iter().filter(|record| !self.known.contains(&record.id) && order.is_of(record));
        ours.max_by_key(|record| record.id)
    }

    /// Waits while it is pending; `None` when the process has forgotten it.
    async fn verdict(&self, order: &Order, mut record: FaultRecord) -> Result<Option<FaultRecord>, DrillError> {
        let (started, path) = (Instant::now(), format!("{FAULTS}/{}", record.id));
        let patience = PENDING_WITHIN + order.lasts();
        while record.state == "pending" && started.elapsed() < patience {
            sleep(AGAIN_AFTER).await;
            let known: FaultRecord = match self.service.learn(&path, self.tempo.outage).await {
                Err(DrillError::Unexpected { status: 404, .. }) => return Ok(None),
                known => known?,
            };
            if known.kind != record.kind || known.target != record.target {
                return Ok(None);
            }
            record = known;
        }
        Ok(Some(record))
    }

    /// The verdict alone does not count: the tree must show the target running.
    async fn confirm(&self, order: &Order, record: FaultRecord) -> Result<Outcome, DrillError> {
        let state = match record.state.as_str() {
            "recovered" => State::Recovered,
            "not_fired" => State::NotFired,
            _ => State::Unrecovered,
        };
        let note = (record.state == "pending").then(|| "no verdict came".to_owned());
        let Some(target) = &order.target else { return Ok(Outcome::of(record, state, note)) };
        match self.runs(&target.path).await? {
            None => Ok(Outcome::of(record, state, note)),
            Some(shown) => Ok(Outcome::of(record, State::Unrecovered, Some(shown))),
        }
    }

    /// Waits until the node runs; what it is instead when it does not.
    async fn runs(&self, path: &str) -> Result<Option<String>, DrillError> {
        let started = Instant::now();
        loop {
            let tree = self.tree().await?;
            let shown = match tree.state_of(path) {
                Some("running") => return Ok(None),
                Some(state) => format!("/actors shows it {state}"),
                None => "it is gone from /actors".to_owned(),
            };
            if started.elapsed() >= self.tempo.running_within {
                return Ok(Some(shown));
            }
            sleep(AGAIN_AFTER / 4).await;
        }
    }
}

fn shown(reply: &Reply) -> String {
    let text: String = reply.text.chars().take(SHOWN).collect();
    format!("{}: {text}", reply.status)
}

/// Overload passes, a target that is being restarted comes back; anything else is a refusal.
const fn patience_with(status: u16, tempo: Tempo) -> Duration {
    match status {
        429 | 503 => tempo.outage,
        404 | 409 => AWAY_WITHIN,
        _ => Duration::ZERO,
    }
}
