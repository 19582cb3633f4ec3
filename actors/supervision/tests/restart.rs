//! One actor that fails and comes back: what is kept, what is lost, and who hears of it.

mod common;

use std::time::Duration;

use actix::{Actor, Handler};
use common::{Counter, Generation, Leave, Log, Ping, Poison, SOON, counter, on_one_thread, patient_root, ping, settle};
use tillstream_supervision::{ActorSpec, AskError, Fault, Place, Restart, Strategy, SupervisedContext, supervised};

#[tokio::test(start_paused = true)]
async fn a_panicking_actor_is_back_with_fresh_state_behind_the_same_handle() {
    on_one_thread(async {
        let counter = counter(&patient_root(Strategy::OneForOne), "c", &Log::default());
        assert_eq!(ping(&counter).await, Ok(1));
        assert_eq!(ping(&counter).await, Ok(2));

        assert_eq!(counter.ask(Poison, SOON).await, Err(AskError::Lost));

        assert_eq!(ping(&counter).await, Ok(1));
        assert_eq!(counter.ask(Generation, SOON).await, Ok(2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn messages_behind_a_poison_message_are_answered_in_order_by_the_next_incarnation() {
    on_one_thread(async {
        let counter = counter(&patient_root(Strategy::OneForOne), "c", &Log::default());

        let poison = counter.ask(Poison, SOON);
        let behind: Vec<_> = (0..5).map(|_| counter.ask(Ping, SOON)).collect();

        assert_eq!(poison.await, Err(AskError::Lost));
        let answers = futures_util::future::join_all(behind).await;
        assert_eq!(answers, (1..=5).map(Ok).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_poison_message_first_in_the_queue_still_counts_as_a_successful_start() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let counter = counter(&root, "c", &Log::default());
        let poison = counter.ask(Poison, SOON);

        assert_eq!(counter.started().await, Ok(()));
        assert_eq!(poison.await, Err(AskError::Lost));

        settle().await;
        assert_eq!(root.tree().children[0].restarts, 1);
        assert_eq!(
            root.tree().children[0].last_failure.as_deref(),
            Some("swallowed poison (in hand: restart::common::Poison)")
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_permanent_actor_that_stops_comes_back() {
    on_one_thread(async {
        let log = Log::default();
        let counter = counter(&patient_root(Strategy::OneForOne), "c", &log);
        assert_eq!(counter.ask(Leave, SOON).await, Ok(()));
        assert_eq!(ping(&counter).await, Ok(1));
        assert_eq!(log.take(), ["+c", "-c", "+c"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_transient_actor_comes_back_after_a_panic_but_not_after_a_stop() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let spec = ActorSpec::new("c", "counter").restart(Restart::Transient);
        let counter = root.spawn(spec, &Place::here(), || Counter::new("c", &Log::default())).expect("free");
        assert_eq!(counter.ask(Poison, SOON).await, Err(AskError::Lost));
        assert_eq!(ping(&counter).await, Ok(1));

        assert_eq!(counter.ask(Leave, SOON).await, Ok(()));

        settle().await;
        assert_eq!(ping(&counter).await, Err(AskError::Terminated));
        assert!(root.tree().children.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_temporary_actor_never_comes_back_and_those_who_wait_are_told() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let spec = ActorSpec::new("c", "counter").restart(Restart::Temporary);
        let counter = root.spawn(spec, &Place::here(), || Counter::new("c", &Log::default())).expect("free");
        let (poison, behind) = (counter.ask(Poison, SOON), counter.ask(Ping, SOON));

        poison.await.expect_err("it panicked");

        assert_eq!(behind.await, Err(AskError::Terminated));
        assert_eq!(counter.started().await, Err(AskError::Terminated));
        assert!(counter.tell(Ping).is_err());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_fault_strikes_an_idle_actor_and_it_comes_back() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let counter = counter(&root, "c", &Log::default());
        for (restarts, fault) in [(1, Fault::Panic), (2, Fault::Stop)] {
            assert_eq!(ping(&counter).await, Ok(1));
            root.inject("root.c", fault).expect("it is there");
            settle().await;
            assert_eq!(root.tree().children[0].restarts, restarts, "{fault:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_injected_before_the_queue_and_costs_no_message() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let counter = counter(&root, "c", &Log::default());
        counter.started().await.expect("it starts");
        let queued: Vec<_> = (0..3).map(|_| counter.ask(Ping, SOON)).collect();
        root.inject("root.c", Fault::Panic).expect("it is there");

        let answers = futures_util::future::join_all(queued).await;
        assert_eq!(answers, [Ok(1), Ok(2), Ok(3)]);
        assert_eq!(root.tree().children[0].generation, 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_after_the_handler_loses_exactly_the_reply_in_hand() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let counter = counter(&root, "c", &Log::default());
        root.inject("root.c", Fault::PanicAfter).expect("it is there");

        let (first, second) = (counter.ask(Ping, SOON), counter.ask(Ping, SOON));

        assert_eq!(first.await, Err(AskError::Lost));
        assert_eq!(second.await, Ok(1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hung_actor_keeps_its_messages_and_frees_its_thread() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let log = Log::default();
        let (hung, other) = (counter(&root, "hung", &log), counter(&root, "other", &log));
        root.inject("root.hung", Fault::Hang).expect("it is there");
        settle().await;

        assert_eq!(hung.ask(Ping, SOON).await, Err(AskError::Timeout));
        assert_eq!(ping(&other).await, Ok(1));
        assert!(root.remove("hung").await, "a hung actor can be stopped politely");
    })
    .await;
}

#[test]
fn a_blocked_thread_stalls_only_the_actors_on_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSetRun(&runtime).run(async {
        let root = patient_root(Strategy::OneForOne);
        let own = Place::arbiter("blocked");
        let log = Log::default();
        let to = log.clone();
        let blocked = root.spawn(ActorSpec::new("b", "counter"), &own, move || Counter::new("b", &to)).expect("free");
        let other = counter(&root, "other", &log);
        blocked.started().await.expect("it starts");
        root.inject("root.b", Fault::Block(Duration::from_millis(300))).expect("it is there");

        assert_eq!(blocked.ask(Ping, Duration::from_millis(50)).await, Err(AskError::Timeout));
        assert_eq!(ping(&other).await, Ok(1));
        assert_eq!(blocked.ask(Generation, SOON).await, Ok(1), "it goes on when the call returns");
    });
}

struct LocalSetRun<'a>(&'a tokio::runtime::Runtime);
impl LocalSetRun<'_> {
    fn run(&self, test: impl Future<Output = ()>) {
        self.0.block_on(on_one_thread(test));
    }
}

/// Fails to start until a number of attempts were made.
struct Reluctant;
supervised!(Reluctant);
impl Actor for Reluctant {
    type Context = SupervisedContext<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        assert!(ctx.generation() > 2, "not yet");
    }
}
impl Handler<Ping> for Reluctant {
    type Result = u64;
    fn handle(&mut self, _: Ping, _: &mut Self::Context) -> u64 {
        7
    }
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_fails_to_start_is_tried_again_and_keeps_what_it_was_told() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let handle = root.spawn(ActorSpec::new("r", "reluctant"), &Place::here(), || Reluctant).expect("free");
        assert_eq!(handle.ask(Ping, SOON).await, Ok(7));
        assert_eq!(root.tree().children[0].generation, 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_factory_that_panics_is_a_failed_start_like_any_other() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let attempts = std::sync::atomic::AtomicU32::new(0);
        let factory = move || {
            assert!(attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 1, "no socket yet");
            Counter::new("c", &Log::default())
        };
        let handle = root.spawn(ActorSpec::new("c", "counter"), &Place::here(), factory).expect("free");
        assert_eq!(ping(&handle).await, Ok(1));
        assert_eq!(root.tree().children[0].last_failure.as_deref(), Some("no socket yet"));
    })
    .await;
}

/// Holds something that exists once, such as a lock on a file.
struct Exclusive(std::sync::Arc<std::sync::atomic::AtomicBool>);
impl Exclusive {
    fn open(lock: &std::sync::Arc<std::sync::atomic::AtomicBool>) -> Self {
        assert!(!lock.swap(true, std::sync::atomic::Ordering::SeqCst), "already open");
        Self(lock.clone())
    }
}
impl Drop for Exclusive {
    fn drop(&mut self) {
        self.0.store(false, std::sync::atomic::Ordering::SeqCst);
    }
}
supervised!(Exclusive);
impl Actor for Exclusive {
    type Context = SupervisedContext<Self>;
}

#[tokio::test(start_paused = true)]
async fn what_the_failed_incarnation_held_is_released_before_the_next_is_built() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let lock = std::sync::Arc::default();
        let handle =
            root.spawn(ActorSpec::new("e", "exclusive"), &Place::here(), move || Exclusive::open(&lock)).expect("free");
        handle.started().await.expect("it starts");
        root.inject("root.e", Fault::Panic).expect("it is there");
        settle().await;
        let node = &root.tree().children[0];
        assert_eq!((node.generation, node.state.as_str()), (2, "running"));
    })
    .await;
}
