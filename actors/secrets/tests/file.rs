//! What a start makes of the secrets file, whatever state it is in.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tillstream_secrets::{SecretsError, load_or_create};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_first_start_makes_a_private_file_with_a_password_for_everybody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data/secrets.toml");

    let tree = load_or_create(&path).unwrap();

    assert_eq!(mode(&path), 0o600);
    assert_eq!(tree.expose("message-broker/config", "pos_topic_prefix"), Some("sale/pos/transaction"));
    for (user, role) in [
        ("pos-service", "pos"),
        ("aggregation-service", "aggregation"),
        ("reporting-service", "reporting"),
        ("admin", "admin"),
    ] {
        let path = format!("validation-service/creds/{user}");
        assert_eq!(tree.expose(&path, "role"), Some(role));
        assert!(tree.expose(&path, "password").unwrap().len() >= 24);
    }
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left behind");
}

#[test]
fn a_second_start_finds_the_same_passwords() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.toml");
    let first = load_or_create(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();

    let second = load_or_create(&path).unwrap();

    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert!(first.entries.iter().all(|(path, entry)| second.entries[path].same_values(entry)));
}

#[test]
fn an_older_file_gets_the_missing_paths_and_keeps_its_values_and_comments() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.toml");
    let text =
        "# ours\n[\"validation-service/creds/admin\"]\nusername = \"boss\"\npassword = \"kept\" # rotate in May\n";
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

    let tree = load_or_create(&path).unwrap();

    let after = fs::read_to_string(&path).unwrap();
    assert!(after.starts_with(text), "{after}");
    assert_eq!(tree.expose("validation-service/creds/admin", "username"), Some("boss"));
    assert_eq!(tree.expose("validation-service/creds/admin", "role"), Some("admin"));
    assert!(tree.expose("validation-service/creds/pos-service", "password").is_some());
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_file_that_others_may_read_is_closed_to_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.toml");
    load_or_create(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();

    load_or_create(&path).unwrap();

    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_broken_file_stops_the_start_and_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.toml");
    fs::write(&path, "[\"a\"]\nkey = swordfish\n").unwrap();

    let error = load_or_create(&path).unwrap_err();

    assert!(matches!(error, SecretsError::Syntax { line: 2, .. }));
    assert!(!format!("{error} {error:?}").contains("swordfish"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "[\"a\"]\nkey = swordfish\n");
}

#[test]
fn an_empty_password_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.toml");
    fs::write(&path, "[\"validation-service/creds/admin\"]\npassword = \"\"\n").unwrap();

    let error = load_or_create(&path).unwrap_err();

    assert!(matches!(error, SecretsError::Missing { key: "password", .. }), "{error}");
}

#[test]
fn starts_at_the_same_time_agree_on_the_passwords() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.toml");

    let trees: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| load_or_create(&path).unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });

    let held = load_or_create(&path).unwrap();
    for tree in trees {
        assert!(held.entries.iter().all(|(path, entry)| tree.entries[path].same_values(entry)));
    }
}
