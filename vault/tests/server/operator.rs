//! An operator's day: passwords are rotated, logins renewed, and a wrapped secret id is given out once.
//! What an operator may not do is in `rights`.

use std::fs;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tillstream_vault_setup::{Delivery, Kv, Operator, SetUpError, status};
use tokio::time::{Instant, sleep};

use crate::bench::{Bench, run};

const TILL: &str = "validation-service/creds/pos-service";

#[tokio::test]
async fn a_rotation_gives_one_path_a_new_password_and_keeps_its_other_keys() {
    let bench = Bench::configured().await;
    let before = bench.picture().await;
    let operator = bench.operator().await;

    let rotated = operator.rotate(TILL).await.unwrap();
    let again = operator.rotate(&format!("kv/{TILL}")).await.unwrap();
    operator.log_out().await.unwrap();

    assert_eq!((rotated.version, again.version), (Some(2), Some(3)));
    let after = bench.picture().await;
    let differ: Vec<&String> = after.keys().filter(|path| after.get(*path) != before.get(*path)).collect();
    assert!(differ.iter().all(|path| path.ends_with(TILL)) && !differ.is_empty(), "{differ:?}");
    let now = &after[&format!("kv/data/{TILL}")];
    assert!(now.contains("\"role\":\"pos\"") && now.contains("\"username\":\"pos-service_username\""), "{now}");
}

#[tokio::test]
async fn version_1_rotates_too_and_keeps_no_versions() {
    let bench = Bench::start().await;
    let mut set_up = bench.set_up();
    set_up.new_mount = Kv::One;
    run(&set_up).await.unwrap();
    let before = bench.picture().await;

    let rotated = bench.operator().await.rotate(TILL).await.unwrap();

    assert_eq!(rotated.version, None);
    let place = format!("kv/{TILL}");
    assert_ne!(bench.picture().await[&place], before[&place]);
}

#[tokio::test]
async fn a_path_without_a_password_is_not_rotated() {
    let bench = Bench::configured().await;
    let operator = bench.operator().await;
    for path in ["validation-service/config", "validation-service/creds/nobody"] {
        assert!(matches!(operator.rotate(path).await, Err(SetUpError::NoPassword(_))), "{path}");
    }
}

#[tokio::test]
async fn only_logins_that_do_not_hold_or_are_past_half_of_their_life_are_renewed() {
    let bench = Bench::configured().await;
    let mut set_up = bench.set_up();
    let before = bench.picture().await;
    let renew = async || {
        let renewed = bench.operator().await.renew(&set_up.approles, Delivery::Plain).await.unwrap();
        renewed.into_iter().filter(|(_, is_new)| *is_new).map(|(role, _)| role).collect::<Vec<_>>()
    };
    assert_eq!(renew().await, Vec::<&str>::new());
    assert_eq!(bench.picture().await, before);

    // From now on a new one holds for a moment only; those that are there keep their hour.
    set_up.lifetimes.secret_id = Duration::from_secs(2);
    run(&set_up).await.unwrap();
    fs::write(bench.path("approles/pos-service/secret_id"), "over").unwrap();
    assert_eq!(renew().await, ["pos-service"]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while renew().await != ["pos-service"] {
        assert!(Instant::now() < deadline, "stuck: a secret id of two seconds is not renewed");
        sleep(Duration::from_millis(200)).await;
    }
    bench.log_in("aggregation-service").await;
}

#[tokio::test]
async fn a_wrapped_secret_id_comes_out_once_and_the_next_run_wraps_another() {
    let bench = Bench::start().await;
    let mut set_up = bench.set_up();
    set_up.delivery = Delivery::Wrapped(Duration::from_secs(120));
    run(&set_up).await.unwrap();
    run(&set_up).await.unwrap();
    let name = "approles/validation-service/secret_id";
    let wrapping = bench.file(name);

    let open = || bench.bao.call_as(&wrapping, Method::POST, "sys/wrapping/unwrap", Some(json!({})));
    let (status, opened) = open().await;
    assert_eq!(status, 200, "{opened}");
    assert_eq!(open().await.0, 400);
    let order = json!({ "role_id": bench.file("approles/validation-service/role_id"), "secret_id": opened["data"]["secret_id"] });
    assert_eq!(bench.bao.call_as("", Method::POST, "auth/approle/login", Some(order)).await.0, 200);

    let again = run(&set_up).await.unwrap();
    assert!(again.done[0].starts_with("login of `validation-service`") && again.done.len() == 2, "{again:?}");
    assert_ne!(bench.file(name), wrapping);
}

#[tokio::test]
async fn an_operator_whose_secret_id_is_over_is_told_to_set_up_again() {
    let bench = Bench::configured().await;
    fs::write(bench.path("approles/operator/secret_id"), "over").unwrap();

    let Err(refusal) = Operator::log_in(&bench.address(), &bench.path("approles")).await else {
        panic!("it is let in");
    };

    assert!(refusal.to_string().contains("tillstream vault set-up"), "{refusal}");
    let seen = status(&bench.address(), &bench.path("approles")).await.unwrap();
    assert!(seen.roles.is_err());
}
