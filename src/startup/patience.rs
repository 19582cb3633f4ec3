//! Waiting at the start for something that a server has: it is tried again and again, and health says why it is not there.
//! Gives up never; whoever started the process decides how long that makes sense.

use tillstream_messages::{HealthBoard, Leg, LegState};
use tillstream_posting::pause;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::http::awaited;
use crate::settings::Settings;

/// What the attempt has brought in the end. While there is nothing, its leg is down and says why; each reason is logged once.
pub async fn until_it_works<T>(
    leg: Leg,
    settings: &Settings,
    board: &HealthBoard,
    attempt: impl AsyncFn() -> anyhow::Result<T>,
) -> T {
    let (what, first, longest) = (awaited(leg), settings.vault.retry_min, settings.vault.retry_max);
    board.set(leg, LegState::Down("there is no answer yet".to_owned()));
    let (mut attempts, mut logged) = (0, String::new());
    loop {
        let reason = match attempt().await {
            Ok(found) => break found_at_last(what, attempts, found),
            Err(reason) => format!("{reason:#}"),
        };
        attempts += 1;
        let news = without_numbers(&reason);
        if news != logged {
            warn!(%reason, "waiting for {what}");
        }
        board.set(leg, LegState::Down(reason));
        logged = news;
        sleep(pause(first, longest, attempts, None)).await;
    }
}

fn found_at_last<T>(what: &str, attempts: u32, found: T) -> T {
    if attempts > 0 {
        info!(attempts, "waited for {what}, and have it");
    }
    found
}

/// Seconds that pass are no other reason.
fn without_numbers(reason: &str) -> String {
    reason.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use anyhow::bail;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_attempt_is_repeated_with_longer_and_longer_pauses_and_health_says_why() {
        let (settings, board, attempts) = (Settings::default(), HealthBoard::default(), Cell::new(0));
        let begun = Instant::now();
        let attempt = async || {
            attempts.set(attempts.get() + 1);
            if attempts.get() < 20 {
                bail!("the server is sealed");
            }
            assert_eq!(board.get(Leg::Secrets), LegState::Down("the server is sealed".to_owned()));
            Ok(attempts.get())
        };

        assert_eq!(until_it_works(Leg::Secrets, &settings, &board, attempt).await, 20);

        let most = settings.vault.retry_max * 20;
        assert!(begun.elapsed() > Duration::from_secs(60) && begun.elapsed() < most, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_reason_with_other_numbers_is_no_news() {
        assert_eq!(
            without_numbers("forbidden: another login in 10 s"),
            without_numbers("forbidden: another login in 9 s")
        );
        assert_ne!(without_numbers("the server is sealed"), without_numbers("the server cannot be reached"));
    }
}
