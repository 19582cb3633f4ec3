//! Every state in which a server can be found, and the way from it to a configured one.
//! What each role may do is in `rights`.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tillstream_vault_setup::{Administration, Keys, Kv, Progress, SetUpError, State};
use tokio::sync::oneshot;

use crate::bench::{Bench, run, run_one_more_step};

const REVOKED: &str = "administrator's token revoked";

#[tokio::test]
async fn a_fresh_server_is_configured_and_two_more_runs_change_nothing() {
    let bench = Bench::start().await;
    let mut set_up = bench.set_up();
    set_up.authority_for = Some(vec!["shop.example".to_owned()]);

    let first = run(&set_up).await.unwrap();
    let before = bench.picture().await;
    let second = run(&set_up).await.unwrap();
    let third = run(&set_up).await.unwrap();

    assert_eq!(first.found, [State::Uninitialised, State::Unconfigured]);
    assert!(first.were_there == ["audit device"], "{first:?}");
    for again in [second, third] {
        assert_eq!(
            (again.found.as_slice(), again.done.as_slice()),
            ([State::Configured].as_slice(), [REVOKED.to_owned()].as_slice())
        );
    }
    assert_eq!(bench.picture().await, before);
}

#[tokio::test]
async fn killed_after_every_single_step_it_ends_well_and_leaves_no_token_behind() {
    let bench = Bench::start().await;
    let mut set_up = bench.set_up();
    set_up.authority_for = Some(Vec::new());

    let mut kills = 0;
    while run_one_more_step(&set_up).await {
        kills += 1;
        assert!(kills < 100, "it gets no further");
    }

    assert!(kills > 40, "only {kills} kills");
    let last = run(&set_up).await.unwrap();
    assert_eq!(last.found, [State::Configured]);
    bench.looks().await;
    assert_eq!(bench.bao.list("auth/token/accessors").await.1["data"]["keys"].as_array().unwrap().len(), 1);
    let (_, secret) = bench.bao.get("kv/metadata/validation-service/creds/admin").await;
    assert_eq!(secret["data"]["current_version"], 1, "a password was made twice");
}

#[tokio::test]
async fn a_sealed_server_is_opened_after_a_restart_and_its_passwords_stay() {
    let bench = Bench::on_disk().await;
    run(&bench.set_up()).await.unwrap();
    let before = bench.picture().await;
    bench.bao.set_keys("", &[]);
    bench.bao.kill();
    bench.bao.restart().await;
    assert_eq!(bench.bao.health().await, 503);

    let again = run(&bench.set_up()).await.unwrap();

    assert_eq!(again.found, [State::Sealed, State::Configured]);
    assert_eq!(again.done, ["unsealed", REVOKED]);
    assert_eq!(bench.picture().await, before);
}

