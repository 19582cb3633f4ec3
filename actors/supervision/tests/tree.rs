//! Children that come and go, the shape of the tree, and its shutdown.

mod common;

use std::task::Poll;
use std::time::Duration;

use actix::{Actor, Running};
use common::{Counter, Log, Ping, Poison, SOON, counter, counters, on_one_thread, patient, patient_root, ping, settle};
use tillstream_supervision::{
    ActorSpec, AskError, Fault, FaultError, Place, SpawnError, Strategy, SupervisedContext, Supervisor, supervised,
};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn messages_may_be_told_before_the_actor_has_started() {
    on_one_thread(async {
        let counter = counter(&patient_root(Strategy::OneForOne), "c", &Log::default());
        counter.tell(Ping).expect("there is room");
        assert_eq!(ping(&counter).await, Ok(2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_child_is_stopped_and_its_name_is_free_again() {
    on_one_thread(async {
        let (root, log) = (patient_root(Strategy::OneForOne), Log::default());
        let first = counter(&root, "c", &log);
        ping(&first).await.expect("it is there");

        assert!(root.remove("c").await);

        assert_eq!(log.take(), ["+c", "-c"]);
        assert_eq!(ping(&first).await, Err(AskError::Terminated));
        assert_eq!(ping(&counter(&root, "c", &log)).await, Ok(1));
        assert!(!root.remove("nobody").await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_children_cannot_have_one_name() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        counter(&root, "c", &Log::default());
        let second = root.spawn(ActorSpec::new("c", "counter"), &Place::here(), || Counter::new("c", &Log::default()));
        assert!(matches!(second, Err(SpawnError::NameTaken(name)) if name == "c"));
        assert!(matches!(root.supervisor(patient("c", Strategy::OneForOne)), Err(SpawnError::NameTaken(_))));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_tree_shows_every_node_with_its_dotted_path() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let windows = root.supervisor(patient("windows", Strategy::OneForOne)).expect("free");
        let store = counter(&windows, "STORE_1.x", &Log::default());
        store.started().await.expect("it starts");
        tokio::time::sleep(Duration::from_secs(3)).await;

        let tree = root.tree();

        assert_eq!((tree.path.as_str(), tree.kind.as_str(), tree.state.as_str()), ("root", "supervisor", "running"));
        let group = &tree.children[0];
        assert_eq!((group.path.as_str(), group.state.as_str(), group.generation), ("root.windows", "running", 1));
        let actor = &group.children[0];
        assert_eq!((actor.path.as_str(), actor.kind.as_str()), ("root.windows.STORE_1_x", "counter"));
        assert_eq!((actor.state.as_str(), actor.generation, actor.uptime_seconds), ("running", 1, 3));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_fault_for_nobody_is_refused() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        counter(&root, "c", &Log::default());
        for path in ["root.x", "other.c", "rootc", "root.c.d", ""] {
            assert!(matches!(root.inject(path, Fault::Panic), Err(FaultError::NoSuchActor(p)) if p == path), "{path}");
        }
    })
    .await;
}

/// Refuses to stop.
struct Stubborn;
supervised!(Stubborn);
impl Actor for Stubborn {
    type Context = SupervisedContext<Self>;
    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        Running::Continue
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_goes_backwards_and_names_those_that_had_to_be_terminated() {
    on_one_thread(async {
        let (root, log) = (patient_root(Strategy::OneForOne), Log::default());
        counters(&root, 2, &log);
        let group = root.supervisor(patient("group", Strategy::RestForOne)).expect("free");
        counter(&group, "in", &log);
        let spec = ActorSpec::new("stubborn", "stubborn").shutdown(Duration::from_millis(300));
        let stubborn = root.spawn(spec, &Place::here(), || Stubborn).expect("free");
        stubborn.started().await.expect("it starts");
        settle().await;
        log.take();
        let before = Instant::now();

        let report = root.shutdown().await;

        assert_eq!(report.stopped, ["root.group.in", "root.c1", "root.c0"]);
        assert_eq!(report.terminated, ["root.stubborn"]);
        assert_eq!(log.take(), ["-in", "-c1", "-c0"]);
        assert_eq!(before.elapsed(), Duration::from_millis(300), "the sum of the time limits at most");
        assert!(matches!(root.supervisor(patient("late", Strategy::OneForOne)), Err(SpawnError::Stopping)));
        assert_eq!((root.tree().state.as_str(), root.tree().children.len()), ("stopped", 0));
        assert!(root.shutdown().await.stopped.is_empty(), "a second time there is nothing left");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_nested_supervisor_can_be_removed_with_everything_below() {
    on_one_thread(async {
        let (root, log) = (patient_root(Strategy::OneForOne), Log::default());
        let group = root.supervisor(patient("group", Strategy::OneForOne)).expect("free");
        let inside = counter(&group, "in", &log);
        ping(&inside).await.expect("it is there");

        assert!(root.remove("group").await);

        assert_eq!(ping(&inside).await, Err(AskError::Terminated));
        assert!(matches!(group.supervisor(patient("late", Strategy::OneForOne)), Err(SpawnError::Stopping)));
        assert!(root.tree().children.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_nested_supervisor_that_is_shut_down_by_itself_leaves_the_tree() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let group = root.supervisor(patient("group", Strategy::OneForOne)).expect("free");
        counter(&group, "in", &Log::default());
        assert_eq!(group.shutdown().await.stopped, ["root.group.in"]);
        settle().await;
        assert!(root.tree().children.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_child_added_or_removed_during_the_restart_of_its_group_does_not_stall_it() {
    for turns in 0..20 {
        // A task of its own takes turns with the tasks of the tree.
        let test = async move { tokio::task::spawn_local(removed_and_added_in_a_restart(turns)).await };
        on_one_thread(test).await.expect("it does not panic");
    }
}

/// Goes to the end of the queue of tasks. Tokio's own yield goes further: it waits until the queue is empty.
async fn turn() {
    let mut waited = false;
    std::future::poll_fn(|task| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The number of turns that the restart gets first decides which of its steps the change meets.
async fn removed_and_added_in_a_restart(turns: usize) {
    let (root, log) = (patient_root(Strategy::OneForAll), Log::default());
    let counters = counters(&root, 3, &log);
    counters[2].started().await.expect("it starts");
    root.inject("root.c0", Fault::Panic).expect("it is there");
    for _ in 0..turns {
        turn().await;
    }
    let removal = root.remove("c1");
    let added = counter(&root, "c3", &log);

    assert!(removal.await);
    for handle in [&added, &counters[0], &counters[2]] {
        assert_eq!(ping(handle).await, Ok(1), "after {turns} turns");
    }
    let states: Vec<_> = root.tree().children.into_iter().map(|child| (child.path, child.state)).collect();
    assert!(states.iter().all(|(_, state)| state == "running"), "{states:?}");
    assert_eq!(states.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_exit_of_an_earlier_incarnation_restarts_nobody() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForAll);
        let counters = counters(&root, 2, &Log::default());
        counters[1].started().await.expect("it starts");
        // Both fail in the same turn: the second failure is of an incarnation that the plan halts anyway.
        root.inject("root.c0", Fault::Panic).expect("it is there");
        root.inject("root.c1", Fault::Panic).expect("it is there");
        settle().await;
        let nodes = root.tree().children;
        assert!(nodes.iter().all(|node| node.state == "running" && node.generation <= 3), "{nodes:?}");
        let generations: Vec<_> = nodes.iter().map(|node| node.generation).collect();
        settle().await;
        let after: Vec<_> = root.tree().children.iter().map(|node| node.generation).collect();
        assert_eq!(generations, after);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_children_come_restart_and_go() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let handles = counters(&root, 10_000, &Log::default());
        handles[9_999].started().await.expect("it starts");
        for handle in &handles {
            handle.tell(Poison).expect("there is room");
        }
        for handle in &handles {
            assert_eq!(handle.ask(Ping, SOON).await, Ok(1));
        }
        assert!(root.tree().children.iter().all(|node| node.restarts == 1));
        assert_eq!(root.shutdown().await.stopped.len(), 10_000);
    })
    .await;
}

#[test]
fn a_tree_spans_threads_and_can_be_used_from_all_of_them() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let supervision = Place::arbiter("supervision");
    let root = Supervisor::root(patient("root", Strategy::OneForOne), &supervision);
    let (left, right) = (Place::arbiter("left"), Place::arbiter("right"));
    let log = Log::default();
    runtime.block_on(async {
        let mut handles = Vec::new();
        for (name, place) in [("l0", &left), ("r0", &right), ("l1", &left), ("r1", &right)] {
            let to = log.clone();
            let factory = move || Counter::new(name, &to);
            handles.push(root.spawn(ActorSpec::new(name, "counter"), place, factory).expect("free"));
        }
        for handle in &handles {
            assert_eq!(ping(handle).await, Ok(1));
        }
        root.inject("root.l0", Fault::Panic).expect("it is there");
        while root.tree().children[0].restarts == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(ping(&handles[0]).await, Ok(1));
        assert_eq!(ping(&handles[3]).await, Ok(2));
        assert_eq!(root.shutdown().await.stopped.len(), 4);
    });
}
