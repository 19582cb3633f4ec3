//! A full disk: tills get 503 and lose nothing, and once there is space the service goes on by itself.
//! Needs the right to mount a small tmpfs; without it the test fails and says so.

use std::time::Duration;

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
