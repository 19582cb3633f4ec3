//! Blocked threads, on real threads in real time. Nothing is timed: a test waits for a state. What blocks a thread is a
//! gate in the test's hand, so zombies wake when they are told to.

mod common;

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Handler, Message, ResponseActFuture, Running, WrapFuture};
use common::threads::{DEADLINE, QUICK, answer, generation, threaded_root, until, watch};
use common::{Counter, Generation, Log, Ping, SOON, patient, ping};
use futures_util::future::join_all;
use tillstream_supervision::{
    ActorSpec, AskError, Fault, Handle, Intensity, Liveness, Place, Port, SpawnError, Strategy, SupervisedContext,
    Supervisor, SupervisorSpec, TellError, Watchdog, WatchdogSettings, supervised,
};
use tokio::time::timeout;

async fn no_zombies(liveness: &Liveness, root: &Supervisor) {
    until("the end of all zombies", root, || liveness.zombies() == 0).await;
}

/// Holds threads until it is opened; opens by itself when a test fails, so that no thread outlives it.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<u64>, Condvar)>);

/// In the hand of the test.
struct Key(Gate);

impl Gate {
    fn shut() -> (Self, Key) {
        let gate = Self::default();
        (gate.clone(), Key(gate))
    }

    fn pass(&self) {
        let (open, changed) = &*self.0;
        let open = open.lock().expect("nobody panics at the gate");
        drop(changed.wait_while(open, |open| *open == 0).expect("nobody panics at the gate"));
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        let (open, changed) = &*self.0.0;
        *open.lock().expect("nobody panics at the gate") += 1;
        changed.notify_all();
    }
}

/// Blocks where it is told to and notes what it could still do afterwards.
struct Blocker {
    witness: Port<Ping>,
    own: Supervisor,
    log: Log,
}
supervised!(Blocker);
impl Actor for Blocker {
    type Context = SupervisedContext<Self>;
    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        self.log.add("stopping");
        Running::Stop
    }
    fn stopped(&mut self, _: &mut Self::Context) {
        self.log.add("stopped");
    }
}
impl Drop for Blocker {
    fn drop(&mut self) {
        self.log.add(format!("dropped, told: {:?}", self.witness.tell(Ping)));
    }
}

