//! The faults of a drill, one after the other: when each is due, on whom, and the row that it leaves.
//! Does not inject; `injection` does.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::api::{Imbalance, Verdict};
use crate::cents::Cents;
use crate::drill::{Line, Say, Stop, told};
use crate::error::DrillError;
use crate::injection::{Injector, Order, Outcome, State};
use crate::kinds::FaultKind;
use crate::options::Options;
use crate::plan::{Draw, draws, usual_seconds};
use crate::revision::look;
use crate::script::Step;
use crate::sleepers::Sleepers;
use crate::summary;

/// One fault, as the table and the report show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FaultRow {
    /// From 1.
    pub number: usize,
    /// The service's number in the life of the process that took it; none when it was refused.
    pub id: Option<u64>,
    /// Since the load began.
    pub at_seconds: f64,
    /// What.
    pub kind: FaultKind,
    /// What was ordered first and did not fire.
    pub instead_of: Option<FaultKind>,
    /// The path, or `environment`.
    pub target: String,
    /// The actor's kind; none for the environment.
    pub actor: Option<String>,
    /// How it ended.
    pub state: State,
    /// The service's figures.
    pub verdict: Verdict,
    /// What there is to say about it.
    pub note: Option<String>,
}

impl FaultRow {
    /// Whether something happened; an environment that went wrong and is well again counts, felt or not.
    pub(crate) fn took_effect(&self) -> bool {
        matches!(self.state, State::Recovered | State::Unrecovered)
    }

    /// Whether its verdict left sales to be judged later.
    pub(crate) fn is_unjudged(&self) -> bool {
        self.verdict.open.is_some_and(|open| open.count > 0)
    }

    /// What its verdict says was lost or double, in words.
    pub(crate) fn damage(&self) -> Option<String> {
        let (lost, double) = (self.verdict.lost.unwrap_or_default(), self.verdict.double.unwrap_or_default());
        if lost == Imbalance::default() && double == Imbalance::default() {
            return None;
        }
        Some(format!(
            "fault {} ({} on {}): its verdict says lost {} ({}), double {} ({})",
            self.number,
            self.kind,
            self.target,
            lost.count,
            Cents(lost.cents),
            double.count,
            Cents(double.cents)
        ))
    }
}

/// Injects the faults of one drill.
pub(crate) struct Faults<'a> {
    /// What is asked for.
    pub(crate) options: &'a Options,
    /// Orders them.
    pub(crate) injector: Injector,
    /// Gets a row per fault.
    pub(crate) say: Say<'a>,
    /// When the load began.
    pub(crate) started: Instant,
    /// All rows so far.
    pub(crate) rows: Vec<FaultRow>,
    /// Threads that still sleep.
    pub(crate) sleepers: Sleepers,
}

