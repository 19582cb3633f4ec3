//! Vault away, sealed, frozen, uninitialised or somebody else: what is said, what stays in use, how it ends.
//! These servers are the tests' own, because nobody else could use them meanwhile.

use std::time::Duration;

use tillstream_bao::{Bao, BaoOptions};
use tillstream_messages::{Leg, LegState};
use tillstream_secrets::SecretsSettings;
use tillstream_vault::{VaultError, VaultSettings};

use crate::support::{Bench, House, eventually, every, locally, on_order};

#[tokio::test]
async fn vault_is_uninitialised_then_away_then_sealed_and_killed_and_the_last_good_secrets_outlive_it_all() {
    locally(async {
        let bao = Bao::raft().await;
        let nobody = tempfile::tempdir().unwrap();
        for name in ["role_id", "secret_id"] {
            std::fs::write(nobody.path().join(name), "nobody\n").unwrap();
        }
        let address = bao.address().to_owned();
        let blank = VaultSettings {
            address: address.clone(),
            role_id_file: nobody.path().join("role_id"),
            secret_id_file: nobody.path().join("secret_id"),
            ..VaultSettings::default()
        };
        let starting = tillstream_vault::VaultWiring::new(blank, on_order(), &[], Default::default()).unwrap();
        assert_eq!(starting.first_tree().await.err().unwrap(), VaultError::Uninitialised { address: address.clone() });
        bao.initialise().await;

        let house = House::with_tokens(&bao, 2, "2s", "6s").await;
        bao.kill();
        let wiring = house.wiring(house.settings(), on_order());
        let away = wiring.first_tree().await.err().unwrap();
        assert!(matches!(away, VaultError::Unreachable { .. }), "{away}");
        bao.restart().await;
        assert!(wiring.first_tree().await.is_ok(), "a start that waited goes on by itself");

        let secrets = SecretsSettings { max_age: Duration::from_secs(3), ..every(Duration::from_millis(200)) };
        let bench = Bench::start(&house, secrets).await;
        let password = bench.password();
        bao.seal().await;
        let sealed = bench.refresh().await.err().unwrap().to_string();
        assert!(sealed.contains("unseal"), "{sealed}");
        assert_eq!(bench.password(), password);
        let is_down = || matches!(bench.health.get(Leg::Secrets), LegState::Down(reason) if reason.contains("sealed"));
        eventually("the leg to go down past the maximum age", is_down).await;
        assert_eq!(bench.password(), password, "what to do then is for those who hold it");
        bao.unseal().await;
        house.rotate("after-the-seal").await;
        bench.hears("after-the-seal").await;
        eventually("the leg to stand again", || bench.is_up()).await;

        bao.kill();
        assert!(bench.refresh().await.err().unwrap().to_string().contains("cannot be reached"));
        assert_eq!(bench.password().as_deref(), Some("after-the-seal"));
        bao.restart().await;
        house.rotate("after-the-kill").await;
        bench.hears("after-the-kill").await;
        eventually("the trouble to be over", || bench.health.remark_on(Leg::Secrets).is_none()).await;
    })
    .await;
}

#[tokio::test]
async fn a_vault_that_takes_connections_and_answers_nothing_is_given_up_in_time() {
    locally(async {
        let bao = Bao::dev().await;
        let house = House::on(&bao, 1).await;
        let settings = VaultSettings { timeout: Duration::from_millis(400), ..house.settings() };
        let bench = Bench::start_with(settings, on_order()).await;
        let password = bench.password();

        bao.freeze();
        let refused = bench.refresh().await.err().unwrap().to_string();
        assert!(refused.contains("did not answer"), "{refused}");
        assert_eq!((bench.password(), bench.is_up()), (password, true));
        bao.thaw();

        eventually("a reading after the thaw", || bench.health.remark_on(Leg::Secrets).is_none()).await;
        assert!(bench.refresh().await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn only_a_vault_whose_authority_is_named_is_believed() {
    locally(async {
        let bao = Bao::start(BaoOptions { tls: true, ..BaoOptions::default() }).await;
        bao.initialise().await;
        let house = House::on(&bao, 1).await;
        let first_tree = async |settings: VaultSettings| house.wiring(settings, on_order()).first_tree().await;

        let refused = first_tree(house.settings()).await.err().unwrap();
        assert!(matches!(refused, VaultError::Untrusted { .. }), "{refused}");
        let nowhere = VaultSettings { ca_cert: Some("nowhere.pem".into()), ..house.settings() };
        let refused = first_tree(nowhere).await.err().unwrap();
        assert!(matches!(refused, VaultError::Authorities { .. }), "{refused}");
        let named = VaultSettings { ca_cert: Some(bao.ca_file()), ..house.settings() };
        assert!(first_tree(named).await.is_ok());
    })
    .await;
}
