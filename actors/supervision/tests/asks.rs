//! What handles and ports tell their callers, and the wiring of cycles.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, ResponseActFuture, WrapFuture};
use common::{Counter, Log, Ping, Poison, SOON, counter, on_one_thread, patient_root, ping, settle};
use tillstream_supervision::{
    ActorSpec, AskError, Fault, Handle, Place, Port, Strategy, SupervisedContext, Supervisor, SupervisorSpec,
    TellError, supervised,
};
use tokio::time::{Instant, sleep};

fn assert_send_sync<T: Send + Sync>(_: &T) {}

#[tokio::test(start_paused = true)]
async fn handles_ports_and_supervisors_can_go_to_other_threads() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let counter = counter(&root, "c", &Log::default());
        assert_send_sync(&root);
        assert_send_sync(&counter);
        assert_send_sync(&counter.port::<Ping>());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_ask_waits_through_a_backoff() {
    on_one_thread(async {
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
        let counter = counter(&root, "c", &Log::default());
        counter.tell(Poison).expect("there is room");
        counter.tell(Poison).expect("there is room");
        let before = Instant::now();
        assert_eq!(ping(&counter).await, Ok(1));
        assert!(before.elapsed() >= Duration::from_millis(16), "the second restart in a row is not immediate");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_ask_that_was_given_up_is_not_worked_on() {
    on_one_thread(async {
        let counter = counter(&patient_root(Strategy::OneForOne), "c", &Log::default());
        drop(counter.ask(Ping, SOON));
        assert_eq!(ping(&counter).await, Ok(1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_port_does_what_its_handle_does() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let counter = counter(&root, "c", &Log::default());
        let port = counter.port::<Ping>();
        port.tell(Ping).expect("there is room");
        port.push(Ping).expect("it is alive");
        assert_eq!(port.clone().ask(Ping, SOON).await, Ok(3));
        root.remove("c").await;
        assert_eq!(port.tell(Ping), Err(TellError::Terminated));
        assert_eq!(port.push(Ping), Err(TellError::Terminated));
        assert_eq!(port.ask(Ping, SOON).await, Err(AskError::Terminated));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_deferred_port_waits_for_its_actor() {
    on_one_thread(async {
        let (port, slot) = Port::<Ping>::deferred();
        assert_eq!(port.tell(Ping), Err(TellError::Full));
        assert_eq!(port.push(Ping), Err(TellError::Full));
        assert_eq!(port.ask(Ping, Duration::from_secs(1)).await, Err(AskError::NotDelivered));

        let early = port.ask(Ping, SOON);
        let counter = counter(&patient_root(Strategy::OneForOne), "c", &Log::default());
        tokio::task::spawn_local(async move {
            sleep(Duration::from_secs(1)).await;
            slot.bind(counter.port());
        });

        assert_eq!(early.await, Ok(1));
        assert_eq!(port.ask(Ping, SOON).await, Ok(2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_port_from_a_closure_answers_at_once() {
    let seen = Arc::new(AtomicU64::new(0));
    let counted = seen.clone();
    let port = Port::from_fn(move |_: Ping| counted.fetch_add(1, SeqCst) + 1);
    port.tell(Ping).expect("a closure takes everything");
    port.push(Ping).expect("a closure takes everything");
    assert_eq!(port.ask(Ping, SOON).await, Ok(3));
}

/// Answers each ping after a while, and tells itself how many it has answered.
struct Slow {
    answered: u64,
}
supervised!(Slow);
impl Actor for Slow {
    type Context = SupervisedContext<Self>;
}
impl Handler<Ping> for Slow {
    type Result = ResponseActFuture<Self, u64>;
    fn handle(&mut self, _: Ping, ctx: &mut Self::Context) -> Self::Result {
        let own = ctx.handle();
        let work = sleep(Duration::from_secs(1)).into_actor(self);
        Box::pin(work.map(move |(), actor, _| {
            actor.answered += 1;
            own.push(Poison).expect("it is alive");
            actor.answered
        }))
    }
}
impl Handler<Poison> for Slow {
    type Result = ();
    fn handle(&mut self, _: Poison, _: &mut Self::Context) {
        self.answered += 100;
    }
}

fn slow(root: &Supervisor) -> Handle<Slow> {
    root.spawn(ActorSpec::new("slow", "slow"), &Place::here(), || Slow { answered: 0 }).expect("free")
}

#[tokio::test(start_paused = true)]
async fn an_actor_works_on_several_answers_at_once_and_may_tell_itself() {
    on_one_thread(async {
        let slow = slow(&patient_root(Strategy::OneForOne));
        let before = Instant::now();
        let answers = tokio::join!(slow.ask(Ping, SOON), slow.ask(Ping, SOON));
        assert_eq!(before.elapsed(), Duration::from_secs(1));
        assert_eq!(answers, (Ok(1), Ok(2)));
        assert_eq!(slow.ask(Ping, SOON).await, Ok(203));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_being_worked_on_is_lost_with_its_incarnation() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let slow = slow(&root);
        let answer = slow.ask(Ping, SOON);
        settle().await;
        root.inject("root.slow", Fault::Panic).expect("it is there");
        assert_eq!(answer.await, Err(AskError::Lost));
    })
    .await;
}

/// Works through its mailbox one by one: each ping is waited for.
struct OneByOne {
    log: Log,
}
supervised!(OneByOne);
impl Actor for OneByOne {
    type Context = SupervisedContext<Self>;
}
impl Handler<Ping> for OneByOne {
    type Result = u64;
    fn handle(&mut self, _: Ping, ctx: &mut Self::Context) -> u64 {
        self.log.add("taken");
        let first = sleep(Duration::from_secs(2)).into_actor(self).map(|(), actor, _| actor.log.add("first"));
        let second = sleep(Duration::from_secs(1)).into_actor(self).map(|(), actor, ctx: &mut Self::Context| {
            actor.log.add("second");
            ctx.wait(sleep(Duration::from_secs(3)).into_actor(actor).map(|(), actor, _| actor.log.add("third")));
        });
        ctx.wait(first);
        ctx.wait(second);
        0
    }
}

#[tokio::test(start_paused = true)]
async fn no_message_is_taken_while_the_actor_waits_and_the_newest_wait_goes_first() {
    on_one_thread(async {
        let log = Log::default();
        let to = log.clone();
        let root = patient_root(Strategy::OneForOne);
        let actor =
            root.spawn(ActorSpec::new("o", "o"), &Place::here(), move || OneByOne { log: to.clone() }).expect("free");
        let before = Instant::now();
        actor.tell(Ping).expect("there is room");
        assert_eq!(actor.ask(Ping, SOON).await, Ok(0));
        assert_eq!(before.elapsed(), Duration::from_secs(4));
        assert_eq!(log.take(), ["taken", "second", "third", "first", "taken"]);
    })
    .await;
}

#[test]
fn a_flood_from_several_threads_never_exceeds_the_bound_and_keeps_each_senders_order() {
    /// Remembers the last number of each sender.
    struct Ordered {
        last: [u64; 4],
    }
    #[derive(actix::Message)]
    #[rtype(result = "()")]
    struct Numbered(usize, u64);
    supervised!(Ordered);
    impl Actor for Ordered {
        type Context = SupervisedContext<Self>;
    }
    impl Handler<Numbered> for Ordered {
        type Result = ();
        fn handle(&mut self, Numbered(sender, number): Numbered, _: &mut Self::Context) {
            assert!(self.last[sender] < number, "sender {sender}: {number} after {}", self.last[sender]);
            self.last[sender] = number;
        }
    }
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::arbiter("root"));
    let place = Place::arbiter("ordered");
    let spec = ActorSpec::new("o", "ordered").mailbox(8);
    let handle = root.spawn(spec, &place, || Ordered { last: [0; 4] }).expect("free");
    std::thread::scope(|threads| {
        for sender in 0..4 {
            let (handle, root) = (handle.clone(), root.clone());
            threads.spawn(move || {
                for number in 1..=5_000 {
                    while handle.tell(Numbered(sender, number)) == Err(TellError::Full) {
                        assert!(root.tree().children[0].mailbox <= 8 + 4, "at most one refusal per sender in flight");
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
    assert_eq!(root.tree().children[0].restarts, 0);
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_can_be_used_from_inside_a_handler() {
    /// Spawns a counter for each ping and removes it with the next.
    struct Router {
        own: Supervisor,
        spawned: u64,
    }
    supervised!(Router);
    impl Actor for Router {
        type Context = SupervisedContext<Self>;
    }
    impl Handler<Ping> for Router {
        type Result = u64;
        fn handle(&mut self, _: Ping, _: &mut Self::Context) -> u64 {
            drop(self.own.remove(&format!("c{}", self.spawned)));
            self.spawned += 1;
            let spec = ActorSpec::new(format!("c{}", self.spawned), "counter");
            let child = self.own.spawn(spec, &Place::here(), || Counter::new("c", &Log::default()));
            child.expect("the name is free").tell(Ping).expect("there is room");
            self.own.tree().children.len() as u64
        }
    }
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let own = root.clone();
        let factory = move || Router { own: own.clone(), spawned: 0 };
        let router = root.spawn(ActorSpec::new("router", "router"), &Place::here(), factory).expect("free");
        for _ in 0..3 {
            router.ask(Ping, SOON).await.expect("it answers");
        }
        settle().await;
        let paths: Vec<_> = root.tree().children.into_iter().map(|child| child.path).collect();
        assert_eq!(paths, ["root.router", "root.c3"]);
    })
    .await;
}
