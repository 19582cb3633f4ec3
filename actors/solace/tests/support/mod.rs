//! What the tests of this room share: a scripted broker, a consumer that takes notes, and waiting with a deadline.
//! Tests nothing itself.

#![allow(dead_code, reason = "not every test file needs all of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

pub mod bench;
pub mod embedded;
pub mod notebook;
pub mod proxy;
pub mod server;

use std::future::Future;
use std::time::Duration;

use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

/// Far more than anything here takes; who is stuck for so long is named.
pub const WITHIN: Duration = Duration::from_secs(60);

/// Runs a test where actors can be spawned.
pub async fn locally<T>(test: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(test).await
}

/// Waits until it is so.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let waiting = async {
        while !so() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(timeout(WITHIN, waiting).await.is_ok(), "not within {WITHIN:?}: {what}");
}
