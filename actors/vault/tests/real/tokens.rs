//! The life of a token: renewed, replaced near its end, revoked, without a policy, and over the death of its holder.
//! What the server was asked is read in its audit log.

use std::time::Duration;

use tillstream_messages::Leg;
use tillstream_supervision::{Fault, Watchdog, WatchdogSettings};
use tillstream_vault::{REFRESHES, TOKEN_TTL_SECONDS, VaultSettings};
use tokio::time::sleep;

use crate::support::{Bench, House, POS, eventually, every, locally, on_order, shared};

/// Many rounds, so that a busy machine does not look like a blocked thread.
const QUICK: WatchdogSettings = WatchdogSettings {
    every: Duration::from_millis(10),
    hung_after: Duration::from_millis(300),
    blocked_after: Duration::from_millis(600),
    max_zombies: 8,
};

fn forbidden() -> u64 {
    REFRESHES.with_label_values(&["forbidden"]).get()
}

#[tokio::test]
async fn tokens_that_live_for_six_seconds_serve_for_three_such_lives_without_a_reading_lost() {
    locally(async {
        let house = House::with_tokens(shared().await, 2, "2s", "6s").await;
        let bench = Bench::start(&house, every(Duration::from_millis(250))).await;
        let logins = house.logins();

        for number in 0..18 {
            let password = format!("second-{number}");
            house.rotate(&password).await;
            sleep(Duration::from_secs(1)).await;
            bench.refresh().await.unwrap_or_else(|error| panic!("second {number}: {error}"));
            assert_eq!((bench.password().unwrap(), bench.is_up()), (password, true));
        }

        let renewals = house.asked("\"path\":\"auth/token/renew-self\"");
        assert!(renewals >= 3, "{renewals} renewals");
        let more = house.logins() - logins;
        assert!((2..=9).contains(&more), "{more} logins in 18 s");
    })
    .await;
}

#[tokio::test]
async fn a_revoked_token_is_replaced_and_nobody_notices() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        let bench = Bench::start(&house, on_order()).await;
        let logins = house.logins();
        for number in 1..=3 {
            house.revoke_tokens().await;
            house.rotate(&format!("number-{number}")).await;
            assert!(bench.refresh().await.is_ok());
            assert_eq!(bench.password().unwrap(), format!("number-{number}"));
            assert_eq!(house.logins(), logins + number);
        }
    })
    .await;
}

#[tokio::test]
async fn a_withdrawn_policy_costs_nobody_a_password_and_vault_few_logins_until_it_is_given_back() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        let settings = VaultSettings {
            relogin_min: Duration::from_millis(400),
            relogin_max: Duration::from_secs(2),
            ..house.settings()
        };
        let bench = Bench::start_with(settings, every(Duration::from_millis(100))).await;
        let (password, logins, before) = (bench.password(), house.logins(), forbidden());

        house.withdraw_policy().await;
        eventually("twenty refusals", || forbidden() >= before + 20).await;
        let refused = bench.refresh().await.err().unwrap().to_string();
        assert!(refused.contains(&house.mount()), "{refused}");
        assert!(bench.overview().await.trouble.is_some());
        assert_eq!((bench.password(), bench.is_up()), (password, true));
        let more = house.logins() - logins;
        assert!((1..=12).contains(&more), "{more} logins for 20 refusals");

        house.allow().await;
        house.rotate("allowed-again").await;
        bench.hears("allowed-again").await;
        eventually("the trouble to be over", || bench.health.remark_on(Leg::Secrets).is_none()).await;
    })
    .await;
}

#[tokio::test]
async fn an_actor_that_panics_stops_hangs_or_blocks_comes_back_with_its_token_and_its_tree() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        let bench = Bench::start(&house, every(Duration::from_millis(200))).await;
        let _watchdog = Watchdog::start(&bench.root, QUICK, |text| panic!("nobody expects {text}"));
        let logins = house.logins();
        let blocked_for = Duration::from_secs(5);
        let faults = [Fault::Panic, Fault::PanicAfter, Fault::Stop, Fault::Hang, Fault::Block(blocked_for)];
        for (number, fault) in faults.into_iter().enumerate() {
            bench.strike(fault).await;
            let password = format!("after-fault-{number}");
            house.rotate(&password).await;
            bench.hears(&password).await;
            assert_eq!(bench.told().last().unwrap().tree.entries[POS].version, number as u64 + 2);
        }
        assert_eq!(house.logins(), logins, "the token was good all the time");
        eventually("the leg to stand", || bench.is_up()).await;
        eventually("the token's life to be shown", || (1.0..=3_600.0).contains(&TOKEN_TTL_SECONDS.get())).await;
    })
    .await;
}
