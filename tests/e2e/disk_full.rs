//! A full disk: tills get 503 and lose nothing, and once there is space the service goes on by itself.
//! Needs the right to mount a small tmpfs; without it the test fails and says so.

use std::time::Duration;

use crate::support::{Sale, Setup, SmallDisk, TestApp, eventually, sum_of};

const SOON: Duration = Duration::from_secs(90);

#[tokio::test]
async fn a_full_disk_refuses_sales_keeps_what_was_accepted_and_heals_without_a_restart() {
    let setup = Setup::new();
    let disk = SmallDisk::mount(&setup.home().join("disk"), 192);
    let app = setup.data(&disk.folder().join("data")).start().await;
    let mut accepted = vec![Sale::new("STORE_1", 100)];
    app.accept(&accepted[0]).await;

    disk.fill();
    let refused = post_until_refused(&app, &mut accepted).await;
    until_not_ready(&app).await;
    disk.make_room();
    accepted.push(refused);
    app.accept(accepted.last().unwrap()).await;

    let windows = app.windows_when_final(u64::try_from(accepted.len()).unwrap()).await;
    assert_eq!(sum_of(&windows).0, accepted.iter().map(|sale| sale.cents).sum::<i64>());
    app.ledger_balances().await;
}

/// What is answered with 200 is remembered; the first sale that is not comes back.
async fn post_until_refused(app: &TestApp, accepted: &mut Vec<Sale>) -> Sale {
    eventually("a 503 on a full disk", SOON, async || {
        let sale = Sale::new("STORE_2", 10);
        let answer = app.try_post(&sale).await.expect("an answer, even on a full disk");
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
async fn until_not_ready(app: &TestApp) {
    eventually("readiness to turn 503 on a full disk", SOON, async || {
        let ready = app.get("/health/ready", "").await;
        if ready.status == 503 { Ok(()) } else { Err(ready.text) }
    })
    .await;
}
