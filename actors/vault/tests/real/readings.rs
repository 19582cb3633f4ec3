//! What stands in Vault and what the process knows of it: read, rotated, added, deleted, spoilt.
//! Every test has a tree of its own on the shared server.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tillstream_vault::{REFRESHES, VaultError, VaultSettings};
use tokio::time::sleep;

use crate::support::{Bench, House, POS, eventually, every, locally, on_order, shared, user};

const BISTRO: &str = "validation-service/creds/bistro";

#[tokio::test]
async fn both_versions_of_the_store_give_the_same_tree_and_everybody_is_told_it() {
    locally(async {
        for version in [1, 2] {
            let house = House::on(shared().await, version).await;
            let bench = Bench::start(&house, on_order()).await;
            bench.hears(&bench.password().unwrap()).await;
            let tree = bench.wiring.last_good().tree();
            assert_eq!(tree.expose(POS, "role"), Some("pos"));
            assert_eq!(tree.entries.len(), 13, "{:?}", tree.entries.keys());
            assert!(bench.is_up());
        }
    })
    .await;
}

#[tokio::test]
async fn the_version_of_the_store_may_be_said_instead_of_asked_for() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        let settings = VaultSettings { kv_version: Some(2), ..house.settings() };
        let bench = Bench::start_with(settings, on_order()).await;
        assert!(bench.password().is_some());
        assert_eq!(house.asked(&format!("sys/internal/ui/mounts/{}", house.mount())), 0);
    })
    .await;
}

#[tokio::test]
async fn a_rotated_password_is_in_use_when_the_refresh_is_answered() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        let bench = Bench::start(&house, on_order()).await;

        house.rotate("a-new-password").await;
        let refreshed = bench.refresh().await.unwrap();

        assert_eq!((refreshed.changed, refreshed.kept), (vec![POS.to_owned()], vec![]));
        assert_eq!(bench.password().unwrap(), "a-new-password");
        bench.hears("a-new-password").await;
        assert_eq!(bench.told().last().unwrap().changed, [POS]);
        assert_eq!(bench.told().last().unwrap().tree.entries[POS].version, 2);
    })
    .await;
}

#[tokio::test]
async fn a_rotated_password_is_found_without_anybody_asking() {
    locally(async {
        let house = House::on(shared().await, 1).await;
        let bench = Bench::start(&house, every(Duration::from_millis(200))).await;
        house.put_as(1, POS, user("pos-service_username", "found-by-polling")).await;
        bench.hears("found-by-polling").await;
    })
    .await;
}

#[tokio::test]
async fn an_additional_user_comes_with_its_path_and_goes_with_it() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        let bench = Bench::start(&house, on_order()).await;

        house.put(BISTRO, user("bistro", "of-the-bistro")).await;
        assert_eq!(bench.refresh().await.unwrap().changed, [BISTRO]);
        assert_eq!(bench.wiring.last_good().tree().expose(BISTRO, "password"), Some("of-the-bistro"));

        // Only the newest version: the path is still listed.
        house.delete(BISTRO).await;
        let refreshed = bench.refresh().await.unwrap();
        assert_eq!((refreshed.changed, refreshed.kept), (vec![BISTRO.to_owned()], vec![]));
        assert!(!bench.wiring.last_good().tree().entries.contains_key(BISTRO));
    })
    .await;
}

#[tokio::test]
async fn a_needed_path_that_is_deleted_keeps_its_last_good_value_and_says_so() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        let bench = Bench::start(&house, on_order()).await;
        let (password, missing) = (bench.password(), REFRESHES.with_label_values(&["missing"]).get());

        house.destroy(POS).await;
        let refreshed = bench.refresh().await.unwrap();

        assert_eq!((refreshed.changed, refreshed.kept), (vec![], vec![POS.to_owned()]));
        assert_eq!(bench.password(), password);
        assert!(bench.overview().await.trouble.unwrap().contains(POS));
        assert!(REFRESHES.with_label_values(&["missing"]).get() > missing);
        assert!(bench.is_up());

        house.rotate("written-again").await;
        assert_eq!(bench.refresh().await.unwrap().changed, [POS]);
        assert_eq!(bench.overview().await.trouble, None);
    })
    .await;
}

#[tokio::test]
async fn a_malformed_path_keeps_its_last_good_value_and_others_change_all_the_same() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        let bench = Bench::start(&house, on_order()).await;
        let (password, malformed) = (bench.password(), REFRESHES.with_label_values(&["malformed"]).get());
        let spoilt = [
            json!({"username": "pos-service_username", "password": "", "role": "pos"}),
            json!({"username": "pos-service_username", "password": 4711, "role": "pos"}),
            json!({"username": "pos-service_username", "role": "pos"}),
            json!({}),
            // What no door would take as a user is as good as nothing.
            json!({"username": "pos-service_username", "password": "word", "role": "Pos"}),
            json!({"username": "pos:service", "password": "word", "role": "pos"}),
            json!({"username": "pos-service_username", "password": "x".repeat(400), "role": "pos"}),
        ];
        for (number, values) in spoilt.into_iter().enumerate() {
            house.put(POS, values).await;
            house.put(BISTRO, user("bistro", &format!("number-{number}"))).await;

            let refreshed = bench.refresh().await.unwrap();

            assert_eq!((refreshed.changed, refreshed.kept), (vec![BISTRO.to_owned()], vec![POS.to_owned()]));
            assert_eq!(bench.password(), password);
            let trouble = bench.overview().await.trouble.unwrap();
            assert!(trouble.contains(POS) && !trouble.contains("4711"), "{trouble}");
        }
        assert!(REFRESHES.with_label_values(&["malformed"]).get() >= malformed + 7);
    })
    .await;
}

