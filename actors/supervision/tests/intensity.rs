//! Budgets, escalation, backoff, and coming back by itself, on a paused clock.

mod common;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Running};
use common::{Log, counter, counters, on_one_thread, ping, settle, settled};
use tillstream_supervision::{
    ActorSpec, Backoff, Fault, Handle, Intensity, Place, Strategy, SupervisedContext, Supervisor, SupervisorSpec,
    supervised,
};
use tokio::time::{Instant, sleep};

/// Panics in `started()` while its cause lasts; notes when it tried.
struct Fragile {
    broken: Arc<AtomicBool>,
    starts: Arc<Mutex<Vec<Instant>>>,
}
supervised!(Fragile);
impl Actor for Fragile {
    type Context = SupervisedContext<Self>;
    fn started(&mut self, _: &mut Self::Context) {
        self.starts.lock().expect("nobody panics with it").push(Instant::now());
        assert!(!self.broken.load(SeqCst), "no disk");
    }
}

#[derive(Clone, Default)]
struct Cause {
    broken: Arc<AtomicBool>,
    starts: Arc<Mutex<Vec<Instant>>>,
}

impl Cause {
    fn lasting() -> Self {
        let cause = Cause::default();
        cause.broken.store(true, SeqCst);
        cause
    }

    fn fragile(&self, supervisor: &Supervisor) -> Handle<Fragile> {
        let cause = self.clone();
        let factory = move || Fragile { broken: cause.broken.clone(), starts: cause.starts.clone() };
        supervisor.spawn(ActorSpec::new("fragile", "fragile"), &Place::here(), factory).expect("free")
    }

    fn starts(&self) -> usize {
        self.starts.lock().expect("nobody panics with it").len()
    }

