//! What only the inside can bring about: news that get lost, a watchdog's verdicts, and a thread that is taken away.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Handler, Message};
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::exit::{Event, Exit, Failure};
use crate::tenant::{Moved, Stuck, Tenant};
use crate::{
    ActorSpec, AskError, Fault, Handle, Intensity, Outcome, Place, Strategy, SupervisedContext, Supervisor,
    SupervisorSpec, supervised,
};

struct Calm;
supervised!(Calm);
impl Actor for Calm {
    type Context = SupervisedContext<Self>;
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Generation;

impl Handler<Generation> for Calm {
    type Result = actix::MessageResult<Generation>;
    fn handle(&mut self, _: Generation, ctx: &mut Self::Context) -> Self::Result {
        actix::MessageResult(ctx.generation())
    }
}

fn calm(supervisor: &Supervisor, name: &str) -> Handle<Calm> {
    supervisor.spawn(ActorSpec::new(name, "calm"), &Place::here(), || Calm).expect("the name is free")
}

async fn generation(of: &Handle<Calm>) -> Result<u64, AskError> {
    of.ask(Generation, Duration::from_secs(5)).await
}

fn root(strategy: Strategy) -> Supervisor {
    Supervisor::root(SupervisorSpec::new("root", strategy), &Place::here())
}

async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

async fn on_one_thread(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

/// Makes the loop hang, loses what it would have heard of `what`, and lets a watchdog find it.
async fn lose_the_news(supervisor: &Supervisor, what: impl FnOnce()) -> usize {
    supervisor.inject(&supervisor.core().path, Fault::Hang).expect("it is there");
    settle().await;
    what();
    settle().await;
    let lost = std::iter::from_fn(|| supervisor.core().waiting_event()).count();
    Arc::clone(supervisor.core()).hung(Stuck::Wait(1));
    settle().await;
    lost
}

#[tokio::test(start_paused = true)]
async fn a_hung_loop_that_was_found_is_started_again_in_place() {
    on_one_thread(async {
        let root = root(Strategy::OneForOne);
        let actor = calm(&root, "a");
        let hang = root.inject("root", Fault::Hang).expect("it is there");
        settle().await;
        root.core().hung(Stuck::Wait(7)); // Found in something that is over: nothing happens.
        settle().await;
        assert_eq!(root.tree().generation, 1);

        root.core().hung(Stuck::Wait(1));

        let outcome = hang.outcome(Duration::from_secs(5), Duration::from_secs(5)).await;
        assert!(matches!(&outcome, Outcome::Recovered(recovery) if recovery.disturbed.is_empty()), "{outcome:?}");
        assert_eq!(root.tree().generation, 2);
        assert!(root.tree().last_failure.is_some_and(|failure| failure.starts_with("hung")));
        assert_eq!(generation(&actor).await, Ok(1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_child_that_nobody_heard_of_is_made_up_for() {
    on_one_thread(async {
        for (strategy, others) in [(Strategy::OneForOne, 1), (Strategy::OneForAll, 2)] {
            let root = root(strategy);
            let actors = [calm(&root, "a"), calm(&root, "b")];
            actors[1].started().await.expect("it starts");
            let lost = lose_the_news(&root, || drop(root.inject("root.b", Fault::Panic))).await;
            assert_eq!(lost, 1, "it panicked");
            assert_eq!(generation(&actors[1]).await, Ok(2), "{strategy:?}");
            assert_eq!(generation(&actors[0]).await, Ok(others), "{strategy:?}");
            assert_eq!(root.tree().children[1].restarts, 1);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_start_of_a_child_that_nobody_heard_of_counts() {
    on_one_thread(async {
        let root = root(Strategy::OneForOne);
        let mut actor = None;
        let lost = lose_the_news(&root, || actor = Some(calm(&root, "a"))).await;
        assert_eq!(lost, 1);
        let node = &root.tree().children[0];
        assert_eq!((node.state.as_str(), node.generation, node.restarts), ("running", 1, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_start_and_the_end_of_a_group_that_nobody_heard_of_are_made_up_for() {
    on_one_thread(async {
        let root = root(Strategy::OneForOne);
        let mut group = None;
        let lost = lose_the_news(&root, || {
            group = Some(root.supervisor(SupervisorSpec::new("group", Strategy::OneForOne)).expect("free"));
        })
        .await;
        assert_eq!((lost, root.tree().children[0].state.as_str()), (1, "running"));

        root.inject("root", Fault::Hang).expect("it is there");
        settle().await;
        root.inject("root.group", Fault::Stop).expect("it is there");
        settle().await;
        assert_eq!(root.degraded().as_deref(), Some("root.group: stopped"), "held down and nobody there to start it");
        assert!(root.core().waiting_event().is_some());
        root.core().hung(Stuck::Wait(2));
        sleep(Duration::from_secs(1)).await;

        let node = &root.tree().children[0];
        assert_eq!((node.state.as_str(), node.generation), ("running", 2));
        assert_eq!(root.degraded(), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_is_no_end() {
    on_one_thread(async {
        let root = root(Strategy::OneForOne);
        root.inject("root", Fault::Panic).expect("it is there");
        let actor = calm(&root, "a");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(generation(&actor).await, Ok(1));
    })
    .await;
}

fn failure(path: &str) -> Failure {
    Failure { origin: path.to_owned(), text: "its thread was blocked".to_owned(), message: None }
}

#[tokio::test(start_paused = true)]
async fn a_neighbours_fault_costs_neither_budget_nor_time_and_ones_own_costs_both() {
    on_one_thread(async {
        for (exit, degrades) in [
            (Exit::Displaced as fn(Failure) -> Exit, false),
            (Exit::Blocked, true),
            (Exit::Hung, true),
            (Exit::Panicked, true),
        ] {
            let intensity = Intensity { max: 3, within: Duration::from_secs(60) };
            let spec = SupervisorSpec { intensity, ..SupervisorSpec::new("root", Strategy::OneForOne) };
            let root = Supervisor::root(spec, &Place::here());
            let actor = calm(&root, "a");
            for generation in 1..=4 {
                actor.started().await.expect("it starts");
                sleep(Duration::from_secs(6)).await;
                let exit = exit(failure("root.a"));
                root.core().events.send(Event::Exited { child: 0, generation, exit }).expect("the loop runs");
                settle().await;
                let restarted = root.tree().children[0].generation == generation + 1;
                assert!(restarted || degrades, "at once, in generation {generation}");
                sleep(Duration::from_secs(1)).await;
            }
            assert_eq!(root.degraded().is_some(), degrades);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_displaced_member_of_a_group_takes_those_along_that_depend_on_it() {
    on_one_thread(async {
        let root = root(Strategy::RestForOne);
        let actors = [calm(&root, "a"), calm(&root, "b"), calm(&root, "c")];
        actors[2].started().await.expect("it starts");
        let exit = Exit::Displaced(failure("root.b"));
        root.core().events.send(Event::Exited { child: 1, generation: 1, exit }).expect("the loop runs");
        settle().await;
        let generations: Vec<_> = root.tree().children.iter().map(|node| node.generation).collect();
        assert_eq!(generations, [1, 2, 2]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_was_moved_goes_on_elsewhere_and_the_old_one_does_nothing_any_more() {
    on_one_thread(async {
        for culprit in [true, false] {
            let root = root(Strategy::OneForOne);
            let actor = calm(&root, "a");
            actor.started().await.expect("it starts");
            // The old loop is not even given the chance to end before the new one runs.
            let cause = Moved { culprit, what: "blocked for 2 s".to_owned() };
            Arc::clone(root.core()).moved(&Place::here(), &cause);
            settle().await;

            root.inject("root.a", Fault::Panic).expect("it is there");
            settle().await;

            assert_eq!(generation(&actor).await, Ok(2), "restarted once");
            let node = root.tree();
            assert_eq!((node.generation, node.restarts), (2, 1));
            assert_eq!(node.last_failure.as_deref(), Some("blocked for 2 s"));
            assert!(root.remove("a").await);
            assert!(root.shutdown().await.stopped.is_empty());
        }
    })
    .await;
}
