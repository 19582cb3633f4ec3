//! What users of the replaced system suffered when its broker, a process of its own, was not there; one test per defect,
//! numbered as in `old_defects`. All on the Solace backend.

use std::time::{Duration, Instant};

use crate::support::{Sale, Setup, Weather, pause, sum_of};

const SOON: Duration = Duration::from_secs(60);

/// The old publisher sent without guarantee and logged what went wrong; the till had its 200 in any case.
#[tokio::test]
async fn d4_a_200_waits_for_a_broker_and_what_it_promised_survives_everybodys_death() {
    let mut app = Setup::new().behind_a_proxy().setting("validation.publish_timeout", "1s").start().await;
    let sale = Sale::new("STORE_1", 258);

    app.broker().sigkill();
    for _ in 0..3 {
        let answer = app.try_post(&sale).await.expect("an answer");
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(!answer.header("retry-after").is_empty(), "{:?}", answer.headers);
    }
    app.broker().start_again().await;
    app.accept(&sale).await;
    app.sigkill();
    app.start_again().await;

    assert_eq!(app.final_window_of(&sale).await.total_amount, 258);
    app.ledger_balances().await;
}

/// The old publisher gave up for ever after twenty tries of three milliseconds, and went on answering 200.
#[tokio::test]
async fn d5_an_outage_of_seconds_is_told_and_ends_with_the_outage() {
    let mut app = Setup::new().behind_a_proxy().start().await;
    let first = Sale::new("STORE_1", 100);
    app.accept(&first).await;

    app.proxy().set(Weather::Refusing);
    app.until_not_ready(SOON).await;
    let (mut waiting, over) = (Vec::new(), Instant::now() + Duration::from_secs(4));
    while Instant::now() < over {
        let sale = Sale::new("STORE_1", 1);
        let answer = app.try_post(&sale).await.expect("an answer");
        assert_eq!(answer.status, 503, "nobody has the sale: {}", answer.text);
        waiting.push(sale);
        pause(Duration::from_millis(20)).await;
    }
    app.proxy().set(Weather::Fair);
    for sale in &waiting {
        app.accept(sale).await;
    }

    assert!(app.is_alive() && waiting.len() > 20, "{} sales", waiting.len());
    let count = 1 + waiting.len() as u64;
    assert_eq!(sum_of(&app.windows_when_final(count).await), (99 + i64::try_from(count).unwrap(), count));
    app.ledger_balances().await;
}

/// The old aggregation handed its windows over once, without a timeout; whatever went wrong then, they were gone.
#[tokio::test]
async fn d7_windows_are_handed_over_until_validation_has_them_whether_it_hangs_or_is_dead() {
    let mut validation = Setup::new().behind_a_proxy().roles("validation").start().await;
    let other = validation.setup().beside("aggregation").setting("window.validation_url", &validation.url());
    let mut aggregation = other.launch_on(None).await;
    let mut reporting = validation.setup().beside("reporting").launch_on(None).await;
    aggregation.becomes_ready().await;
    reporting.becomes_ready().await;

    let before_it_dies = Sale::new("STORE_1", 100);
    validation.accept(&before_it_dies).await;
    validation.sigkill_service();
    pause(Duration::from_secs(4)).await;
    assert!(reporting.windows().await.iter().all(|window| !window.is_final), "nobody could have published it");
    validation.start_again().await;
    reporting.final_window_of(&before_it_dies).await;
    let before_it_hangs = Sale::new("STORE_2", 200);
    validation.accept(&before_it_hangs).await;
    validation.hangs(Duration::from_secs(6)).await;

    let windows = reporting.windows_when_final(2).await;
    assert_eq!(windows.len(), 2, "{windows:?}");
    assert_eq!(sum_of(&windows), (300, 2));
    reporting.ledger_balances().await;
    assert!(aggregation.is_alive());
}
