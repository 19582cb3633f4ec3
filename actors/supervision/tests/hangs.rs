//! Hung actors, and those that a watchdog must not take for hung; on real threads in real time.

mod common;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;

use actix::{Actor, AsyncContext, Handler, WrapFuture};
use common::threads::{DEADLINE, generation, threaded_root, until, watch};
use common::{Counter, Generation, Log, Ping, ping};
use futures_util::future::join_all;
use tillstream_supervision::{ActorSpec, Fault, Place, SupervisedContext, supervised};
use tokio::time::{Instant, sleep, timeout};

#[tokio::test]
async fn a_hung_actor_is_restarted_in_place_and_handles_what_waited() {
    let (root, place) = (threaded_root(), Place::arbiter("shared"));
    let spawn = |name: &str| {
        let spec = ActorSpec::new(name, "counter");
        root.spawn(spec, &place, || Counter::new("c", &Log::default())).expect("the name is free")
    };
    let (hung, neighbour) = (spawn("h"), spawn("n"));
    assert_eq!((ping(&hung).await, ping(&neighbour).await), (Ok(1), Ok(1)));
    drop(root.inject("root.h", Fault::Hang).expect("it is there"));
    let waiting: Vec<_> = (0..5).map(|_| hung.ask(Ping, DEADLINE)).collect();

    let _watchdog = watch(&root);

    let answers = timeout(DEADLINE, join_all(waiting)).await.expect("`root.h` hangs for ever");
    assert_eq!(answers, [Ok(1), Ok(2), Ok(3), Ok(4), Ok(5)]);
    let node = &root.tree().children[0];
    assert_eq!((node.generation, node.restarts), (2, 1));
    assert_eq!(node.last_failure.as_deref(), Some("hung: it waits for a future that does not end"));
    assert_eq!(ping(&neighbour).await, Ok(2), "the thread is the same");
}

/// Waits for a new future with each message, for less than it takes to count as hung.
struct Patient;
supervised!(Patient);
impl Actor for Patient {
    type Context = SupervisedContext<Self>;
}
impl Handler<Ping> for Patient {
    type Result = u64;
    fn handle(&mut self, _: Ping, ctx: &mut Self::Context) -> u64 {
        ctx.wait(sleep(Duration::from_millis(20)).into_actor(self));
        ctx.generation()
    }
}
impl Handler<Generation> for Patient {
    type Result = actix::MessageResult<Generation>;
    /// A short piece of work.
    fn handle(&mut self, _: Generation, ctx: &mut Self::Context) -> Self::Result {
        let until = Instant::now() + Duration::from_millis(1);
        while Instant::now() < until {}
        actix::MessageResult(ctx.generation())
    }
}

#[tokio::test]
async fn who_is_idle_or_busy_or_waits_again_and_again_is_left_alone() {
    let root = threaded_root();
    let place = Place::arbiter("shared");
    let spawn = |name: &str| root.spawn(ActorSpec::new(name, "patient"), &place, || Patient).expect("the name is free");
    let (_idle, busy, waiting) = (spawn("idle"), spawn("busy"), spawn("waiting"));
    let watchdog = watch(&root);

    // Both queues last several times as long as any limit.
    let long: Vec<_> = (0..1000).map(|_| busy.ask(Generation, DEADLINE)).collect();
    let slow: Vec<_> = (0..50).map(|_| waiting.ask(Ping, DEADLINE)).collect();

    assert_eq!(join_all(long).await, [Ok(1); 1000]);
    assert_eq!(join_all(slow).await, [Ok(1); 50]);
    assert!(root.tree().children.iter().all(|node| node.restarts == 0), "{:#?}", root.tree());
    assert_eq!((watchdog.liveness().zombies(), watchdog.liveness().trouble()), (0, None));
}

#[tokio::test]
async fn ten_thousand_idle_actors_are_watched_without_being_woken() {
    /// Counts how often it is polled.
    struct Sleeper(Arc<AtomicU64>);
    supervised!(Sleeper);
    impl Actor for Sleeper {
        type Context = SupervisedContext<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            let polls = self.0.clone();
            let count = poll_fn(move |_| {
                polls.fetch_add(1, SeqCst);
                Poll::Pending
            });
            ctx.spawn(count.into_actor(self));
        }
    }
    let (root, place, polls) = (threaded_root(), Place::arbiter("sleepers"), Arc::new(AtomicU64::new(0)));
    for number in 0..10_000 {
        let polls = polls.clone();
        let spec = ActorSpec::new(format!("s{number}"), "sleeper");
        root.spawn(spec, &place, move || Sleeper(polls.clone())).expect("the name is free");
    }
    until("the last start", &root, || polls.load(SeqCst) >= 10_000).await;
    let spec = ActorSpec::new("h", "counter");
    let hung = root.spawn(spec, &place, || Counter::new("h", &Log::default())).expect("the name is free");
    hung.started().await.expect("it starts");
    let before = polls.load(SeqCst);
    let _watchdog = watch(&root);

    // That one is found proves that all of them were looked at many times.
    drop(root.inject("root.h", Fault::Hang).expect("it is there"));
    until("the restart of the one that hangs", &root, || generation(&root, 10_000) == 2).await;

    assert_eq!(polls.load(SeqCst), before);
    assert!(root.tree().children[..10_000].iter().all(|node| node.restarts == 0));
}
