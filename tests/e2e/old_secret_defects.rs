//! What users of the replaced system suffered from its secrets; one test per defect, numbered as in `old_defects`.
//! Passwords in a file and in a server of secrets.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use crate::support::{Badge, LONG_LIVED, Setup, TILL, TestApp, TestVault, VaultScene, eventually};
#[cfg(feature = "solace")]
use crate::support::{Sale, pause};

const SOON: Duration = Duration::from_secs(60);

/// Replaces the file with this text.
type Way = fn(&Path, &str);

/// As an editor does it that keeps the file.
fn in_place(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
}

/// As an editor or an agent does it that must never show half a file.
fn by_renaming(file: &Path, text: &str) {
    let draft = file.with_extension("draft");
    fs::write(&draft, text).unwrap();
    fs::rename(&draft, file).unwrap();
}

/// As a person does it.
fn by_deleting(file: &Path, text: &str) {
    fs::remove_file(file).unwrap();
    fs::write(file, text).unwrap();
}

/// As an orchestrator does it that mounts a directory: the file's directory is a link, which is put elsewhere.
fn by_another_directory(file: &Path, text: &str) {
    let link = file.parent().unwrap();
    let (next, draft) = (link.with_file_name("next"), link.with_file_name("draft"));
    fs::create_dir_all(&next).unwrap();
    fs::write(next.join(file.file_name().unwrap()), text).unwrap();
    symlink(&next, &draft).unwrap();
    fs::rename(&draft, link).unwrap();
}

/// Waits until the service lets a user in whom it did not know before.
async fn knows(app: &TestApp, badge: &Badge) {
    eventually("the service to know the new password", SOON, async || {
        if app.is_known(badge).await { Ok(()) } else { Err("a 401".to_owned()) }
    })
    .await;
}

/// The old services read their secrets once, from a mounted file that an agent replaced beside the mount.
#[tokio::test]
async fn d25_a_changed_password_reaches_a_running_service_whatever_way_its_file_is_replaced() {
    let setup = Setup::new();
    let (first, link) = (setup.home().join("first"), setup.home().join("current"));
    fs::create_dir_all(&first).unwrap();
    symlink(&first, &link).unwrap();
    let file = link.join("secrets.toml");
    let setup = setup.with_secrets_in(&file).setting("secrets.refresh", "1s");
    let app = setup.start().await;
    let mut now = app.users().named("pos-service").1;

    let ways: [(&str, Way); 4] = [
        ("written-in-place", in_place),
        ("renamed-over", by_renaming),
        ("deleted-and-made-again", by_deleting),
        ("in-another-directory", by_another_directory),
    ];
    for (next, way) in ways {
        let text = fs::read_to_string(&file).unwrap().replace(&now, next);
        way(&file, &text);
        knows(&app, &Badge::new("pos-service_username", next)).await;
        next.clone_into(&mut now);
    }

    assert!(app.actors().await.iter().all(|actor| actor.generation == 1), "nothing was restarted for it");
}

/// The same from a server, where the old agent rendered a file that no container saw.
#[tokio::test]
async fn d25_a_changed_password_reaches_a_running_service_from_a_server_of_secrets() {
    let mut scene = VaultScene::begin(LONG_LIVED).await;
    let before = scene.version_of(TILL).await;

    scene.a_change_arrives().await;

    assert_eq!(scene.version_of(TILL).await, before + 1);
    assert!(scene.app.actors().await.iter().all(|actor| actor.generation == 1), "nothing was restarted for it");
    scene.end().await;
}

/// The old services gave up half a minute after their start, and slept ten seconds for secrets that came later.
#[cfg(feature = "solace")]
#[tokio::test]
async fn d26_service_broker_and_server_of_secrets_can_start_in_any_order() {
    let vault = TestVault::start(LONG_LIVED).await;
    let (setup, broker) = Setup::new().behind_a_proxy().on_vault(&vault).with_its_broker().await;
    let mut broker = broker.expect("a process of its own");
    // Known addresses, and nobody there.
    broker.sigkill();
    vault.server().kill();

    let mut app = setup.launch_on(Some(broker)).await;
    pause(Duration::from_secs(2)).await;
    assert_eq!(app.get("/health/live", "").await.status, 200);
    app.broker().begin_again();
    pause(Duration::from_secs(2)).await;
    assert!(app.broker().is_alive(), "the broker waits too");
    vault.server().restart().await;

    app.broker().listens().await;
    app.becomes_ready().await;
    let sale = Sale::new("STORE_1", 258);
    app.accept(&sale).await;
    assert_eq!(app.final_window_of(&sale).await.total_amount, 258);
}

/// And the other way around: what is there first waits for nobody.
#[cfg(feature = "solace")]
#[tokio::test]
async fn d26_a_service_without_its_broker_waits_for_it_and_is_not_ready() {
    let vault = TestVault::start(LONG_LIVED).await;
    let (setup, broker) = Setup::new().behind_a_proxy().on_vault(&vault).with_its_broker().await;
    let mut broker = broker.expect("a process of its own");
    broker.sigkill();

    let mut app = setup.launch_on(Some(broker)).await;
    eventually("health to say that there is no broker", SOON, async || {
        let answer = app.get("/health/ready", "").await;
        let says_so = answer.status == 503 && answer.text.contains("publish");
        if says_so { Ok(()) } else { Err(answer.text) }
    })
    .await;
    app.broker().start_again().await;

    app.becomes_ready().await;
    app.accept(&Sale::new("STORE_1", 1)).await;
}