#[tokio::test]
async fn a_mount_that_is_gone_deletes_nobody_though_every_path_answers_that_nothing_is_there() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        house.put(BISTRO, user("bistro", "word")).await;
        // Nobody asks how it is mounted, which would be refused.
        let settings = VaultSettings { kv_version: Some(2), ..house.settings() };
        let bench = Bench::start_with(settings, on_order()).await;
        assert!(bench.wiring.last_good().tree().entries.contains_key(BISTRO));

        house.unmount().await;
        let refused = bench.refresh().await;

        assert!(refused.is_err(), "{refused:?}");
        assert!(bench.wiring.last_good().tree().entries.contains_key(BISTRO));
    })
    .await;
}

#[tokio::test]
async fn a_start_names_the_path_that_is_not_there_or_is_spoilt_and_succeeds_when_it_is_repaired() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        let wiring = house.wiring(house.settings(), on_order());
        let place = format!("{}/{POS}", house.mount());

        house.destroy(POS).await;
        assert_eq!(wiring.first_tree().await.err().unwrap(), VaultError::Missing { path: place.clone() });
        house.put(POS, json!({"username": "u", "password": "", "role": "pos"})).await;
        let refused = wiring.first_tree().await.err().unwrap();
        assert!(matches!(&refused, VaultError::Malformed { path, .. } if *path == place), "{refused}");
        house.rotate("repaired").await;
        assert_eq!(wiring.first_tree().await.unwrap().expose(POS, "password"), Some("repaired"));
    })
    .await;
}

#[tokio::test]
async fn the_overview_says_who_holds_what_since_when_and_never_a_value() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        let bench = Bench::start(&house, on_order()).await;
        house.rotate("canary-of-the-overview").await;
        bench.refresh().await.unwrap();

        let overview = bench.overview().await;

        assert_eq!((overview.source, overview.secrets.len()), ("vault", 13));
        assert!(overview.next_refresh > overview.confirmed_at);
        let pos = overview.secrets.iter().find(|secret| secret.path == POS).unwrap();
        assert_eq!((pos.version, pos.holders.as_slice()), (2, ["listener".to_owned()].as_slice()));
        assert!(!format!("{overview:?}").contains("canary"));
    })
    .await;
}

#[tokio::test]
async fn whoever_asks_gets_a_reading_that_began_after_the_question() {
    locally(async {
        // The path that a reading comes to first: one that is under way has it already.
        const FIRST: &str = "message-broker/config";
        let house = House::on(shared().await, 2).await;
        // What comes after it keeps the reading under way for long.
        for number in 0..60 {
            house.put(&format!("validation-service/creds/till-{number}"), user("till", "password")).await;
        }
        let bench = Bench::start(&house, every(Duration::from_millis(5))).await;
        let tree = bench.wiring.last_good().tree();
        let keys: Vec<&str> = tree.entries[FIRST].key_names().collect();
        for number in 0..20 {
            let value = format!("number-{number}");
            let values: Map<String, Value> = keys.iter().map(|&key| (key.to_owned(), json!(value))).collect();
            // At another moment of the reading each time.
            sleep(Duration::from_millis(number)).await;
            house.put(FIRST, Value::Object(values)).await;
            let (one, other) = tokio::join!(bench.refresh(), bench.refresh());
            assert!(one.is_ok() && other.is_ok());
            assert_eq!(bench.wiring.last_good().tree().expose(FIRST, "msg_vpn"), Some(value.as_str()));
        }
        eventually("the leg to stand", || bench.is_up()).await;
    })
    .await;
}

#[tokio::test]
async fn a_reading_that_is_refused_half_way_takes_nothing() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        let bench = Bench::start(&house, on_order()).await;
        let password = bench.password();
        let forbidden = format!("{}/data/otel-collector/config", house.mount());

        house.allow_with(&format!("path \"{forbidden}\" {{ capabilities = [\"deny\"] }}")).await;
        house.rotate("of-the-other-half").await;
        let refused = bench.refresh().await.err().unwrap().to_string();

        assert!(refused.contains("otel-collector/config"), "{refused}");
        assert_eq!(bench.password(), password);
        house.allow().await;
        assert_eq!(bench.refresh().await.unwrap().changed, [POS]);
    })
    .await;
}