/// What stays beside a server in containers: it comes back sealed after every restart, and nobody is there to open it.
#[tokio::test]
async fn a_server_that_is_kept_is_open_again_after_each_restart_and_also_when_it_comes_later_than_its_keeper() {
    let bench = Bench::on_disk().await;
    let set_up = bench.set_up();
    bench.bao.kill();
    let mut troubles = 0;
    let mut watch = |_: &Progress| ControlFlow::Continue(());
    let mut trouble = |_: &SetUpError| troubles += 1;
    let (stop, stopped) = oneshot::channel();
    let keeping = set_up.keep(&mut watch, &mut trouble, stopped);

    let restarts = async {
        for _ in 0..2 {
            bench.bao.restart().await;
            bench.opens().await;
            // Its run is over, and it has looked again.
            bench.has("approles/operator/secret_id").await;
            tokio::time::sleep(Duration::from_secs(4)).await;
            bench.bao.kill();
            // Not reachable at all for longer than one look.
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        bench.bao.restart().await;
        bench.opens().await;
        bench.has("approles/operator/secret_id").await;
        stop.send(()).unwrap();
    };
    let (told, ()) = tokio::join!(keeping, restarts);

    assert!(told.is_ok(), "it ends when it is told to");
    assert!(troubles > 0, "a server that is away was no trouble");
    assert_eq!(run(&set_up).await.unwrap().found, [State::Configured]);
}

#[tokio::test]
async fn an_administrator_that_a_killed_run_began_to_make_is_no_obstacle() {
    let bench = Bench::configured().await;
    let (status, _) = bench.bao.call_as("", Method::PUT, "sys/generate-root/attempt", Some(json!({}))).await;
    assert_eq!(status, 200);

    assert_eq!(run(&bench.set_up()).await.unwrap().found, [State::Configured]);
}

#[tokio::test]
async fn what_is_missing_or_was_changed_is_repaired_and_nothing_else_is_touched() {
    let bench = Bench::configured().await;
    let before = bench.picture().await;
    bench.looks().await;
    bench.bao.delete("sys/policies/acl/tillstream").await;
    bench.bao.post("auth/approle/role/pos-service", json!({ "token_policies": ["tillstream", "pos-service"] })).await;
    let half = json!({ "data": { "username": "somebody", "password": "kept as it is" } });
    bench.bao.post("kv/data/validation-service/creds/admin", half).await;
    bench.bao.delete("kv/data/message-broker/creds/otel").await;
    bench.leaves().await;
    fs::write(bench.path("approles/operator/secret_id"), "nonsense").unwrap();

    let repair = run(&bench.set_up()).await.unwrap();

    let [State::HalfConfigured { there, of }] = repair.found[..] else { panic!("{repair:?}") };
    assert_eq!(of - there, 5);
    let expected = [
        "policy `tillstream`",
        "role `pos-service`",
        "secret `message-broker/creds/otel`",
        "secret `validation-service/creds/admin`",
    ];
    assert_eq!(repair.done[..4], expected);
    assert!(repair.done[4].starts_with("login of `operator`") && repair.done.len() == 6, "{repair:?}");
    let after = bench.picture().await;
    let admin = &after["kv/data/validation-service/creds/admin"];
    assert!(
        admin.contains("kept as it is") && admin.contains("somebody") && admin.contains("\"role\":\"admin\""),
        "{admin}"
    );
    let changed = after.iter().filter(|(path, text)| before.get(*path) != Some(text));
    assert!(
        changed.map(|(path, _)| path).all(|path| ["tillstream", "pos-service", "admin", "otel", "operator"]
            .iter()
            .any(|name| path.contains(name)))
    );
}

#[tokio::test]
async fn an_initialised_server_without_its_keys_is_left_alone_and_the_way_out_is_said() {
    let bench = Bench::start().await;
    bench.bao.initialise().await;

    let refusal = run(&bench.set_up()).await.unwrap_err();

    assert!(matches!(refusal, SetUpError::KeysUnknown { .. }));
    let said = refusal.to_string();
    assert!(said.contains("--keys") && said.contains("delete its storage"), "{said}");
    assert_eq!(fs::read_dir(bench.path("keys")).unwrap().filter(|file| !is_hidden(file)).count(), 0);
}

#[tokio::test]
async fn keys_of_another_server_are_neither_used_nor_overwritten() {
    let bench = Bench::start().await;
    fs::create_dir(bench.path("keys")).unwrap();
    fs::write(bench.path("keys/annas"), "a2V5IG9mIGFub3RoZXIgc2VydmVyIC4uLi4uLi4uLi4=\n").unwrap();

    let refusal = run(&bench.set_up()).await.unwrap_err();
    assert!(matches!(refusal, SetUpError::KeysOfAnother(_)), "{refusal}");
    assert_eq!(bench.bao.health().await, 501);

    bench.bao.initialise().await;
    let refusal = run(&bench.set_up()).await.unwrap_err();
    assert!(matches!(refusal, SetUpError::KeysInsufficient { .. } | SetUpError::Refused { .. }), "{refusal}");
}

#[tokio::test]
async fn an_administrators_token_does_where_there_are_no_unseal_keys_and_is_left_valid() {
    let bench = Bench::start().await;
    bench.bao.initialise().await;
    let mut set_up = bench.set_up();
    set_up.administration = Administration::Token(bench.bao.root_token().into());

    run(&set_up).await.unwrap();

    assert_eq!(bench.bao.get("auth/token/lookup-self").await.0, 200);
    assert_eq!(run(&set_up).await.unwrap().found, [State::Configured]);
}

#[tokio::test]
async fn version_1_of_the_mount_is_served_too_and_nothing_changes_there_either() {
    let bench = Bench::start().await;
    let mut set_up = bench.set_up();
    set_up.new_mount = Kv::One;

    run(&set_up).await.unwrap();
    let before = bench.picture().await;
    let again = run(&bench.set_up()).await.unwrap();

    assert_eq!(again.done, [REVOKED]);
    assert_eq!(bench.picture().await, before);
    assert!(before["kv/validation-service/creds/admin"].contains("password"));
}

#[tokio::test]
async fn nobody_but_the_owner_can_read_what_it_writes() {
    let bench = Bench::configured().await;
    for name in ["keys/unseal-keys", "approles/tillstream/role_id", "approles/tillstream/secret_id"] {
        let mode = fs::metadata(bench.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    for name in ["keys", "approles/tillstream"] {
        assert_eq!(fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o777, 0o700, "{name}");
    }
    assert_eq!(Keys::new(bench.path("keys")).read().unwrap().len(), 3);
}

fn is_hidden(file: &std::io::Result<fs::DirEntry>) -> bool {
    file.as_ref().unwrap().file_name().to_string_lossy().starts_with('.')
}
