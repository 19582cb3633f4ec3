//! What proves who we are: a secret id, a wrapped one, a wrong one, and files that change.
//! Every test has a role of its own on the shared server.

use serde_json::json;
use tillstream_supervision::Fault;
use tillstream_vault::VaultError;

use crate::support::{Bench, House, eventually, locally, on_order, shared};

#[tokio::test]
async fn a_wrapped_secret_id_is_unwrapped_once_and_serves_every_later_login_of_this_process() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        let token = house.hand_out_wrapped().await;
        let bench = Bench::start(&house, on_order()).await;

        for _ in 0..2 {
            bench.strike(Fault::Panic).await;
            house.revoke_tokens().await;
            assert!(bench.refresh().await.is_ok());
        }
        assert!(house.logins() >= 3, "{} logins", house.logins());

        let other_process = house.wiring(house.settings(), on_order());
        let refused = other_process.first_tree().await.err().unwrap();
        assert!(matches!(refused, VaultError::WrappingSpent { .. }), "{refused}");
        let text = refused.to_string();
        assert!(text.contains("somebody else") && !text.contains(&token), "{text}");

        house.hand_out_wrapped().await;
        assert!(other_process.first_tree().await.is_ok(), "a new one is taken without a restart");
    })
    .await;
}

#[tokio::test]
async fn a_wrapping_token_that_was_made_for_something_else_is_not_trusted() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        let token = house.bao.wrapped("sys/wrapping/wrap", json!({"secret_id": "of-somebody-else"})).await;
        house.file("secret_id", &token);
        let refused = house.wiring(house.settings(), on_order()).first_tree().await.err().unwrap();
        assert!(matches!(refused, VaultError::WrappingForeign { .. }), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn a_refused_secret_id_is_replaced_in_its_file_without_a_restart() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        house.file("secret_id", "9f3b41a5-0000-0000-0000-000000000000");
        let wiring = house.wiring(house.settings(), on_order());
        assert_eq!(wiring.first_tree().await.err().unwrap(), VaultError::LoginRefused { status: 400 });
        house.file("secret_id", "two words");
        assert!(matches!(wiring.first_tree().await.err().unwrap(), VaultError::Credentials { .. }));
        house.hand_out_secret_id().await;
        assert!(wiring.first_tree().await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_destroyed_secret_id_is_noticed_only_by_the_next_login_which_takes_the_new_one() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        let bench = Bench::start(&house, on_order()).await;
        let password = bench.password();

        house.file("secret_id", "9f3b41a5-0000-0000-0000-000000000000");
        assert!(bench.refresh().await.is_ok(), "the token is still good");
        house.revoke_tokens().await;
        assert!(bench.refresh().await.err().unwrap().to_string().contains("secret id"));
        assert_eq!((bench.password(), bench.is_up()), (password, true));

        house.hand_out_secret_id().await;
        house.rotate("with-the-new-one").await;
        assert!(bench.refresh().await.is_ok());
        eventually("the new password", || bench.password().as_deref() == Some("with-the-new-one")).await;
    })
    .await;
}
