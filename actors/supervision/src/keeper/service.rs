//! The task in which the loop of a supervisor runs: catches its panics, starts it again in place, and ends when another
//! thread has taken over. Knows nothing of children; what a fresh loop finds and repairs is in `keeper`.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::Instant;

use super::core::Core;
use super::{Keeper, Op};
use crate::exit::{Exit, Failure, drop_quietly, panic_text};
use crate::fault::Fault;
use crate::place::Place;
use crate::tenant::{Stuck, Tenant};
use crate::vitals::Vitals;

/// The right to run the loop of a supervisor on one thread.
struct Tenure {
    core: Arc<Core>,
    vitals: Arc<Vitals>,
    /// Of the loop that runs now; grows when it is started again in place.
    epoch: u64,
    /// Why the loop was moved here, until that is counted.
    moved: Option<Exit>,
}

impl Tenure {
    fn is_over(&self) -> bool {
        !self.core.is_current(self.epoch)
    }
}

impl Drop for Tenure {
    /// Whatever the reason, nobody serves here any more.
    fn drop(&mut self) {
        self.vitals.end();
        if !self.is_over() {
            self.core.close();
        }
    }
}

pub(crate) struct Service {
    tenure: Tenure,
    /// The loop; none before its first turn and between two of them.
    turn: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// Number of the future that never ends, once such a one was injected; else 0.
    hung_in: u64,
}

/// How a turn came to its end.
enum End {
    /// Shut down.
    Over,
    Hung(Stuck),
}

impl Service {
    /// Starts the loop of that number on a thread of `place`. If that thread is gone, the supervisor is closed.
    pub(crate) fn house(core: &Arc<Core>, place: &Place, epoch: u64, moved: Option<Exit>) {
        let vitals = Arc::new(Vitals::default());
        let tenure = Tenure { core: Arc::clone(core), vitals: Arc::clone(&vitals), epoch, moved };
        let tenant: Arc<dyn Tenant> = Arc::clone(core) as _;
        let start = move || drop(spawn_local(Service { tenure, turn: None, hung_in: 0 }));
        // A job that is refused is dropped, and its tenure says so to everybody.
        let _ = place.house(Arc::downgrade(&tenant), vitals, start);
    }

    fn advance(&mut self, task: &mut Context<'_>) -> Poll<End> {
        self.suffer();
        if self.tenure.is_over() {
            return Poll::Pending; // It blocked, and orders and events are a successor's by now.
        }
        let Tenure { core, vitals, epoch, moved } = &mut self.tenure;
        if self.hung_in != 0 {
            // What never ends ends only when the watchdog has found it.
            let found = core.take_stuck().filter(|stuck| stuck.is_still(vitals));
            return found.map_or(Poll::Pending, |stuck| Poll::Ready(End::Hung(stuck)));
        }
        let turn = self.turn.get_or_insert_with(|| {
            let not_before = moved.take().map(|exit| core.failed(&exit));
            turn(core, *epoch, not_before)
        });
        turn.as_mut().poll(task).map(|()| End::Over)
    }

    /// Carries out an armed fault.
    fn suffer(&mut self) {
        let core = &self.tenure.core;
        match core.fault.take_before(&core.generation) {
            None | Some(Fault::PanicAfter) => {}
            Some(Fault::Panic) => panic!("injected fault: panic"),
            Some(Fault::Stop) => drop(core.order(Op::Stop)),
            Some(Fault::Hang) => {
                self.hung_in = self.tenure.epoch;
                self.tenure.vitals.waits_for(self.hung_in);
            }
            Some(Fault::Block(time)) => {
                let generation = core.generation();
                block(time);
                if !self.tenure.is_over() {
                    core.fault.passed(generation);
                }
            }
        }
    }

    /// Starts the loop again here, unless it is none of this thread's business any more.
    fn restart(&mut self, exit: &Exit) {
        drop_quietly(self.turn.take());
        self.hung_in = 0;
        self.tenure.vitals.waits_no_more();
        let core = &self.tenure.core;
        let Some(epoch) = core.succeed(self.tenure.epoch) else { return };
        self.tenure.epoch = epoch;
        let not_before = core.failed(exit);
        self.turn = Some(turn(core, epoch, Some(not_before)));
    }

    fn failure(&self, text: String) -> Failure {
        Failure { origin: self.tenure.core.path.clone(), text, message: None }
    }
}

impl Future for Service {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if !this.tenure.is_over() {
            this.tenure.core.register(task.waker()); // Otherwise the waker there is that of a successor.
        }
        let vitals = Arc::clone(&this.tenure.vitals);
        vitals.set_up(true);
        loop {
            if this.tenure.is_over() {
                drop_quietly(this.turn.take());
                return Poll::Ready(());
            }
            match vitals.during(|| catch_unwind(AssertUnwindSafe(|| this.advance(task)))) {
                Ok(Poll::Pending) if this.tenure.is_over() => {}
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(End::Over)) => return Poll::Ready(()),
                Ok(Poll::Ready(End::Hung(stuck))) => this.restart(&Exit::Hung(this.failure(stuck.to_string()))),
                Err(payload) => this.restart(&Exit::Panicked(this.failure(panic_text(payload)))),
            }
        }
    }
}

fn turn(core: &Arc<Core>, epoch: u64, not_before: Option<Instant>) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(Keeper::new(Arc::clone(core), epoch).serve(not_before))
}

#[expect(clippy::disallowed_methods, reason = "the fault is that the thread really sleeps")]
fn block(time: Duration) {
    std::thread::sleep(time);
}
