//! What plain actix does to whoever supervises it, and what must not happen here: one test per known trap, in the
//! order of their numbers. Each is named after what a user would otherwise suffer.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Handler, Message, Running, SpawnHandle};
use common::{Counter, Log, Ping, Poison, SOON, counter, on_one_thread, patient_root, ping, settle};
use futures_util::future::{join_all, poll_immediate};
use tillstream_supervision::{
    ActorSpec, AskError, Handle, Place, Strategy, SupervisedContext, Supervisor, SupervisorSpec, TellError, supervised,
};
use tokio::task::LocalSet;

fn spawn<A>(supervisor: &Supervisor, factory: impl Fn() -> A + Send + Sync + 'static) -> Handle<A>
where
    A: Actor<Context = SupervisedContext<A>> + actix::Supervised,
{
    supervisor.spawn(ActorSpec::new("trap", "trap"), &Place::here(), factory).expect("the name is free")
}

// === 1: panic + panic ===

struct Explosive;
supervised!(Explosive);
impl Actor for Explosive {
    type Context = SupervisedContext<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Box::pin(DropBomb));
        ctx.wait(Box::pin(DropBomb));
    }
    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        panic!("stopping");
    }
    fn stopped(&mut self, _: &mut Self::Context) {
        panic!("stopped");
    }
}
impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("drop of the actor");
    }
}

/// A future of the actor whose drop panics as well.
struct DropBomb;
impl actix::ActorFuture<Explosive> for DropBomb {
    type Output = ();
    fn poll(
        self: std::pin::Pin<&mut Self>,
        _: &mut Explosive,
        _: &mut SupervisedContext<Explosive>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<()> {
        std::task::Poll::Pending
    }
}
impl Drop for DropBomb {
    fn drop(&mut self) {
        panic!("drop of a future");
    }
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_panics_while_it_goes_down_in_a_panic_does_not_abort_the_process() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let explosive = spawn(&root, || Explosive);
        explosive.started().await.expect("it starts");
        for generation in 2..5 {
            root.inject("root.trap", tillstream_supervision::Fault::Panic).expect("it is there");
            settle().await;
            assert_eq!(root.tree().children[0].generation, generation);
        }
        assert!(root.remove("trap").await);
    })
    .await;
}

// === 2: Running::Continue ===

struct Stubborn {
    count: u64,
    log: Log,
}
supervised!(Stubborn);
impl Actor for Stubborn {
    type Context = SupervisedContext<Self>;
    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        self.log.add("stopping");
        Running::Continue
    }
}
impl Handler<Ping> for Stubborn {
    type Result = u64;
    fn handle(&mut self, _: Ping, _: &mut Self::Context) -> u64 {
        self.count += 1;
        self.count
    }
}
impl Handler<Poison> for Stubborn {
    type Result = ();
    fn handle(&mut self, _: Poison, _: &mut Self::Context) {
        self.count = 1000; // Half done.
        panic!("swallowed poison");
    }
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_state_answers_nobody_even_if_the_actor_refuses_to_stop() {
    on_one_thread(async {
        let log = Log::default();
        let to = log.clone();
        let stubborn = spawn(&patient_root(Strategy::OneForOne), move || Stubborn { count: 0, log: to.clone() });
        stubborn.tell(Poison).expect("there is room");
        let answers = join_all((0..5).map(|_| stubborn.ask(Ping, SOON))).await;
        assert_eq!(answers, [Ok(1), Ok(2), Ok(3), Ok(4), Ok(5)]);
        assert_eq!(log.take(), [""; 0], "a panicked actor is not asked whether it would like to stop");
    })
    .await;
}

// === 3: endless restarts ===

struct Quitter(Arc<AtomicU64>);
supervised!(Quitter);
impl Actor for Quitter {
    type Context = SupervisedContext<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        self.0.fetch_add(1, SeqCst);
        ctx.stop();
    }
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_always_stops_in_started_does_not_take_its_thread() {
    on_one_thread(async {
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
        let starts = Arc::new(AtomicU64::new(0));
        let counted = starts.clone();
        spawn(&root, move || Quitter(counted.clone()));
        let bystander = counter(&root, "c", &Log::default());

        tokio::time::sleep(Duration::from_secs(60)).await;

        assert_eq!(ping(&bystander).await, Ok(1));
        assert!((6..40).contains(&starts.load(SeqCst)), "{starts:?} starts in a minute");
        assert_eq!(root.degraded().as_deref(), Some("root.trap: stopped"));
    })
    .await;
}

// === 4 and 5: cancelled futures ===

struct Canceller {
    ticks: Arc<AtomicU64>,
    timer: SpawnHandle,
}
supervised!(Canceller);
impl Actor for Canceller {
    type Context = SupervisedContext<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        self.timer = ctx.run_interval(Duration::from_millis(10), |actor, _| {
            actor.ticks.fetch_add(1, SeqCst);
        });
    }
}

#[derive(Message)]
#[rtype(result = "()")]
enum CancelThen {
    Panic,
    Stop,
    Terminate,
    GoOn,
}
impl Handler<CancelThen> for Canceller {
    type Result = ();
    fn handle(&mut self, then: CancelThen, ctx: &mut Self::Context) {
        ctx.spawn(actix::fut::wrap_future(std::future::pending()));
        ctx.cancel_future(self.timer);
        match then {
            CancelThen::Panic => panic!("after a cancel"),
            CancelThen::Stop => ctx.stop(),
            CancelThen::Terminate => ctx.terminate(),
            CancelThen::GoOn => {}
        }
    }
}

