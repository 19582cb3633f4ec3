//! Futures that an actor spawns: each one is polled, whoever spawned it and when.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use actix::{Actor, ActorFutureExt, AsyncContext, WrapFuture};
use common::{on_one_thread, patient_root, settle};
use tillstream_supervision::{ActorSpec, Place, Strategy, SupervisedContext, supervised};

/// Waits for something that does not come, and does two things one after the other.
struct Busy {
    second_done: Arc<AtomicBool>,
}

supervised!(Busy);
impl Actor for Busy {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(std::future::pending::<()>().into_actor(self));
        let first = tokio::task::yield_now().into_actor(self);
        ctx.spawn(first.map(|(), actor, ctx| {
            let done = Arc::clone(&actor.second_done);
            ctx.spawn(async move { done.store(true, SeqCst) }.into_actor(actor));
        }));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_finishing_future_spawns_is_done_although_nothing_else_wakes_the_actor() {
    on_one_thread(async {
        let second_done = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&second_done);
        let root = patient_root(Strategy::OneForOne);
        let spec = ActorSpec::new("busy", "busy");
        let busy = root.spawn(spec, &Place::here(), move || Busy { second_done: Arc::clone(&noted) });
        busy.expect("the name is free").started().await.expect("it starts");

        settle().await;

        assert!(second_done.load(SeqCst), "stuck: the second future was never polled");
    })
    .await;
}