/// Blocks in the handler, then tries everything that has an effect on others.
#[derive(Message)]
#[rtype(result = "u64")]
struct Block(Gate);
impl Handler<Block> for Blocker {
    type Result = u64;
    fn handle(&mut self, Block(gate): Block, ctx: &mut Self::Context) -> u64 {
        let log = self.log.clone();
        ctx.spawn(async move { log.add("job") }.into_actor(self));
        gate.pass();
        let log = self.log.clone();
        ctx.spawn(async move { log.add("late job") }.into_actor(self));
        self.log.add(format!("tell {:?}", self.witness.tell(Ping)));
        self.log.add(format!("push {:?}", self.witness.push(Ping)));
        let ask = futures_util::FutureExt::now_or_never(self.witness.ask(Ping, SOON));
        self.log.add(format!("ask {ask:?}"));
        let spawned = self
            .own
            .spawn(ActorSpec::new("late", "late"), &Place::arbiter("late"), || Counter::new("late", &Log::default()));
        self.log.add(format!("spawn {}", matches!(spawned, Err(SpawnError::Stopping))));
        drop(self.own.remove("witness"));
        41
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Note;
impl Handler<Note> for Blocker {
    type Result = ();
    fn handle(&mut self, _: Note, _: &mut Self::Context) {
        self.log.add("note");
    }
}

/// Blocks in a future of the actor, which then answers in the same poll.
#[derive(Message)]
#[rtype(result = "u64")]
struct BlockLater(Gate);
impl Handler<BlockLater> for Blocker {
    type Result = ResponseActFuture<Self, u64>;
    fn handle(&mut self, BlockLater(gate): BlockLater, _: &mut Self::Context) -> Self::Result {
        let blocks = async move { gate.pass() };
        Box::pin(blocks.into_actor(self).map(|(), _, _| 42))
    }
}

impl Handler<Generation> for Blocker {
    type Result = actix::MessageResult<Generation>;
    fn handle(&mut self, _: Generation, ctx: &mut Self::Context) -> Self::Result {
        actix::MessageResult(ctx.generation())
    }
}

struct Scene {
    root: Supervisor,
    witness: Handle<Counter>,
    /// Of the blocker.
    place: Place,
    blocker: Handle<Blocker>,
    log: Log,
}

/// A witness on a thread of its own and a blocker on another.
async fn scene() -> Scene {
    let (root, log) = (threaded_root(), Log::default());
    let witness = root.spawn(ActorSpec::new("witness", "counter"), &Place::arbiter("witness"), || {
        Counter::new("witness", &Log::default())
    });
    let witness = witness.expect("the name is free");
    let place = Place::arbiter("own");
    let (port, own, to) = (witness.port(), root.clone(), log.clone());
    let factory = move || Blocker { witness: port.clone(), own: own.clone(), log: to.clone() };
    let blocker = root.spawn(ActorSpec::new("blocker", "blocker"), &place, factory).expect("the name is free");
    blocker.started().await.expect("it starts");
    Scene { root, witness, place, blocker, log }
}

const WITNESS: usize = 0;
const BLOCKER: usize = 1;

#[tokio::test]
async fn an_actor_whose_thread_is_blocked_answers_again_through_its_old_handle_and_port() {
    let Scene { root, blocker, .. } = scene().await;
    let port = blocker.port::<Generation>();
    let _watchdog = watch(&root);
    let (gate, _key) = Gate::shut();

    blocker.tell(Block(gate)).expect("there is room");

    until("a new thread", &root, || generation(&root, BLOCKER) == 2).await;
    assert_eq!(answer(&port, || Generation, &root).await, 2);
    assert_eq!(blocker.ask(Generation, SOON).await, Ok(2));
    let node = &root.tree().children[BLOCKER];
    assert_eq!(node.last_failure.as_deref(), Some("blocked its thread `own`"));
    assert_eq!((node.mailbox, generation(&root, WITNESS)), (0, 1));
}

#[tokio::test]
async fn an_abandoned_thread_that_comes_back_does_nothing_any_more() {
    let Scene { root, witness, blocker, log, .. } = scene().await;
    let watchdog = watch(&root);
    let (gate, key) = Gate::shut();
    let blocked = blocker.ask(Block(gate), DEADLINE);
    let behind = (0..3).map(|_| blocker.ask(Note, DEADLINE)).collect::<Vec<_>>();
    until("a new thread", &root, || generation(&root, BLOCKER) == 2).await;
    assert_eq!(answer(&blocker.port(), || Generation, &root).await, 2);
    assert_eq!(log.take(), [""; 0], "what waited is lost");

    drop(key);

    no_zombies(&watchdog.liveness(), &root).await;
    let refused = format!("{:?}", Err::<(), _>(TellError::Terminated));
    let ask = format!("{:?}", Some(Err::<u64, _>(AskError::Terminated)));
    assert_eq!(
        log.take(),
        [
            format!("tell {refused}"),
            format!("push {refused}"),
            format!("ask {ask}"),
            "spawn true".to_owned(),
            format!("dropped, told: {refused}"),
        ]
    );
    assert_eq!(ping(&witness).await, Ok(1), "nobody told it anything before");
    assert_eq!(root.tree().children.len(), 2);
    assert_eq!(blocked.await, Err(AskError::Lost), "41 comes from nobody");
    assert_eq!(join_all(behind).await, [Err(AskError::Lost); 3]);
    assert_eq!(blocker.ask(Generation, SOON).await, Ok(2), "the end of the old thread changes nothing");
}

#[tokio::test]
async fn a_future_that_blocked_its_thread_does_not_answer_any_more() {
    let Scene { root, blocker, log, .. } = scene().await;
    let watchdog = watch(&root);
    let (gate, key) = Gate::shut();
    let blocked = blocker.ask(BlockLater(gate), DEADLINE);
    until("a new thread", &root, || generation(&root, BLOCKER) == 2).await;

    drop(key);

    no_zombies(&watchdog.liveness(), &root).await;
    assert_eq!(blocked.await, Err(AskError::Lost));
    assert_eq!(log.take().len(), 1, "the old one was dropped, and that is all");
}

#[tokio::test]
async fn asks_in_flight_end_although_the_thread_never_comes_back() {
    let Scene { root, blocker, .. } = scene().await;
    let _watchdog = watch(&root);
    let (gate, _key) = Gate::shut();
    let asks: Vec<_> = (0..64).map(|_| blocker.ask(Block(gate.clone()), DEADLINE)).collect();
    let hasty = blocker.ask(Generation, Duration::from_millis(1));

    assert_eq!(hasty.await, Err(AskError::Timeout));
    let answers = timeout(DEADLINE, join_all(asks)).await.expect("the asks of `root.blocker` hang");

    assert!(answers.iter().all(|answer| *answer == Err(AskError::Lost)), "{answers:?}");
}

#[tokio::test]
async fn messages_of_the_abandoned_mailbox_leave_their_places_free_for_ever() {
    let Scene { root, place, log, .. } = scene().await;
    let (port, own) = (Port::from_fn(|_| 0), root.clone());
    let factory = move || Blocker { witness: port.clone(), own: own.clone(), log: log.clone() };
    let small = root.spawn(ActorSpec::new("small", "small").mailbox(4), &place, factory).expect("the name is free");
    small.started().await.expect("it starts");
    let watchdog = watch(&root);
    let (gate, key) = Gate::shut();
    small.tell(Block(gate)).expect("there is room");
    until("the handler", &root, || root.tree().children[2].mailbox == 0).await;
    while small.tell(Note).is_ok() {}
    assert_eq!(root.tree().children[2].mailbox, 4);

    until("a new thread", &root, || generation(&root, 2) == 2).await;
    assert_eq!(answer(&small.port(), || Generation, &root).await, 2);
    assert_eq!(root.tree().children[2].mailbox, 0);
    drop(key);
    no_zombies(&watchdog.liveness(), &root).await;
    assert_eq!(small.ask(Generation, SOON).await, Ok(2));
    assert_eq!(root.tree().children[2].mailbox, 0, "and they are not given back twice");
}

#[tokio::test]
async fn the_neighbour_of_a_blocked_actor_restarts_and_pays_nothing_for_it() {
    let Scene { root, place, blocker, .. } = scene().await;
    let strict = Intensity { max: 0, within: Duration::from_secs(3600) };
    let strict = SupervisorSpec { intensity: strict, ..patient("strict", Strategy::OneForOne) };
    let group = root.supervisor(strict).expect("the name is free");
    let neighbour = group.spawn(ActorSpec::new("n", "counter"), &place, || Counter::new("n", &Log::default()));
    let neighbour = neighbour.expect("the name is free");
    assert_eq!(ping(&neighbour).await, Ok(1));
    let _watchdog = watch(&root);
    let (gate, _key) = Gate::shut();

    blocker.tell(Block(gate)).expect("there is room");

    until("a new thread", &root, || generation(&group, 0) == 2).await;
    assert_eq!(answer(&neighbour.port(), || Ping, &root).await, 1, "it starts afresh");
    let node = &group.tree().children[0];
    assert_eq!(node.last_failure.as_deref(), Some("its thread `own` was blocked by `root.blocker`"));
    assert_eq!(root.degraded(), None);
}

#[tokio::test]
async fn a_thread_that_blocks_again_and_again_is_replaced_every_time() {
    let Scene { root, blocker, .. } = scene().await;
    let watchdog = watch(&root);
    let mut keys = Vec::new();
    for again in 2..=4 {
        let (gate, key) = Gate::shut();
        keys.push(key);
        blocker.tell(Block(gate)).expect("there is room");
        until("a new thread", &root, || generation(&root, BLOCKER) == again).await;
        assert_eq!(answer(&blocker.port(), || Generation, &root).await, again);
    }
    assert_eq!(watchdog.liveness().zombies(), 3);
    assert_eq!(watchdog.liveness().trouble(), None);
    drop(keys);
    no_zombies(&watchdog.liveness(), &root).await;
    assert_eq!(blocker.ask(Generation, SOON).await, Ok(4));
}

#[tokio::test]
async fn one_zombie_too_many_is_reported_once_and_to_the_liveness_probe() {
    let Scene { root, blocker, .. } = scene().await;
    let reports = Log::default();
    let to = reports.clone();
    let settings = WatchdogSettings { max_zombies: 1, ..QUICK };
    let watchdog = Watchdog::start(&root, settings, move |text| to.add(text));
    let liveness = watchdog.liveness();
    let mut keys = Vec::new();
    for again in 2..=4 {
        assert_eq!(liveness.trouble().is_some(), again == 4, "{:?}", liveness.trouble());
        let (gate, key) = Gate::shut();
        keys.push(key);
        blocker.tell(Block(gate)).expect("there is room");
        until("a new thread", &root, || liveness.zombies() == again as usize - 1).await;
        assert_eq!(answer(&blocker.port(), || Generation, &root).await, again);
    }

    assert_eq!(reports.take(), ["2 threads are blocked, at most 1 may be"]);
    let trouble = "3 blocked threads, at most 1 are fine";
    assert_eq!(liveness.trouble().as_deref(), Some(trouble));
    drop(keys);
    no_zombies(&liveness, &root).await;
    assert_eq!(liveness.trouble(), None);
}

#[tokio::test]
async fn an_actor_that_blocks_while_it_starts_is_started_on_another_thread() {
    /// Blocks in its first start.
    struct Late(Gate);
    supervised!(Late);
    impl Actor for Late {
        type Context = SupervisedContext<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            if ctx.generation() == 1 {
                self.0.pass();
            }
        }
    }
    let root = threaded_root();
    let watchdog = watch(&root);
    let (gate, key) = Gate::shut();
    let spec = ActorSpec::new("late", "late");
    let late = root.spawn(spec, &Place::arbiter("late"), move || Late(gate.clone())).expect("the name is free");

    timeout(DEADLINE, late.started()).await.expect("`root.late` does not start").expect("it is not removed");

    assert_eq!(generation(&root, 0), 2);
    assert_eq!(root.tree().children[0].last_failure.as_deref(), Some("blocked its thread `late`"));
    drop(key);
    no_zombies(&watchdog.liveness(), &root).await;
    assert_eq!((generation(&root, 0), root.tree().children[0].state.as_str()), (2, "running"));
}

#[tokio::test]
async fn actors_are_spawned_and_removed_while_their_thread_is_blocked() {
    let Scene { root, place, blocker, .. } = scene().await;
    let _watchdog = watch(&root);
    let (gate, _key) = Gate::shut();
    blocker.tell(Block(gate)).expect("there is room");
    let other = root.spawn(ActorSpec::new("o", "counter"), &place, || Counter::new("o", &Log::default()));
    let other = other.expect("the name is free");
    assert!(timeout(DEADLINE, root.remove("blocker")).await.expect("`root.blocker` is not removed"));

    assert_eq!(answer(&other.port(), || Ping, &root).await, 1);
    assert_eq!(blocker.tell(Note), Err(TellError::Terminated));
    assert_eq!(blocker.ask(Note, SOON).await, Err(AskError::Terminated));
    assert_eq!(root.tree().children.len(), 2);
}

#[tokio::test]
async fn a_thread_that_blocks_under_an_injected_fault_is_replaced() {
    let Scene { root, blocker, .. } = scene().await;
    let watchdog = watch(&root);

    drop(root.inject("root.blocker", Fault::Block(Duration::from_secs(2))).expect("it is there"));

    until("a new thread", &root, || generation(&root, BLOCKER) == 2).await;
    assert_eq!(answer(&blocker.port(), || Generation, &root).await, 2);
    no_zombies(&watchdog.liveness(), &root).await;
}

#[tokio::test]
async fn a_supervisor_that_blocks_its_thread_goes_on_on_a_new_one_and_its_children_notice_nothing() {
    let root = threaded_root();
    let group = root.supervisor(patient("group", Strategy::OneForAll)).expect("the name is free");
    let child =
        group.spawn(ActorSpec::new("c", "counter"), &Place::arbiter("own"), || Counter::new("c", &Log::default()));
    let child = child.expect("the name is free");
    assert_eq!(ping(&child).await, Ok(1));
    let watchdog = watch(&root);

    drop(root.inject("root.group", Fault::Block(Duration::from_secs(2))).expect("it is there"));
    until("a new loop", &root, || generation(&root, 0) == 2).await;

    assert_eq!(ping(&child).await, Ok(2));
    drop(root.inject("root.group.c", Fault::Panic).expect("it is there"));
    until("a restart by the new loop", &root, || generation(&group, 0) == 2).await;
    assert_eq!(ping(&child).await, Ok(1));
    no_zombies(&watchdog.liveness(), &root).await;
    assert!(timeout(DEADLINE, root.remove("group")).await.expect("`root.group` is not removed"));
    assert_eq!(ping(&child).await, Err(AskError::Terminated));
}

#[tokio::test]
async fn a_watchdog_that_is_gone_is_noticed() {
    let root = threaded_root();
    let watchdog = watch(&root);
    let liveness = watchdog.liveness();
    assert_eq!(liveness.trouble(), None);
    drop(watchdog);
    until("the alarm", &root, || liveness.trouble().is_some_and(|text| text.contains("no round"))).await;
}
