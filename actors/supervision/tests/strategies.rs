//! Who is restarted when one of four children fails.

mod common;

use common::{Counter, Log, Ping, Poison, SOON, counters, on_one_thread, patient_root, ping, settle};
use tillstream_supervision::{ActorSpec, AskError, Place, Restart, Strategy, TellError};

/// Three pings each, then `c1` is poisoned with five pings behind; what each counts then, and the log of the restart.
async fn after_a_failure_of_c1(strategy: Strategy) -> (Vec<Result<u64, AskError>>, Vec<String>) {
    on_one_thread(async {
        let log = Log::default();
        let root = patient_root(strategy);
        let counters = counters(&root, 4, &log);
        for _ in 0..2 {
            for counter in &counters {
                ping(counter).await.expect("all are well");
            }
        }
        log.take();
        let told: Result<Vec<()>, TellError> =
            std::iter::once(counters[1].tell(Poison)).chain((0..5).map(|_| counters[1].tell(Ping))).collect();
        told.expect("there is room");
        settle().await;
        let restarts = log.take();
        let mut counts = Vec::new();
        for counter in &counters {
            counts.push(counter.ask(Ping, SOON).await);
        }
        (counts, restarts)
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn one_for_one_leaves_the_siblings_alone() {
    let (counts, log) = after_a_failure_of_c1(Strategy::OneForOne).await;
    assert_eq!(counts, [Ok(3), Ok(6), Ok(3), Ok(3)]);
    assert_eq!(log, ["+c1"]);
}

#[tokio::test(start_paused = true)]
async fn rest_for_one_restarts_the_later_ones_in_order() {
    let (counts, log) = after_a_failure_of_c1(Strategy::RestForOne).await;
    assert_eq!(counts, [Ok(3), Ok(6), Ok(1), Ok(1)]);
    assert_eq!(log, ["-c3", "-c2", "+c1", "+c2", "+c3"]);
}

#[tokio::test(start_paused = true)]
async fn one_for_all_restarts_everybody_in_order() {
    let (counts, log) = after_a_failure_of_c1(Strategy::OneForAll).await;
    assert_eq!(counts, [Ok(1), Ok(6), Ok(1), Ok(1)]);
    assert_eq!(log, ["-c3", "-c2", "-c0", "+c0", "+c1", "+c2", "+c3"]);
}

#[tokio::test(start_paused = true)]
async fn a_temporary_actor_does_not_come_back_with_its_group() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForAll);
        let counters = counters(&root, 1, &Log::default());
        let spec = ActorSpec::new("t", "counter").restart(Restart::Temporary);
        let temporary = root.spawn(spec, &Place::here(), || Counter::new("t", &Log::default())).expect("free");
        ping(&temporary).await.expect("it is there");

        counters[0].tell(Poison).expect("there is room");
        settle().await;

        assert_eq!(ping(&temporary).await, Err(AskError::Terminated));
        assert_eq!(root.tree().children.len(), 1);
    })
    .await;
}
