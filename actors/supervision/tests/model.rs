//! Random histories against a model that is four numbers: whatever is killed, each actor answers what the model says.

mod common;

use std::time::Duration;

use common::{Counter, Log, Ping, SOON, counters, on_one_thread, patient_root, settle};
use futures_util::future::join_all;
use proptest::prelude::{Just, ProptestConfig, prop, prop_oneof, proptest};
use proptest::strategy::Strategy as _;
use tillstream_supervision::{AskError, Fault, Handle, Strategy, Supervisor};

const ACTORS: usize = 4;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Panics while idle.
    Kill(usize),
    /// Panics after the handler of the next of several asks in flight.
    LoseReply(usize, usize),
    /// Never ends its current wait, then is killed by stopping it from outside.
    Hang(usize),
    /// Several asks in flight at once.
    Ask(usize, usize),
    Wait,
}

fn step() -> impl proptest::strategy::Strategy<Value = Step> {
    let actor = 0..ACTORS;
    prop_oneof![
        actor.clone().prop_map(Step::Kill),
        (actor.clone(), 1..20_usize).prop_map(|(actor, asks)| Step::LoseReply(actor, asks)),
        actor.clone().prop_map(Step::Hang),
        (actor, 1..20_usize).prop_map(|(actor, asks)| Step::Ask(actor, asks)),
        Just(Step::Wait),
    ]
}

/// How often each actor was pinged since it last started.
struct Model {
    counts: [u64; ACTORS],
    strategy: Strategy,
}

impl Model {
    fn failed(&mut self, actor: usize) {
        let victims = match self.strategy {
            Strategy::OneForOne => actor..actor + 1,
            Strategy::RestForOne => actor..ACTORS,
            Strategy::OneForAll => 0..ACTORS,
        };
        self.counts[victims].fill(0);
    }

    fn ping(&mut self, actor: usize) -> u64 {
        self.counts[actor] += 1;
        self.counts[actor]
    }
}

async fn asks(handle: &Handle<Counter>, n: usize) -> Vec<Result<u64, AskError>> {
    join_all((0..n).map(|_| handle.ask(Ping, SOON)).collect::<Vec<_>>()).await
}

async fn carry_out(step: Step, root: &Supervisor, handles: &[Handle<Counter>], model: &mut Model) {
    let inject = |actor: usize, fault| root.inject(&format!("root.c{actor}"), fault).expect("it is there");
    match step {
        Step::Wait => tokio::time::sleep(Duration::from_secs(1)).await,
        Step::Kill(actor) => {
            inject(actor, Fault::Panic);
            settle().await;
            model.failed(actor);
        }
        Step::Hang(actor) => {
            inject(actor, Fault::Hang);
            settle().await;
            let unanswered = handles[actor].ask(Ping, Duration::from_secs(1)).await;
            assert_eq!(unanswered, Err(AskError::Timeout), "a hung actor answers nobody");
            inject(actor, Fault::Stop);
            settle().await;
            model.failed(actor);
        }
        Step::LoseReply(actor, n) => {
            inject(actor, Fault::PanicAfter);
            let answers = asks(&handles[actor], n).await;
            settle().await;
            model.failed(actor);
            assert_eq!(answers[0], Err(AskError::Lost));
            for answer in &answers[1..] {
                assert_eq!(*answer, Ok(model.ping(actor)), "behind the lost one, in order");
            }
        }
        Step::Ask(actor, n) => {
            for answer in asks(&handles[actor], n).await {
                assert_eq!(answer, Ok(model.ping(actor)), "in order, none lost, none twice");
            }
        }
    }
}

async fn history(strategy: Strategy, steps: Vec<Step>) {
    let log = Log::default();
    let root = patient_root(strategy);
    let handles = counters(&root, ACTORS, &log);
    let mut model = Model { counts: [0; ACTORS], strategy };
    for step in steps {
        carry_out(step, &root, &handles, &mut model).await;
    }
    settle().await;
    log.take();
    let report = root.shutdown().await;
    assert_eq!(report.stopped, ["root.c3", "root.c2", "root.c1", "root.c0"]);
    assert_eq!(log.take(), ["-c3", "-c2", "-c1", "-c0"]);
}

fn run(strategy: Strategy, steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(on_one_thread(history(strategy, steps)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_of_failures_is_as_the_model_says_one_for_one(steps in prop::collection::vec(step(), 0..40)) {
        run(Strategy::OneForOne, steps);
    }

    #[test]
    fn any_history_of_failures_is_as_the_model_says_rest_for_one(steps in prop::collection::vec(step(), 0..40)) {
        run(Strategy::RestForOne, steps);
    }

    #[test]
    fn any_history_of_failures_is_as_the_model_says_one_for_all(steps in prop::collection::vec(step(), 0..40)) {
        run(Strategy::OneForAll, steps);
    }
}
