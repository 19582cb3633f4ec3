//! What an injection reports of its fault: when it struck, who noticed, who came back, and whom else it touched.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use actix::Actor;
use common::{
    Counter, Log, Ping, SOON, counter, counters, on_one_thread, patient, patient_root, ping, settle, settled,
};
use tillstream_supervision::{
    ActorSpec, AskError, Backoff, Fault, Injection, Intensity, Outcome, Place, Recovery, Restart, Strategy,
    SupervisedContext, Supervisor, SupervisorSpec, supervised,
};
use tokio::time::{Instant, sleep};

fn inject(root: &Supervisor, path: &str, fault: Fault) -> Injection {
    root.inject(path, fault).expect("it is there")
}

fn recovered(outcome: Outcome) -> Recovery {
    match outcome {
        Outcome::Recovered(recovery) => recovery,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_outcome_of_a_fault_can_be_awaited_on_any_thread() {
    fn assert_send<T: Send>(_: &T) {}
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        counter(&root, "c", &Log::default());
        assert_send(&inject(&root, "root.c", Fault::Panic).outcome(SOON, SOON));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_an_idle_actor_is_measured_and_touches_nobody_else() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let counters = counters(&root, 3, &Log::default());
        settled(&root).await;
        for (generation_before, fault) in [(1, Fault::Panic), (2, Fault::Stop)] {
            let recovery = recovered(inject(&root, "root.c1", fault).outcome(SOON, SOON).await);
            let generation_after = generation_before + 1;
            let (detection, restart, disturbed) = (Duration::ZERO, Duration::ZERO, Vec::new());
            assert_eq!(recovery, Recovery { generation_before, generation_after, detection, restart, disturbed });
        }
        assert_eq!(ping(&counters[0]).await, Ok(1));
    })
    .await;
}

/// 10 ms before the second restart in a row, 20 ms before the third.
fn hesitant(name: &str, strategy: Strategy) -> SupervisorSpec {
    let (min, max) = (Duration::from_millis(10), Duration::from_secs(1));
    let backoff = Backoff { min, max, jitter: 0.0, healthy_after: Duration::from_secs(5) };
    SupervisorSpec { backoff, ..patient(name, strategy) }
}

