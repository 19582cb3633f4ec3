//! The load: seeded sales at an even pace, many under way at a time, each until its fate is known.
//! Does not judge; the book holds what became of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::pace::Pace;
use crate::sale::Sales;
use crate::till::Till;

/// Sales are sent in small groups.
const TICK: Duration = Duration::from_millis(5);
/// Connections at most; a sale that waits for its retry holds none.
const CONNECTIONS: usize = 384;
/// Sales under way at most, by seconds of the load: then the tills wait, and memory stays bounded.
const SECONDS_UNDER_WAY: usize = 2;

/// A load that runs as long as this lives.
#[derive(Debug)]
pub(crate) struct Load {
    till: Till,
    sales: Sales,
    pace: Pace,
    most: usize,
    posts: JoinSet<()>,
}

/// A bound for the connections of one run.
pub(crate) fn connections() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(CONNECTIONS))
}

impl Load {
    /// So many sales per second through this till.
    pub(crate) fn new(till: Till, sales: Sales, rate: u32) -> Self {
        let most = (usize::try_from(rate).unwrap_or(usize::MAX).saturating_mul(SECONDS_UNDER_WAY)).clamp(64, 8_192);
        Self { till, sales, pace: Pace::new(rate), most, posts: JoinSet::new() }
    }

    /// Sends until told to end, then waits for the answers that are owed; true when all have come.
    pub(crate) async fn run(mut self, mut end: watch::Receiver<bool>, patience: Duration) -> bool {
        let started = Instant::now();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = end.wait_for(|is_over| *is_over) => break,
                _ = tick.tick() => self.send_due(started.elapsed()),
            }
        }
        timeout(patience, async { while self.posts.join_next().await.is_some() {} }).await.is_ok()
    }

    fn send_due(&mut self, elapsed: Duration) {
        while self.posts.try_join_next().is_some() {}
        for _ in 0..self.pace.due(elapsed) {
            if self.posts.len() >= self.most {
                return;
            }
            self.pace.sent();
            self.posts.spawn(self.till.clone().sell(self.sales.draw()));
        }
    }
}
