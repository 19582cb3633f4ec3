//! Supervisors that fail: the loop is started again in place and goes on where the last one was, and nobody notices
//! who does not have to.

mod common;

use std::future::Future;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Running};
use common::{
    Counter, Log, Poison, SOON, counter, counters, ends, on_one_thread, patient, patient_root, ping, settle, settled,
};
use tillstream_supervision::{
    ActorSpec, AskError, Backoff, Fault, Intensity, Node, Outcome, Place, Recovery, Strategy, SupervisedContext,
    Supervisor, SupervisorSpec, Watchdog, WatchdogSettings, supervised,
};
use tokio::time::{Instant, sleep};

async fn strike(root: &Supervisor, path: &str, fault: Fault) -> Recovery {
    match root.inject(path, fault).expect("it is there").outcome(SOON, SOON).await {
        Outcome::Recovered(recovery) => recovery,
        other => panic!("{path} after {fault:?}: {other:?}"),
    }
}

fn generations(tree: &Node) -> Vec<(String, u64)> {
    let own = std::iter::once((tree.path.clone(), tree.generation));
    own.chain(tree.children.iter().flat_map(generations)).collect()
}

/// `root.group` with `c0` to `c2`, all pinged once.
async fn family(
    strategy: Strategy,
    log: &Log,
) -> (Supervisor, Supervisor, Vec<tillstream_supervision::Handle<Counter>>) {
    let root = patient_root(Strategy::OneForOne);
    let group = root.supervisor(patient("group", strategy)).expect("free");
    let counters = counters(&group, 3, log);
    settled(&root).await;
    for counter in &counters {
        assert_eq!(ping(counter).await, Ok(1));
    }
    log.take();
    (root, group, counters)
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_supervisor_restarts_its_loop_and_disturbs_none_of_its_children() {
    on_one_thread(async {
        let log = Log::default();
        let (root, group, counters) = family(Strategy::OneForAll, &log).await;
        for (path, node) in [("root", 0), ("root.group", 1)] {
            let recovery = strike(&root, path, Fault::Panic).await;

            assert_eq!((recovery.generation_before, recovery.generation_after), (1, 2));
            assert_eq!(recovery.disturbed, [""; 0]);
            let (_, generation) = generations(&root.tree())[node].clone();
            assert_eq!(generation, 2, "{path}");
        }
        assert_eq!(ping(&counters[1]).await, Ok(2), "it has kept its count");
        assert_eq!(log.take(), [""; 0]);
        let node = &root.tree().children[0];
        assert_eq!((node.restarts, node.last_failure.as_deref()), (1, Some("injected fault: panic")));
        assert_eq!(ping(&counter(&group, "new", &log)).await, Ok(1), "it does its work");
        assert!(ends(&root, group.remove("c1")).await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_panics_after_an_order_has_carried_it_out() {
    on_one_thread(async {
        let log = Log::default();
        let (root, group, _) = family(Strategy::OneForOne, &log).await;
        let armed = root.inject("root.group", Fault::PanicAfter).expect("it is there");

        assert!(ends(&root, group.remove("c1")).await, "the answer survives the panic");

        let outcome = armed.outcome(SOON, SOON).await;
        assert!(matches!(&outcome, Outcome::Recovered(recovery) if recovery.disturbed.is_empty()), "{outcome:?}");
        assert_eq!(log.take(), ["-c1"]);
        let paths: Vec<_> = root.tree().children[0].children.iter().map(|child| child.path.clone()).collect();
        assert_eq!(paths, ["root.group.c0", "root.group.c2"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_panics_after_the_news_of_a_failure_still_restarts_the_child() {
    on_one_thread(async {
        for strategy in [Strategy::OneForOne, Strategy::RestForOne, Strategy::OneForAll] {
            let log = Log::default();
            let (root, _, counters) = family(strategy, &log).await;
            root.inject("root.group", Fault::PanicAfter).expect("it is there");
            counters[1].tell(Poison).expect("there is room");
            assert_eq!(ping(&counters[1]).await, Ok(1), "{strategy:?}");
            settled(&root).await;
            let expected: &[&str] = match strategy {
                Strategy::OneForOne => &["+c1"],
                Strategy::RestForOne => &["-c2", "+c1", "+c2"],
                Strategy::OneForAll => &["-c2", "-c0", "+c0", "+c1", "+c2"],
            };
            assert_eq!(log.take(), expected, "{strategy:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_is_stopped_halts_its_children_backwards_and_is_started_again_by_its_parent() {
    on_one_thread(async {
        let log = Log::default();
        let (root, _, counters) = family(Strategy::OneForOne, &log).await;
        let outside = counter(&root, "outside", &log);
        assert_eq!(ping(&outside).await, Ok(1));
        log.take();

        let recovery = strike(&root, "root.group", Fault::Stop).await;

        assert_eq!(log.take(), ["-c2", "-c1", "-c0", "+c0", "+c1", "+c2"]);
        assert_eq!((recovery.generation_before, recovery.generation_after), (1, 2));
        assert_eq!(recovery.disturbed, ["root.group.c0", "root.group.c1", "root.group.c2"]);
        let node = &root.tree().children[0];
        assert_eq!((node.generation, node.restarts, node.last_failure.as_deref()), (2, 1, Some("stopped")));
        assert_eq!(ping(&counters[0]).await, Ok(1), "fresh");
        assert_eq!(ping(&outside).await, Ok(2), "untouched");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_root_that_is_stopped_starts_everybody_again_by_itself() {
    on_one_thread(async {
        let log = Log::default();
        let (root, _, counters) = family(Strategy::OneForOne, &log).await;
        counter(&root, "c3", &log);
        settled(&root).await;
        log.take();

        let recovery = strike(&root, "root", Fault::Stop).await;

        assert_eq!(log.take(), ["-c3", "-c2", "-c1", "-c0", "+c0", "+c1", "+c2", "+c3"]);
        assert_eq!((recovery.generation_before, recovery.generation_after), (1, 2));
        assert_eq!(ping(&counters[2]).await, Ok(1));
        assert_eq!(root.tree().restarts, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_children_of_a_hung_supervisor_serve_on_and_nobody_else_hangs_with_it() {
    on_one_thread(async {
        let log = Log::default();
        let (root, group, counters) = family(Strategy::OneForOne, &log).await;
        let hang = root.inject("root.group", Fault::Hang).expect("it is there");

        assert_eq!(hang.outcome(SOON, SOON).await, Outcome::NotRecovered { fired: true, detected: false });

        assert_eq!(ping(&counters[0]).await, Ok(2));
        counters[1].tell(Poison).expect("there is room");
        assert_eq!(ping(&counters[1]).await, Err(AskError::Timeout), "nobody restarts it");
        let removal = group.remove("c2");
        assert_eq!(ping(&counter(&root, "c", &log)).await, Ok(1), "its parent does its work");

        // A failure of another kind frees it, and what was ordered and heard meanwhile is done.
        strike(&root, "root.group", Fault::Panic).await;
        assert_eq!(ping(&counters[1]).await, Ok(1));
        assert!(ends(&root, removal).await);
    })
    .await;
}

/// Takes a second to stop.
struct Slow(Log, String);
supervised!(Slow);
impl Actor for Slow {
    type Context = SupervisedContext<Self>;
    fn started(&mut self, _: &mut Self::Context) {
        self.0.add(format!("+{}", self.1));
    }
    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        ctx.run_later(Duration::from_secs(1), |_, ctx| ctx.terminate());
        Running::Continue
    }
    fn stopped(&mut self, _: &mut Self::Context) {
        self.0.add(format!("-{}", self.1));
    }
}

fn slow(supervisor: &Supervisor, name: &'static str, log: &Log) {
    let log = log.clone();
    let factory = move || Slow(log.clone(), name.to_owned());
    supervisor.spawn(ActorSpec::new(name, "slow"), &Place::here(), factory).expect("free");
}

/// Panics of the root at these moments while something takes three seconds.
async fn with_panics<T>(root: &Supervisor, at: &[u64], long: impl Future<Output = T>) -> T {
    let panics = async {
        let start = Instant::now();
        for millis in at {
            tokio::time::sleep_until(start + Duration::from_millis(*millis)).await;
            root.inject(&root.tree().path, Fault::Panic).expect("it is there");
        }
    };
    ends(root, async { tokio::join!(long, panics).0 }).await
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_a_group_goes_on_after_the_supervisor_has_failed_in_the_middle_of_it() {
    for moments in [&[0][..], &[500], &[999, 1000, 1001], &[1500, 2500], &[100, 200, 300, 2000, 2001]] {
        on_one_thread(async {
            let (root, log) = (patient_root(Strategy::OneForAll), Log::default());
            counter(&root, "c", &log);
            for name in ["s0", "s1"] {
                slow(&root, name, &log);
            }
            settled(&root).await;
            log.take();
            root.inject("root.c", Fault::Panic).expect("it is there");

            with_panics(&root, moments, sleep(Duration::from_secs(10))).await;

            assert_eq!(log.take(), ["-s1", "-s0", "+c", "+s0", "+s1"], "panics at {moments:?}");
            let generations = generations(&root.tree());
            let expected = [("root", 1 + moments.len() as u64), ("root.c", 2), ("root.s0", 2), ("root.s1", 2)];
            assert_eq!(generations, expected.map(|(path, generation)| (path.to_owned(), generation)));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_goes_on_after_the_supervisor_has_failed_in_the_middle_of_it() {
    for moments in [&[0][..], &[500], &[999, 1000, 1001], &[1500, 2500]] {
        on_one_thread(async {
            let (root, log) = (patient_root(Strategy::OneForAll), Log::default());
            counter(&root, "c", &log);
            for name in ["s0", "s1"] {
                slow(&root, name, &log);
            }
            settled(&root).await;
            log.take();

            let report = with_panics(&root, moments, root.shutdown()).await;

            assert_eq!(report.stopped, ["root.s1", "root.s0", "root.c"], "panics at {moments:?}");
            assert_eq!(log.take(), ["-s1", "-s0", "-c"]);
            assert_eq!(root.tree().state, "stopped");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_goes_on_after_the_supervisor_has_failed_in_the_middle_of_it() {
    on_one_thread(async {
        let (root, log) = (patient_root(Strategy::OneForOne), Log::default());
        slow(&root, "s", &log);
        settled(&root).await;
        assert!(with_panics(&root, &[500, 900], root.remove("s")).await);
        assert_eq!(log.take(), ["+s", "-s"]);
        assert!(root.tree().children.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_waits_for_its_restart_is_started_in_time_although_its_supervisor_fails() {
    on_one_thread(async {
        let (min, max) = (Duration::from_secs(2), Duration::from_secs(2));
        let backoff = Backoff { min, max, jitter: 0.0, healthy_after: Duration::from_secs(60) };
        let root = Supervisor::root(SupervisorSpec { backoff, ..patient("root", Strategy::OneForOne) }, &Place::here());
        let log = Log::default();
        let counter = counter(&root, "c", &log);
        counter.tell(Poison).expect("there is room");
        settled(&root).await;
        counter.tell(Poison).expect("there is room");
        let failed = Instant::now();
        settle().await;

        strike(&root, "root", Fault::Panic).await;

        ends(&root, counter.started()).await.expect("it starts");
        assert_eq!(failed.elapsed(), Duration::from_secs(2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_keeps_failing_is_named_until_it_has_served_for_a_while() {
    on_one_thread(async {
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
        let tight = SupervisorSpec {
            intensity: Intensity { max: 2, within: Duration::from_secs(60) },
            ..SupervisorSpec::new("group", Strategy::OneForOne)
        };
        let group = root.supervisor(tight).expect("free");
        let counter = counter(&group, "c", &Log::default());
        settled(&root).await;
        for _ in 0..3 {
            assert_eq!(root.degraded(), None);
            strike(&root, "root.group", Fault::Panic).await;
        }
        assert_eq!(root.degraded().as_deref(), Some("root.group: injected fault: panic"));
        assert_eq!(ping(&counter).await, Ok(1), "its children never noticed");
        sleep(Duration::from_secs(6)).await;
        assert_eq!(root.degraded(), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn stopping_a_supervisor_too_often_is_too_much_for_its_parent() {
    on_one_thread(async {
        let intensity = Intensity { max: 2, within: Duration::from_secs(60) };
        let root = Supervisor::root(
            SupervisorSpec { intensity, ..SupervisorSpec::new("root", Strategy::OneForOne) },
            &Place::here(),
        );
        let group = root.supervisor(patient("group", Strategy::OneForOne)).expect("free");
        counter(&group, "c", &Log::default());
        settled(&root).await;
        for _ in 0..3 {
            assert_eq!(root.degraded(), None);
            strike(&root, "root.group", Fault::Stop).await;
        }
        assert_eq!(root.degraded().as_deref(), Some("root.group: stopped"));
        sleep(Duration::from_secs(60)).await;
        assert_eq!(root.degraded(), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_uptime_of_a_supervisor_is_that_of_its_loop() {
    on_one_thread(async {
        let (root, _, _) = family(Strategy::OneForOne, &Log::default()).await;
        sleep(Duration::from_secs(30)).await;
        strike(&root, "root.group", Fault::Panic).await;
        sleep(Duration::from_secs(7)).await;
        let tree = root.tree();
        assert_eq!((tree.uptime_seconds, tree.children[0].uptime_seconds), (37, 7));
    })
    .await;
}

#[test]
fn a_hung_supervisor_is_found_by_the_watchdog_and_its_children_notice_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(on_one_thread(async {
        let root = Supervisor::root(patient("root", Strategy::OneForOne), &Place::arbiter("control"));
        let group = root.supervisor(patient("group", Strategy::OneForAll)).expect("free");
        let counters = counters(&group, 3, &Log::default());
        settled(&root).await;
        let (every, hung_after) = (Duration::from_millis(5), Duration::from_millis(50));
        let settings = WatchdogSettings { every, hung_after, ..WatchdogSettings::default() };
        let _watchdog = Watchdog::start(&root, settings, |_| {});
        for generation_before in 1..4 {
            let recovery = strike(&root, "root.group", Fault::Hang).await;
            assert_eq!(
                (recovery.generation_before, recovery.generation_after),
                (generation_before, generation_before + 1)
            );
            assert_eq!(recovery.disturbed, [""; 0]);
            assert_eq!(ping(&counters[0]).await, Ok(generation_before), "untouched");
        }
    }));
}