#[tokio::test(start_paused = true)]
async fn the_restart_time_includes_the_backoff() {
    on_one_thread(async {
        let root = Supervisor::root(hesitant("root", Strategy::OneForOne), &Place::here());
        counter(&root, "c", &Log::default());
        settled(&root).await;
        let mut restarts = Vec::new();
        for _ in 0..3 {
            restarts
                .push(recovered(inject(&root, "root.c", Fault::Panic).outcome(SOON, SOON).await).restart.as_millis());
        }
        assert_eq!(restarts, [0, 10, 20]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_fault_whose_moment_never_comes_is_disarmed() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let counter = counter(&root, "c", &Log::default());
        let before = Instant::now();

        let outcome = inject(&root, "root.c", Fault::PanicAfter).outcome(Duration::from_secs(3), SOON).await;

        assert_eq!(outcome, Outcome::NotFired);
        assert_eq!(before.elapsed(), Duration::from_secs(3));
        assert_eq!(ping(&counter).await, Ok(1), "nothing is left of it");
        assert_eq!(root.tree().children[0].generation, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_fault_after_the_next_message_counts_from_the_message_on() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let counter = counter(&root, "c", &Log::default());
        let injection = inject(&root, "root.c", Fault::PanicAfter);
        let outcome = tokio::task::spawn_local(injection.outcome(SOON, SOON));
        sleep(Duration::from_secs(2)).await;

        assert_eq!(ping(&counter).await, Err(AskError::Lost));

        let recovery = recovered(outcome.await.expect("it does not panic"));
        assert_eq!((recovery.generation_before, recovery.generation_after), (1, 2));
        assert_eq!(recovery.detection + recovery.restart, Duration::ZERO);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_strikes_late_leaves_its_victim_the_whole_time_to_recover() {
    on_one_thread(async {
        let pause = Duration::from_secs(4);
        let backoff = Backoff { min: pause, max: pause, jitter: 0.0, healthy_after: Duration::from_secs(60) };
        let spec = SupervisorSpec { backoff, ..patient("root", Strategy::OneForOne) };
        let root = Supervisor::root(spec, &Place::here());
        let counter = counter(&root, "c", &Log::default());
        settled(&root).await;
        recovered(inject(&root, "root.c", Fault::Panic).outcome(SOON, SOON).await); // The next restart has to wait.
        let injection = inject(&root, "root.c", Fault::PanicAfter);
        let outcome = tokio::task::spawn_local(injection.outcome(Duration::from_secs(2), SOON));
        sleep(Duration::from_millis(1_900)).await;

        assert_eq!(ping(&counter).await, Err(AskError::Lost));

        let recovery = recovered(outcome.await.expect("it does not panic"));
        assert_eq!((recovery.generation_after, recovery.restart), (3, pause), "longer than the fault was armed");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_victim_that_is_not_back_in_its_time_has_not_recovered_although_the_fault_could_have_waited_longer() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        counter(&root, "c", &Log::default());
        let before = Instant::now();
        let outcome = inject(&root, "root.c", Fault::Hang).outcome(Duration::from_secs(60), SOON).await;
        assert_eq!(outcome, Outcome::NotRecovered { fired: true, detected: false });
        assert_eq!(before.elapsed(), SOON);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_replaces_another_withdraws_it() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        counter(&root, "c", &Log::default());
        let first = inject(&root, "root.c", Fault::PanicAfter);
        let second = inject(&root, "root.c", Fault::Panic);
        let before = Instant::now();
        assert_eq!(first.outcome(SOON, SOON).await, Outcome::NotFired);
        assert_eq!(before.elapsed(), Duration::ZERO, "it is known at once");
        recovered(second.outcome(SOON, SOON).await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_faults_at_once_in_one_actor_are_both_accounted_for() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        counter(&root, "c", &Log::default());
        let hang = inject(&root, "root.c", Fault::Hang);
        settle().await;
        let stop = inject(&root, "root.c", Fault::Stop);
        for injection in [hang, stop] {
            let recovery = recovered(injection.outcome(SOON, SOON).await);
            assert_eq!((recovery.generation_before, recovery.generation_after), (1, 2));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hung_actor_that_nobody_looks_for_has_not_recovered() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        counter(&root, "c", &Log::default());
        let outcome = inject(&root, "root.c", Fault::Hang).outcome(SOON, SOON).await;
        assert_eq!(outcome, Outcome::NotRecovered { fired: true, detected: false });
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_victim_that_is_removed_meanwhile_ends_the_wait() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        counters(&root, 2, &Log::default());
        let hung = inject(&root, "root.c0", Fault::Hang);
        let never = inject(&root, "root.c1", Fault::PanicAfter);
        settle().await;
        assert!(root.remove("c0").await);
        assert!(root.remove("c1").await);
        let before = Instant::now();

        assert_eq!(hung.outcome(SOON, SOON).await, Outcome::NotRecovered { fired: true, detected: false });
        assert_eq!(never.outcome(SOON, SOON).await, Outcome::NotRecovered { fired: false, detected: false });

        assert_eq!(before.elapsed(), Duration::ZERO);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_transient_actor_that_was_stopped_is_gone_for_good_and_that_is_said_at_once() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let spec = ActorSpec::new("c", "counter").restart(Restart::Transient);
        root.spawn(spec, &Place::here(), || Counter::new("c", &Log::default())).expect("free");
        settled(&root).await;
        let outcome = inject(&root, "root.c", Fault::Stop).outcome(SOON, SOON).await;
        assert_eq!(outcome, Outcome::NotRecovered { fired: true, detected: true });
    })
    .await;
}

/// Starts only while it is allowed to.
struct Fragile(Arc<AtomicBool>);
supervised!(Fragile);
impl Actor for Fragile {
    type Context = SupervisedContext<Self>;
    fn started(&mut self, _: &mut Self::Context) {
        assert!(!self.0.load(SeqCst), "no disk");
    }
}

#[tokio::test(start_paused = true)]
async fn a_victim_that_cannot_start_again_has_not_recovered_although_its_failure_was_noticed() {
    on_one_thread(async {
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
        let broken = Arc::new(AtomicBool::new(false));
        let own = broken.clone();
        root.spawn(ActorSpec::new("f", "f"), &Place::here(), move || Fragile(own.clone())).expect("free");
        settled(&root).await;
        broken.store(true, SeqCst);
        let outcome = inject(&root, "root.f", Fault::Panic).outcome(SOON, SOON).await;
        assert_eq!(outcome, Outcome::NotRecovered { fired: true, detected: true });

        let late = inject(&root, "root.f", Fault::Panic).outcome(SOON, SOON).await;
        assert_eq!(late, Outcome::NotRecovered { fired: false, detected: false }, "it is down");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_blocked_thread_that_goes_on_by_itself_has_recovered_without_a_restart() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        counter(&root, "c", &Log::default());
        for path in ["root.c", "root"] {
            let block = inject(&root, path, Fault::Block(Duration::from_millis(20)));
            let recovery = recovered(block.outcome(SOON, SOON).await);
            assert_eq!((recovery.generation_before, recovery.generation_after), (1, 1));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn those_who_restart_with_their_group_are_named_as_disturbed_and_those_outside_are_not() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let outside = root.supervisor(patient("outside", Strategy::OneForOne)).expect("free");
        counters(&outside, 2, &Log::default());
        let group = root.supervisor(patient("group", Strategy::RestForOne)).expect("free");
        counters(&group, 3, &Log::default());
        let spec = ActorSpec::new("t", "counter").restart(Restart::Temporary);
        group.spawn(spec, &Place::here(), || Counter::new("t", &Log::default())).expect("free");
        settled(&root).await;

        let recovery = recovered(inject(&root, "root.group.c1", Fault::Panic).outcome(SOON, SOON).await);

        assert_eq!(recovery.disturbed, ["root.group.c2", "root.group.t"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_comes_or_goes_on_purpose_during_a_recovery_was_not_disturbed() {
    on_one_thread(async {
        let root = Supervisor::root(hesitant("root", Strategy::OneForOne), &Place::here());
        counters(&root, 3, &Log::default());
        settled(&root).await;
        recovered(inject(&root, "root.c0", Fault::Panic).outcome(SOON, SOON).await);
        let second = inject(&root, "root.c0", Fault::Panic);

        assert!(root.remove("c1").await);
        counter(&root, "new", &Log::default());

        assert_eq!(recovered(second.outcome(SOON, SOON).await).disturbed, [""; 0]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_was_down_before_is_not_blamed_on_the_fault() {
    on_one_thread(async {
        let intensity = Intensity { max: 2, within: Duration::from_secs(60) };
        let root =
            Supervisor::root(SupervisorSpec { intensity, ..hesitant("root", Strategy::OneForOne) }, &Place::here());
        counter(&root, "c", &Log::default());
        let broken = Arc::new(AtomicBool::new(true));
        root.spawn(ActorSpec::new("f", "f"), &Place::here(), move || Fragile(broken.clone())).expect("free");
        sleep(Duration::from_secs(10)).await;
        assert!(root.degraded().is_some());
        assert_eq!(recovered(inject(&root, "root.c", Fault::Panic).outcome(SOON, SOON).await).disturbed, [""; 0]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_actors_are_watched_for_disturbance() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let group = root.supervisor(patient("group", Strategy::OneForAll)).expect("free");
        let counters = counters(&group, 10_000, &Log::default());
        counters[9_999].started().await.expect("it starts");
        settled(&root).await;
        let injection = inject(&root, "root.group.c7", Fault::Panic);
        let recovery = recovered(injection.outcome(SOON, SOON).await);
        assert_eq!(recovery.disturbed.len(), 10_000, "all but the victim, and their supervisor, which restarts them");
        assert_eq!(counters[0].ask(Ping, SOON).await, Ok(1));
    })
    .await;
}
