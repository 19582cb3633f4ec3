//! A timer that ticks once after a stall instead of making up for every tick it missed.
//! Replaces the interval of actix, whose burst makes heartbeats lie.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix::{Actor, ActorFuture};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

pub(crate) struct Every<F> {
    ticks: Interval,
    call: F,
}

impl<F> Every<F> {
    pub(crate) fn new(period: Duration, call: F) -> Self {
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, call }
    }
}

impl<F> Unpin for Every<F> {}

impl<A, F> ActorFuture<A> for Every<F>
where
    A: Actor,
    F: FnMut(&mut A, &mut A::Context),
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, actor: &mut A, ctx: &mut A::Context, task: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            ready!(this.ticks.poll_tick(task));
            (this.call)(actor, ctx);
        }
    }
}