async fn ticks_after(cancel: CancelThen) -> u64 {
    on_one_thread(async {
        let ticks = Arc::new(AtomicU64::new(0));
        let counted = ticks.clone();
        let root = patient_root(Strategy::OneForOne);
        let canceller = spawn(&root, move || Canceller { ticks: counted.clone(), timer: SpawnHandle::default() });
        canceller.started().await.expect("it starts");
        canceller.tell(cancel).expect("there is room");
        tokio::time::sleep(Duration::from_millis(105)).await;
        ticks.load(SeqCst)
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_cancel_before_a_restart_does_not_stop_the_timers_of_the_next_incarnation() {
    assert_eq!(ticks_after(CancelThen::Panic).await, 10);
    assert_eq!(ticks_after(CancelThen::Stop).await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_timer_does_not_tick() {
    assert_eq!(ticks_after(CancelThen::GoOn).await, 0);
}

#[tokio::test(start_paused = true)]
async fn cancelling_and_terminating_in_one_handler_does_not_spin_for_ever() {
    assert_eq!(ticks_after(CancelThen::Terminate).await, 10);
}

// === 6: the bound ===

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_refuses_whoever_comes_by_whatever_handle() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let spec = ActorSpec::new("c", "counter").mailbox(16);
        let counter = root.spawn(spec, &Place::here(), || Counter::new("c", &Log::default())).expect("free");
        // Nothing runs in between, so the actor takes nothing out.
        let mut asks: Vec<_> = (0..10_000).map(|_| Box::pin(counter.clone().ask(Ping, SOON))).collect();
        let mut refused = 0;
        for ask in &mut asks {
            refused += u32::from(matches!(poll_immediate(ask).await, Some(Err(AskError::Full))));
        }
        assert_eq!(refused, 10_000 - 16);
        assert_eq!(counter.clone().tell(Ping), Err(TellError::Full));
        assert_eq!(counter.port::<Ping>().tell(Ping), Err(TellError::Full));
        assert_eq!(root.tree().children[0].mailbox, 16);
        assert_eq!(counter.push(Ping), Ok(()), "only a push goes beyond the bound");

        drop(asks);
        settle().await;
        assert_eq!(root.tree().children[0].mailbox, 0);
        assert_eq!(ping(&counter).await, Ok(2), "asks that nobody waits for were withdrawn, the push was not");
    })
    .await;
}

// === 7: what became of a message ===

#[tokio::test(start_paused = true)]
async fn of_many_asks_in_flight_only_the_one_in_hand_is_reported_as_lost() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let counter = counter(&root, "c", &Log::default());
        let asks = (0..64).map(|_| counter.ask(Ping, SOON)).collect::<Vec<_>>();
        root.inject("root.c", tillstream_supervision::Fault::PanicAfter).expect("it is there");

        let answers = join_all(asks).await;

        assert_eq!(answers[0], Err(AskError::Lost));
        assert_eq!(answers[1..], (1..64).map(Ok).collect::<Vec<_>>(), "the others are answered in order");
    })
    .await;
}

// === 8: a mailbox that never runs dry ===

struct Flooded {
    handled: Arc<AtomicU64>,
}
supervised!(Flooded);
impl Actor for Flooded {
    type Context = SupervisedContext<Self>;
}
impl Handler<Ping> for Flooded {
    type Result = u64;
    fn handle(&mut self, _: Ping, ctx: &mut Self::Context) -> u64 {
        let handled = self.handled.fetch_add(1, SeqCst);
        if handled < 1_000_000 {
            ctx.handle().push(Ping).expect("it is alive");
        }
        handled
    }
}

#[tokio::test(start_paused = true)]
async fn a_flooded_actor_does_not_starve_its_neighbours() {
    on_one_thread(async {
        let root = patient_root(Strategy::OneForOne);
        let handled = Arc::new(AtomicU64::new(0));
        let counted = handled.clone();
        let flooded = spawn(&root, move || Flooded { handled: counted.clone() });
        let bystander = counter(&root, "c", &Log::default());
        flooded.tell(Ping).expect("there is room");

        assert_eq!(ping(&bystander).await, Ok(1));
        assert!(root.remove("trap").await, "it can be stopped in the middle of the flood");

        assert!(handled.load(SeqCst) < 10_000, "{handled:?} messages went first");
    })
    .await;
}

// === 9: a burst of ticks ===

#[tokio::test(start_paused = true)]
async fn a_stalled_thread_does_not_make_timers_tick_in_a_burst() {
    on_one_thread(async {
        let ticks = Arc::new(AtomicU64::new(0));
        let counted = ticks.clone();
        let root = patient_root(Strategy::OneForOne);
        let handle = spawn(&root, move || Canceller { ticks: counted.clone(), timer: SpawnHandle::default() });
        handle.started().await.expect("it starts");

        tokio::time::advance(Duration::from_millis(500)).await;
        settle().await;

        assert_eq!(ticks.load(SeqCst), 1);
    })
    .await;
}

// === 10: a thread that ends under its actors ===

#[tokio::test(start_paused = true)]
async fn an_actor_whose_thread_ends_is_not_asked_to_tidy_up_and_its_callers_are_told() {
    let log = Log::default();
    let thread = LocalSet::new();
    let handle = thread
        .run_until(async {
            let handle = counter(&patient_root(Strategy::OneForOne), "c", &log);
            handle.started().await.expect("it starts");
            handle
        })
        .await;
    let waiting = handle.ask(Ping, SOON);

    drop(thread);

    assert_eq!(waiting.await, Err(AskError::Terminated));
    assert_eq!(handle.tell(Ping), Err(TellError::Terminated));
    assert_eq!(log.take(), ["+c"]);
}
