//! Waiting that ends: every wait has a deadline and says what it waited for and what it last saw.
//! Asserts no time: a deadline is long, and only a stuck service reaches it.

use std::time::{Duration, Instant};

/// Between two probes.
const STEP: Duration = Duration::from_millis(50);

/// Probes until it succeeds; panics after `within` with what was last seen, which is the probe's error.
pub async fn eventually<T>(what: &str, within: Duration, mut probe: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + within;
    loop {
        match probe().await {
            Ok(found) => return found,
            Err(seen) if Instant::now() >= deadline => panic!("stuck: waited {within:?} for {what}; last seen: {seen}"),
            Err(_) => pause(STEP).await,
        }
    }
}

/// Lets time pass where the test is about time passing.
pub async fn pause(length: Duration) {
    tokio::time::sleep(length).await;
}
