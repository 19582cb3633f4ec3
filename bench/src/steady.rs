//! Posts sales at a constant rate over 64 connections and measures each answer from the moment it was due to be sent.
//! A server that stalls is thereby charged for everything that had to wait, not only for what was on the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::child::Measured;
use crate::client::{Connection, sale};

const CONNECTIONS: usize = 64;

/// What to send. The same run and number are the same sale.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Keeps the ids of several runs apart.
    pub run: u32,
    /// How many sales.
    pub count: u64,
    /// Sales per second; none for as fast as answers come.
    pub rate: Option<f64>,
    /// Over how many stores they are spread.
    pub stores: u64,
    /// When they were rung up.
    pub times: Times,
}

/// When sales were rung up.
#[derive(Debug, Clone, Copy)]
pub enum Times {
    /// When they are sent.
    Now,
    /// Each store's first then, and each further one so much later.
    From(DateTime<Utc>, TimeDelta),
}

/// What came back.
#[derive(Debug, Default)]
pub struct Answers {
    /// From due to answered, sorted.
    pub latencies: Vec<Duration>,
    /// Answers other than 200; each was sent again until it was one.
    pub refused: u64,
}

impl Answers {
    /// The latency that this share of answers did not exceed.
    pub fn percentile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        let index = ((self.latencies.len() as f64 * share).ceil() as usize).saturating_sub(1);
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

/// Sends the load and waits for all answers.
pub async fn post(target: &Measured, load: Load) -> Result<Answers> {
    let (next, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut tills = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let connection = Connection::open(&target.address, &target.authorization).await?;
        tills.spawn(till(connection, load, Arc::clone(&next), start));
    }
    let mut all = Answers::default();
    while let Some(answers) = tills.join_next().await {
        let answers = answers??;
        all.refused += answers.refused;
        all.latencies.extend(answers.latencies);
    }
    all.latencies.sort_unstable();
    Ok(all)
}

async fn till(mut connection: Connection, load: Load, next: Arc<AtomicU64>, start: Instant) -> Result<Answers> {
    let mut answers = Answers::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= load.count {
            return Ok(answers);
        }
        let due = load.rate.map_or_else(Instant::now, |rate| start + offset(number, rate));
        sleep_until(due).await;
        let body = sale(load.run, number, load.stores, load.time(number));
        while connection.post(&body).await? != 200 {
            answers.refused += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        answers.latencies.push(due.elapsed());
    }
}

impl Load {
    fn time(&self, number: u64) -> DateTime<Utc> {
        match self.times {
            Times::Now => Utc::now(),
            Times::From(first, step) => first + step * i32::try_from(number / self.stores).unwrap_or(i32::MAX),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 sales")]
fn offset(number: u64, rate: f64) -> Duration {
    Duration::from_secs_f64(number as f64 / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_percentile_of_a_hundred_is_the_99th() {
        let latencies = (1..=100).map(Duration::from_millis).collect();
        let answers = Answers { latencies, refused: 0 };
        assert_eq!(answers.percentile(0.99), Duration::from_millis(99));
        assert_eq!(answers.percentile(0.5), Duration::from_millis(50));
        assert_eq!(Answers::default().percentile(0.99), Duration::ZERO);
    }
}
