//! A service that cannot take sales for a while, as tills and a balancer see it.
//! Does not cause the trouble; the test does.

use std::time::Duration;

use super::{Sale, TestApp, eventually};

impl TestApp {
    /// Posts one sale after another until one is refused, which comes back; what was answered with 200 is remembered.
    pub async fn post_until_refused(&self, accepted: &mut Vec<Sale>, within: Duration) -> Sale {
        eventually("a 503", within, async || {
            let sale = Sale::new("STORE_2", 10);
            let answer = self.try_post(&sale).await.expect("an answer, whatever is wrong");
            if answer.status == 503 {
                assert!(!answer.header("retry-after").is_empty(), "{:?}", answer.headers);
                return Ok(sale);
            }
            assert_eq!(answer.status, 200, "{}", answer.text);
            accepted.push(sale);
            Err(format!("{} sales accepted", accepted.len()))
        })
        .await
    }

    /// Readiness follows the broker's word within its next look.
    pub async fn until_not_ready(&self, within: Duration) {
        eventually("readiness to turn 503", within, async || {
            let ready = self.get("/health/ready", "").await;
            if ready.status == 503 { Ok(()) } else { Err(ready.text) }
        })
        .await;
    }
}