impl Faults<'_> {
    /// Injects them all, or those before the drill is told to stop; their rows.
    pub(crate) async fn run(mut self, stop: &watch::Receiver<Stop>) -> Result<Vec<FaultRow>, DrillError> {
        let options = self.options;
        (self.say)(Line::Table(&summary::heading()));
        match &options.script {
            Some(script) => self.run_script(&script.steps, stop).await?,
            None => self.run_seeded(stop).await?,
        }
        Ok(self.rows)
    }

    async fn run_seeded(&mut self, stop: &watch::Receiver<Stop>) -> Result<(), DrillError> {
        let options = self.options;
        let kinds = usable(&options.kinds, &options.targets);
        for draw in draws(options.seed, &kinds, options.faults) {
            let pause = draw.pause.max(self.until_a_thread_may_block(&draw));
            if !waits(pause, stop).await {
                return Ok(());
            }
            self.fault(&draw, &options.targets).await?;
            if draw.number.is_multiple_of(options.tempo.faults_between_looks) {
                look(self.injector.service(), &mut self.rows).await;
            }
        }
        Ok(())
    }

    fn until_a_thread_may_block(&mut self, draw: &Draw) -> Duration {
        let now = Instant::now();
        if draw.kind == FaultKind::Block { self.sleepers.room_at(now) - now } else { Duration::ZERO }
    }

    async fn run_script(&mut self, steps: &[Step], stop: &watch::Receiver<Stop>) -> Result<(), DrillError> {
        // Which of several that fit a step's pattern is drawn, by the seed.
        let picks = draws(self.options.seed, &[FaultKind::Panic], steps.len());
        for (step, drawn) in steps.iter().zip(picks) {
            if !waits((self.started + step.at).saturating_duration_since(Instant::now()), stop).await {
                return Ok(());
            }
            let usual = usual_seconds(step.kind);
            let (seconds, hold_seconds) = (step.seconds.or(usual.0), step.hold_seconds.or(usual.1));
            let draw = Draw { kind: step.kind, seconds, hold_seconds, ..drawn };
            self.fault(&draw, step.target.as_slice()).await?;
        }
        Ok(())
    }

    async fn fault(&mut self, draw: &Draw, patterns: &[String]) -> Result<(), DrillError> {
        let order = Order { kind: draw.kind, target: None, seconds: draw.seconds, hold_seconds: draw.hold_seconds };
        if !draw.kind.has_target() {
            let outcome = self.injector.inject(&order).await?;
            self.keep(draw.number, &order, None, outcome);
            return Ok(());
        }
        let Some(target) = self.injector.tree().await?.choose(patterns, draw.pick) else {
            let note = format!("no actor fits {}", patterns.join(", "));
            self.keep(draw.number, &order, None, Outcome::refused(note));
            return Ok(());
        };
        self.on_actor(draw.number, Order { target: Some(target), ..order }).await
    }

    /// An actor without a message to handle does not reach the end of a handler; a panic finds it all the same.
    async fn on_actor(&mut self, number: usize, order: Order) -> Result<(), DrillError> {
        let outcome = self.injector.inject(&order).await?;
        if order.kind == FaultKind::Block && outcome.state != State::Refused {
            // Counted from the answer, which comes later than its sleep began: rather too long than too short.
            self.sleepers.add(Instant::now(), order.seconds.unwrap_or_default());
        }
        if outcome.state != State::NotFired || order.kind == FaultKind::Panic {
            self.keep(number, &order, None, outcome);
            return Ok(());
        }
        self.tell(&self.row(number, &order, None, outcome));
        let again = Order { kind: FaultKind::Panic, seconds: None, ..order };
        let outcome = self.injector.inject(&again).await?;
        self.keep(number, &again, Some(order.kind), outcome);
        Ok(())
    }

    fn keep(&mut self, number: usize, order: &Order, instead_of: Option<FaultKind>, outcome: Outcome) {
        let row = self.row(number, order, instead_of, outcome);
        self.tell(&row);
        self.rows.push(row);
    }

    fn row(&self, number: usize, order: &Order, instead_of: Option<FaultKind>, outcome: Outcome) -> FaultRow {
        let target = order.target.as_ref();
        FaultRow {
            number,
            id: outcome.id,
            at_seconds: self.started.elapsed().as_secs_f64(),
            kind: order.kind,
            instead_of,
            target: target.map_or("environment", |target| &target.path).to_owned(),
            actor: target.map(|target| target.kind.clone()),
            state: outcome.state,
            verdict: outcome.verdict,
            note: outcome.note,
        }
    }

    fn tell(&self, row: &FaultRow) {
        (self.say)(Line::Table(&summary::row(row)));
    }
}

/// Who names targets means actors: the environment is left alone unless it is all that is asked for.
fn usable(kinds: &[FaultKind], targets: &[String]) -> Vec<FaultKind> {
    let on_actors: Vec<_> = kinds.iter().copied().filter(|kind| kind.has_target()).collect();
    if targets.is_empty() || on_actors.is_empty() { kinds.to_vec() } else { on_actors }
}

/// False when the drill is told to stop meanwhile.
async fn waits(pause: Duration, stop: &watch::Receiver<Stop>) -> bool {
    tokio::select! {
        biased;
        () = told(stop.clone(), Stop::Faults) => false,
        () = sleep(pause) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_targets_leave_the_environment_alone() {
        let kinds = [FaultKind::Panic, FaultKind::DiskFull];
        assert_eq!(usable(&kinds, &["window".to_owned()]), [FaultKind::Panic]);
        assert_eq!(usable(&kinds, &[]), kinds);
        assert_eq!(usable(&[FaultKind::DiskFull], &["window".to_owned()]), [FaultKind::DiskFull]);
    }
}
