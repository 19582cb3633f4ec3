//! A full disk: tills get 503 and lose nothing, and once there is space the service goes on by itself.
//! Needs the right to mount a small tmpfs; without it the test fails and says so.

use std::time::Duration;

#[cfg(feature = "solace")]
use crate::support::eventually;
use crate::support::{Sale, Setup, SmallDisk, sum_of};

const SOON: Duration = Duration::from_secs(90);

#[tokio::test]
async fn a_full_disk_refuses_sales_keeps_what_was_accepted_and_heals_without_a_restart() {
    let setup = Setup::new();
    let disk = SmallDisk::mount(&setup.home().join("disk"), 192);
    let app = setup.data(&disk.folder().join("data")).start().await;
    let mut accepted = vec![Sale::new("STORE_1", 100)];
    app.accept(&accepted[0]).await;

    disk.fill();
    let refused = app.post_until_refused(&mut accepted, SOON).await;
    app.until_not_ready(SOON).await;
    disk.make_room();
    accepted.push(refused);
    app.accept(accepted.last().unwrap()).await;

    let windows = app.windows_when_final(u64::try_from(accepted.len()).unwrap()).await;
    assert_eq!(sum_of(&windows).0, accepted.iter().map(|sale| sale.cents).sum::<i64>());
    app.ledger_balances().await;
}

/// A broker alone has no health page; how much is free changes with every look and is said once.
#[cfg(feature = "solace")]
#[tokio::test]
async fn a_broker_alone_says_once_that_it_takes_nothing_and_once_that_it_does_again() {
    const IN_TROUBLE: &str = "\"the broker takes no messages\"";
    const WELL: &str = "\"the broker takes messages\"";
    let setup = Setup::new().behind_a_proxy();
    let disk = SmallDisk::mount(&setup.home().join("disk"), 192);
    let mut app = setup.data(&disk.folder().join("data")).start().await;
    app.accept(&Sale::new("STORE_1", 100)).await;

    for round in 1..=2 {
        disk.fill();
        app.post_until_refused(&mut Vec::new(), SOON).await;
        says(&mut app, IN_TROUBLE, round).await;
        for free in 1..=8 {
            disk.leave(free * 4096);
            crate::support::pause(Duration::from_millis(300)).await;
        }
        disk.make_room();
        says(&mut app, WELL, round).await;
    }
    for text in [IN_TROUBLE, WELL] {
        assert_eq!(app.broker().printed().matches(text).count(), 2, "{text}: {}", app.broker().printed());
    }
}

#[cfg(feature = "solace")]
async fn says(app: &mut crate::support::TestApp, text: &str, times: usize) {
    eventually(&format!("the broker to say `{text}`"), SOON, async || {
        let printed = app.broker().printed();
        if printed.matches(text).count() >= times { Ok(()) } else { Err(printed) }
    })
    .await;
}