    /// Time between one start and the next.
    fn gaps(&self) -> Vec<Duration> {
        let starts = self.starts.lock().expect("nobody panics with it");
        starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

fn spec(name: &str, strategy: Strategy) -> SupervisorSpec {
    SupervisorSpec {
        intensity: Intensity { max: 3, within: Duration::from_secs(60) },
        backoff: Backoff {
            min: Duration::from_millis(10),
            max: Duration::from_secs(1),
            jitter: 0.0,
            healthy_after: Duration::from_secs(5),
        },
        seed: 7,
        ..SupervisorSpec::new(name, strategy)
    }
}

fn root(strategy: Strategy) -> Supervisor {
    Supervisor::root(spec("root", strategy), &Place::here())
}

#[tokio::test(start_paused = true)]
async fn a_tree_that_cannot_start_an_actor_says_which_and_why_and_recovers_by_itself() {
    on_one_thread(async {
        let (root, cause) = (root(Strategy::OneForOne), Cause::lasting());
        let fragile = cause.fragile(&root);

        sleep(Duration::from_secs(120)).await;
        assert_eq!(root.degraded().as_deref(), Some("root.fragile: no disk"));
        assert_eq!(root.tree().state, "degraded");
        assert_eq!(root.tree().children[0].state, "degraded");

        cause.broken.store(false, SeqCst);
        fragile.started().await.expect("it comes back");
        assert!(root.degraded().is_some(), "one start proves nothing");
        sleep(Duration::from_secs(6)).await;
        assert_eq!(root.degraded(), None);
        assert_eq!(root.tree().state, "running");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_child_within_its_budget_degrades_nothing() {
    on_one_thread(async {
        let (root, cause) = (root(Strategy::OneForOne), Cause::default());
        cause.fragile(&root).started().await.expect("it starts");
        for _ in 0..3 {
            root.inject("root.fragile", Fault::Panic).expect("it is there");
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(root.degraded(), None);
        root.inject("root.fragile", Fault::Panic).expect("it is there");
        settle().await;
        assert!(root.degraded().is_some());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn failures_that_are_spread_out_are_forgotten() {
    on_one_thread(async {
        let (root, cause) = (root(Strategy::OneForOne), Cause::default());
        cause.fragile(&root).started().await.expect("it starts");
        for _ in 0..50 {
            root.inject("root.fragile", Fault::Panic).expect("it is there");
            sleep(Duration::from_secs(21)).await;
        }
        assert_eq!(root.degraded(), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_looping_child_does_not_take_its_siblings_down() {
    on_one_thread(async {
        let root = root(Strategy::OneForOne);
        let group = root.supervisor(spec("group", Strategy::OneForOne)).expect("free");
        let siblings = counters(&group, 8, &Log::default());
        for sibling in &siblings {
            assert_eq!(ping(sibling).await, Ok(1));
        }
        let slow = Backoff { max: Duration::from_secs(30), ..spec("", Strategy::OneForOne).backoff };
        let own = SupervisorSpec { backoff: slow, ..spec("own", Strategy::OneForOne) };
        let dynamic = group.supervisor(own).expect("free");
        Cause::lasting().fragile(&dynamic);

        sleep(Duration::from_secs(1)).await;

        for sibling in &siblings {
            assert_eq!(ping(sibling).await, Ok(2), "untouched");
        }
        assert_eq!(root.degraded().as_deref(), Some("root.group.own.fragile: no disk"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_cannot_cope_is_restarted_by_its_parent() {
    on_one_thread(async {
        let (root, log) = (root(Strategy::OneForOne), Log::default());
        let group = root.supervisor(spec("group", Strategy::OneForAll)).expect("free");
        let outside = counter(&root, "outside", &log);
        let inside = counter(&group, "inside", &log);
        let cause = Cause::lasting();
        cause.fragile(&group);
        assert_eq!(ping(&outside).await, Ok(1));

        // Its starts fail at 0, 0, 10 and 30 ms; the fourth failure is one too many.
        sleep(Duration::from_millis(35)).await;
        let node = &root.tree().children[0];
        assert_eq!((node.path.as_str(), node.restarts), ("root.group", 1));
        assert_eq!(node.last_failure.as_deref(), Some("no disk"));
        assert_eq!(root.degraded().as_deref(), Some("root.group.fragile: no disk"));

        cause.broken.store(false, SeqCst);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(root.degraded(), None);
        assert_eq!(ping(&inside).await, Ok(1));
        assert_eq!(ping(&outside).await, Ok(2), "the parent restarts one for one");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_fails_counts_as_an_abnormal_exit_for_the_strategy_of_the_parent() {
    on_one_thread(async {
        let (root, log) = (root(Strategy::OneForAll), Log::default());
        let group = root.supervisor(spec("group", Strategy::OneForOne)).expect("free");
        let outside = counter(&root, "outside", &log);
        let cause = Cause::default();
        cause.fragile(&group).started().await.expect("it starts");
        assert_eq!(ping(&outside).await, Ok(1));
        for _ in 0..4 {
            root.inject("root.group.fragile", Fault::Panic).expect("it is there");
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(ping(&outside).await, Ok(1), "fresh, because all are restarted");
        assert_eq!(log.take(), ["+outside", "-outside", "+outside"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_keeps_failing_two_levels_down_is_named_at_the_top_and_tried_for_ever() {
    on_one_thread(async {
        let root = root(Strategy::OneForOne);
        let middle = root.supervisor(spec("middle", Strategy::OneForOne)).expect("free");
        let leaf = middle.supervisor(spec("leaf", Strategy::OneForOne)).expect("free");
        let cause = Cause::lasting();
        let fragile = cause.fragile(&leaf);

        sleep(Duration::from_secs(600)).await;
        assert_eq!(root.degraded().as_deref(), Some("root.middle.leaf.fragile: no disk"));
        let (tried, max) = (cause.starts(), 600 * 4 * 4);
        assert!((100..max).contains(&tried), "{tried} attempts");

        cause.broken.store(false, SeqCst);
        fragile.started().await.expect("it comes back");
        sleep(Duration::from_secs(10)).await;
        assert_eq!(root.degraded(), None);
    })
    .await;
}

/// Takes a second to stop.
struct Reluctant;
supervised!(Reluctant);
impl Actor for Reluctant {
    type Context = SupervisedContext<Self>;
    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        ctx.run_later(Duration::from_secs(1), |_, ctx| ctx.terminate());
        Running::Continue
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_to_blame_is_named_all_the_time_that_an_escalation_takes() {
    on_one_thread(async {
        let root = root(Strategy::OneForOne);
        let group = root.supervisor(spec("group", Strategy::OneForAll)).expect("free");
        let cause = Cause::default();
        let fragile = cause.fragile(&group);
        group.spawn(ActorSpec::new("reluctant", "reluctant"), &Place::here(), || Reluctant).expect("free");
        settled(&root).await;
        for _ in 0..3 {
            root.inject("root.group.fragile", Fault::Panic).expect("it is there");
            settle().await;
            settled(&root).await;
            assert_eq!(root.degraded(), None);
        }
        root.inject("root.group.fragile", Fault::Panic).expect("it is there");
        settle().await;
        // Over its budget: halted, handed to the parent and started again. At no time does the tree look well.
        let mut restarted = false;
        for _ in 0..2_000 {
            assert_eq!(root.degraded().as_deref(), Some("root.group.fragile: injected fault: panic"));
            restarted |= root.tree().children[0].restarts == 1;
            settle().await;
        }
        assert!(restarted, "the parent has started the group again meanwhile");
        fragile.started().await.expect("it is back");
        sleep(Duration::from_secs(6)).await;
        assert_eq!(root.degraded(), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_backoff_that_is_longer_than_the_budgets_time_hides_no_failure() {
    on_one_thread(async {
        let slow = SupervisorSpec {
            intensity: Intensity { max: 3, within: Duration::from_secs(10) },
            backoff: Backoff {
                min: Duration::from_secs(5),
                max: Duration::from_secs(60),
                ..spec("", Strategy::OneForOne).backoff
            },
            ..spec("root", Strategy::OneForOne)
        };
        let root = Supervisor::root(slow, &Place::here());
        let cause = Cause::lasting();
        let fragile = cause.fragile(&root);
        sleep(Duration::from_secs(600)).await;
        assert_eq!(root.degraded().as_deref(), Some("root.fragile: no disk"));
        for _ in 0..600 {
            assert!(root.degraded().is_some());
            sleep(Duration::from_secs(1)).await;
        }
        cause.broken.store(false, SeqCst);
        fragile.started().await.expect("it comes back");
        sleep(Duration::from_secs(6)).await;
        assert_eq!(root.degraded(), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_is_over_its_budget_waits_the_longest_backoff_however_well_it_served_in_between() {
    on_one_thread(async {
        let (root, cause) = (root(Strategy::OneForOne), Cause::default());
        cause.fragile(&root).started().await.expect("it starts");
        for _ in 0..4 {
            sleep(Duration::from_secs(7)).await;
            root.inject("root.fragile", Fault::Panic).expect("it is there");
        }
        sleep(Duration::from_secs(2)).await;
        let millis: Vec<_> = cause.gaps().iter().map(|gap| gap.as_millis()).collect();
        assert_eq!(millis, [7000, 7000, 7000, 8000], "the fourth failure in a minute is one too many");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_root_that_restarts_all_for_one_is_degraded_while_the_cause_lasts_and_no_longer() {
    for strategy in [Strategy::RestForOne, Strategy::OneForAll] {
        on_one_thread(async {
            let (root, cause, log) = (root(strategy), Cause::lasting(), Log::default());
            let fragile = cause.fragile(&root);
            let behind = counter(&root, "behind", &log);
            sleep(Duration::from_secs(2)).await;
            for _ in 0..300 {
                assert_eq!(root.degraded().as_deref(), Some("root.fragile: no disk"), "{strategy:?}");
                assert_eq!(root.tree().state, "degraded");
                sleep(Duration::from_millis(333)).await;
            }
            cause.broken.store(false, SeqCst);
            fragile.started().await.expect("it comes back");
            assert_eq!(ping(&behind).await, Ok(1));
            sleep(Duration::from_secs(6)).await;
            assert_eq!(root.degraded(), None);
            settled(&root).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_tree_never_looks_well_while_anybody_two_levels_down_is_over_the_budget() {
    on_one_thread(async {
        let root = root(Strategy::OneForAll);
        let middle = root.supervisor(spec("middle", Strategy::RestForOne)).expect("free");
        let leaf = middle.supervisor(spec("leaf", Strategy::OneForAll)).expect("free");
        counter(&root, "outside", &Log::default());
        let cause = Cause::lasting();
        let fragile = cause.fragile(&leaf);
        sleep(Duration::from_secs(1)).await;
        for _ in 0..2_000 {
            let tree = root.tree();
            assert_eq!(root.degraded().as_deref(), Some("root.middle.leaf.fragile: no disk"));
            assert_eq!(tree.state, "degraded");
            sleep(Duration::from_millis(17)).await;
        }
        cause.broken.store(false, SeqCst);
        fragile.started().await.expect("it comes back");
        sleep(Duration::from_secs(6)).await;
        assert_eq!(root.degraded(), None);
        settled(&root).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_first_restart_is_immediate_and_the_next_ones_wait_twice_as_long_each_time() {
    on_one_thread(async {
        let generous = SupervisorSpec {
            intensity: Intensity { max: 100, within: Duration::from_secs(60) },
            ..spec("root", Strategy::OneForOne)
        };
        let cause = Cause::lasting();
        cause.fragile(&Supervisor::root(generous, &Place::here()));
        sleep(Duration::from_secs(5)).await;
        let millis: Vec<_> = cause.gaps().iter().map(|gap| gap.as_millis()).collect();
        assert_eq!(millis[..10], [0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn good_service_is_rewarded_with_an_immediate_restart() {
    on_one_thread(async {
        let (root, cause) = (root(Strategy::OneForOne), Cause::default());
        cause.fragile(&root).started().await.expect("it starts");
        for served in [1, 1, 6] {
            sleep(Duration::from_secs(served)).await;
            root.inject("root.fragile", Fault::Panic).expect("it is there");
        }
        sleep(Duration::from_secs(1)).await;
        let millis: Vec<_> = cause.gaps().iter().map(|gap| gap.as_millis()).collect();
        // At once; after 10 ms, because one second is no good service; at once again after six.
        assert_eq!(millis, [1000, 1010, 5990]);
    })
    .await;
}

async fn gaps_with_seed(seed: u64) -> Vec<Duration> {
    on_one_thread(async move {
        let mut jittery = SupervisorSpec { seed, ..spec("root", Strategy::OneForOne) };
        jittery.backoff.jitter = 0.5;
        let cause = Cause::lasting();
        cause.fragile(&Supervisor::root(jittery, &Place::here()));
        sleep(Duration::from_secs(20)).await;
        cause.gaps()
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_delays_and_another_one_does_not() {
    let (first, again, other) = (gaps_with_seed(1).await, gaps_with_seed(1).await, gaps_with_seed(2).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert!(first.iter().all(|gap| *gap <= Duration::from_millis(1001)), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn the_backoff_of_one_child_delays_no_other() {
    on_one_thread(async {
        let root = root(Strategy::OneForOne);
        Cause::lasting().fragile(&root);
        let counter = counter(&root, "c", &Log::default());
        sleep(Duration::from_secs(30)).await;
        let before = Instant::now();
        root.inject("root.c", Fault::Panic).expect("it is there");
        assert_eq!(ping(&counter).await, Ok(1));
        assert_eq!(before.elapsed(), Duration::ZERO);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_tree_can_be_shut_down_in_the_middle_of_a_storm() {
    on_one_thread(async {
        let root = root(Strategy::OneForAll);
        counters(&root, 3, &Log::default());
        let cause = Cause::lasting();
        cause.fragile(&root);
        sleep(Duration::from_millis(500)).await;

        let report = root.shutdown().await;

        assert_eq!(report.stopped.len(), 4);
        let tried = cause.starts();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(cause.starts(), tried, "nothing is started any more");
    })
    .await;
}
