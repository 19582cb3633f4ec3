//! Threads and futures that come back just when the watchdog gives them up: whoever wins, nothing may be left behind.
//! Chance decides what each message does; the interleaving is the machine's, so a failure may need several runs.

mod common;

use std::time::Duration;

use actix::{Actor, AsyncContext, Handler, Message, MessageResult, WrapFuture};
use common::threads::{DEADLINE, answer, until};
use common::{Ping, patient};
use tillstream_supervision::{
    ActorSpec, AskError, Handle, Node, Place, Port, Strategy, SupervisedContext, Supervisor, Watchdog,
    WatchdogSettings, supervised,
};
use tokio::task::JoinSet;
use tokio::time::sleep;

const MESSAGES: usize = 1500;

/// Takes everybody for blocked or hung who does nothing for a few milliseconds.
const HASTY: WatchdogSettings = WatchdogSettings {
    every: Duration::from_millis(1),
    hung_after: Duration::from_millis(3),
    blocked_after: Duration::from_millis(3),
    max_zombies: usize::MAX,
};

/// Passes each message on to its neighbour, after as long as the message says.
struct Erratic {
    next: Port<Ping>,
}
supervised!(Erratic);
impl Actor for Erratic {
    type Context = SupervisedContext<Self>;
}

#[derive(Message)]
#[rtype(result = "u64")]
enum Take {
    /// In the thread.
    Block(Duration),
    /// As a future that everything waits for.
    Wait(Duration),
}

impl Handler<Take> for Erratic {
    type Result = MessageResult<Take>;
    fn handle(&mut self, take: Take, ctx: &mut Self::Context) -> Self::Result {
        match take {
            Take::Block(time) => block(time),
            Take::Wait(time) => ctx.wait(sleep(time).into_actor(self)),
        }
        let _ = self.next.tell(Ping);
        MessageResult(ctx.generation())
    }
}

impl Handler<Ping> for Erratic {
    type Result = u64;
    fn handle(&mut self, _: Ping, ctx: &mut Self::Context) -> u64 {
        ctx.generation()
    }
}

#[expect(clippy::disallowed_methods, reason = "that a thread really sleeps is what is tested")]
fn block(time: Duration) {
    std::thread::sleep(time);
}

#[tokio::test]
async fn whoever_comes_back_just_when_it_is_given_up_leaves_everything_in_order() {
    let root = Supervisor::root(patient("root", Strategy::OneForOne), &Place::arbiter("control"));
    let places = [Place::arbiter("left"), Place::arbiter("right")];
    let (mut actors, mut next) = (Vec::<Handle<Erratic>>::new(), Port::from_fn(|Ping| 0));
    for number in 0..6 {
        let spec = ActorSpec::new(format!("a{number}"), "erratic");
        let factory = move || Erratic { next: next.clone() };
        let actor = root.spawn(spec, &places[number % 2], factory).expect("the name is free");
        next = actor.port();
        actors.push(actor);
    }
    let watchdog = Watchdog::start(&root, HASTY, |text| panic!("nobody expects {text}"));

    let (mut asks, mut answers, mut lost) = (JoinSet::new(), 0, 0);
    for _ in 0..MESSAGES {
        let time = Duration::from_micros(fastrand::u64(0..8_000));
        let take = if fastrand::bool() { Take::Block(time) } else { Take::Wait(time) };
        asks.spawn(actors[fastrand::usize(..actors.len())].ask(take, DEADLINE));
        while asks.len() > 8
            && let Some(ended) = asks.join_next().await
        {
            match ended.expect("asking does not panic") {
                Ok(_) => answers += 1,
                Err(AskError::Lost) => lost += 1,
                Err(other) => panic!("neither answered nor lost but: {other}"),
            }
        }
    }
    asks.shutdown().await;
    drop(watchdog); // Now everybody may take its time.

    assert!(answers > 0 && lost > 0, "{answers} answers, {lost} lost");
    for actor in &actors {
        answer(&actor.port::<Ping>(), || Ping, &root).await;
    }
    let in_order = |node: &Node| node.state == "running" && node.mailbox == 0;
    until("everybody at rest", &root, || root.tree().children.iter().all(in_order)).await;
    let report = root.shutdown().await;
    assert_eq!((report.stopped.len(), report.terminated.len()), (6, 0), "{report:?}");
}
