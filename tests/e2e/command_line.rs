//! The binary as its operator meets it: wrong settings, wrong arguments, a second process, a run of a given length.
//! What `replay` counts is in `replay`.

use std::process::Output;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Sale, Setup, TestApp, eventually};

/// A command that should end on its own and takes longer is stuck.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// Exit code and all that it printed.
pub async fn run(setup: &Setup, arguments: &[&str]) -> (i32, String) {
    let child = setup.command(arguments).spawn().unwrap();
    let pid = Pid::from_child(&child);
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let Ok(output) = tokio::time::timeout(ENDS_WITHIN, ended).await else {
        kill_process(pid, Signal::KILL).unwrap();
        panic!("stuck: `{}` did not end within {ENDS_WITHIN:?}", arguments.join(" "));
    };
    let Output { status, stdout, stderr } = output.unwrap();
    let text = format!("{}\n{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    (status.code().unwrap_or(-1), text)
}

#[tokio::test]
async fn a_second_process_on_the_same_data_refuses_and_says_why_and_the_first_goes_on() {
    let mut app = TestApp::start().await;
    let data = app.setup().data_dir().to_str().unwrap().to_owned();

    let (code, text) = run(app.setup(), &["run", "--listen", "127.0.0.1:0", "--data-dir", &data]).await;

    assert_ne!(code, 0);
    assert!(text.contains(&data) && text.contains("another process"), "{text}");
    assert!(app.is_alive());
    app.accept(&Sale::new("STORE_1", 1)).await;
}

#[tokio::test]
async fn an_unknown_key_in_a_file_is_an_error_that_names_key_and_file() {
    let setup = Setup::new();
    let file = setup.home().join("wrong.toml");
    std::fs::write(&file, "[window]\nsizze = \"10s\"\n").unwrap();

    let (code, text) = run(&setup, &["run", "--config", file.to_str().unwrap(), "--listen", "127.0.0.1:0"]).await;

    assert_ne!(code, 0);
    assert!(text.contains("sizze") && text.contains("wrong.toml"), "{text}");
}

#[tokio::test]
async fn an_unknown_key_in_the_environment_and_an_impossible_value_are_errors() {
    let unknown = Setup::new().setting("window.sizze", "10s");
    let (code, text) = run(&unknown, &["run", "--listen", "127.0.0.1:0"]).await;
    assert!(code != 0 && text.to_lowercase().contains("sizze"), "{text}");

    let impossible = Setup::new().setting("window.size", "a while");
    let (code, text) = run(&impossible, &["run", "--listen", "127.0.0.1:0"]).await;
    assert!(code != 0 && text.contains("size"), "{text}");
}

#[tokio::test]
async fn a_file_of_settings_holds_unless_the_environment_says_otherwise() {
    let setup = Setup::new().setting("rules.max_store", "20");
    let file = setup.home().join("more.toml");
    std::fs::write(&file, "[rules]\nmax_store = 15\nmax_cashier = 9\n").unwrap();
    let app = setup.argument("--config").argument(file.to_str().unwrap()).start().await;

    let mut sale = Sale::new("STORE_20", 1);
    sale.cashier = "CASHIER_9".to_owned();

    app.accept(&sale).await;
}

#[tokio::test]
async fn a_run_of_given_length_under_the_simulators_load_ends_with_balanced_books() {
    let (setup, _broker) = Setup::new().with_its_broker().await;
    let data = setup.data_dir().to_str().unwrap().to_owned();

    let (code, text) = run(&setup, &["run", "--listen", "127.0.0.1:0", "--data-dir", &data, "--duration", "12s"]).await;

    assert_eq!(code, 0, "{text}");
    assert!(text.contains("http://127.0.0.1:"), "no URL: {text}");
    let balanced = |line: &str| line.starts_with("STORE_") && line.ends_with("  0 / 0.00");
    assert!(text.lines().any(balanced), "no ledger per store: {text}");
    let (tills, ledger) = (figures(&text, "tills: "), figures(&text, "ledger: "));
    assert!(tills == ledger && tills.0 != "0", "{tills:?} and {ledger:?}: {text}");
}

/// The count at the beginning of such a line, and the amount in its first brackets.
fn figures<'a>(text: &'a str, start: &str) -> (&'a str, &'a str) {
    let line = text.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_else(|| panic!("no {start}: {text}"));
    let (count, rest) = line.split_once(' ').unwrap();
    let amount = rest.split_once('(').and_then(|(_, rest)| rest.split_once(')')).unwrap().0;
    (count, amount)
}

#[tokio::test]
async fn the_embedded_broker_cannot_be_shared_and_the_refusal_says_what_to_do() {
    let (code, text) = run(&Setup::new(), &["run", "--roles", "aggregation", "--listen", "127.0.0.1:0"]).await;

    assert_ne!(code, 0);
    assert!(text.contains("validation") && text.contains("roles"), "{text}");
}

#[tokio::test]
async fn help_is_there_for_every_command_and_a_wrong_one_is_refused() {
    let setup = Setup::new();
    for command in ["run", "replay", "check", "openapi"] {
        let (code, text) = run(&setup, &[command, "--help"]).await;
        assert!(code == 0 && text.contains("Usage"), "{command}: {text}");
    }
    assert_ne!(run(&setup, &["dance"]).await.0, 0);
    assert_ne!(run(&setup, &["run", "--roles", "dancing"]).await.0, 0);
}

#[cfg(not(feature = "solace"))]
#[tokio::test]
async fn a_binary_without_the_solace_library_says_how_to_build_one_with_it() {
    let (code, text) = run(&Setup::new(), &["run", "--broker", "solace"]).await;

    assert!(code != 0 && text.contains("--features solace"), "{text}");
}

#[tokio::test]
async fn openapi_prints_the_document_that_the_service_serves() {
    let app = TestApp::start().await;
    let served = app.get("/api/v1/pos/openapi.json", "").await.json();

    let (code, text) = run(app.setup(), &["openapi"]).await;

    assert_eq!(code, 0, "{text}");
    let printed: Value = serde_json::from_str(text.trim()).expect("nothing but the document");
    assert_eq!(printed["paths"], served["paths"]);
}

#[tokio::test]
async fn check_says_one_line_per_thing_and_0_when_all_is_in_order() {
    let setup = Setup::new();
    let data = setup.data_dir().to_str().unwrap().to_owned();

    let (code, text) = run(&setup, &["check", "--data-dir", &data]).await;

    assert_eq!(code, 0, "{text}");
    for thing in ["configuration", "secrets", "broker"] {
        assert!(text.to_lowercase().contains(thing), "{thing}: {text}");
    }
}

#[tokio::test]
async fn check_names_what_is_wrong_and_ends_with_1() {
    let setup = Setup::new();
    let data = setup.data_dir().to_str().unwrap().to_owned();
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(setup.data_dir().join("secrets.toml"), "[broken").unwrap();

    let (code, text) = run(&setup, &["check", "--data-dir", &data]).await;
    assert_eq!(code, 1, "{text}");
    let failed: Vec<&str> = text.lines().filter(|line| line.starts_with("failed")).collect();
    assert!(matches!(failed[..], [line] if line.contains("secrets.toml")), "{text}");

    let (code, text) = run(&setup.setting("window.sizze", "1s"), &["check", "--data-dir", &data]).await;
    assert_eq!(code, 1, "{text}");
    assert!(text.lines().any(|line| line.starts_with("failed") && line.contains("configuration")), "{text}");
}

#[tokio::test]
async fn a_containers_health_check_asks_the_process_itself_and_says_why_it_is_not_ready() {
    // Long enough to be asked while it says that it ends.
    let mut app = Setup::new().setting("shutdown.announce", "60s").setting("shutdown.grace", "90s").start().await;
    let url = app.url();
    let ask = async |setup: &Setup| run(setup, &["check", "--ready", &url]).await;

    let (code, text) = ask(app.setup()).await;
    assert!(code == 0 && text.starts_with("ok ") && text.contains("/health/ready"), "{text}");
    // Settings that nobody could use: it is the process that is asked.
    let (code, text) = ask(&Setup::new().setting("window.sizze", "1s")).await;
    assert_eq!(code, 0, "{text}");

    app.sigterm();
    eventually("the process to say that it is not ready", ENDS_WITHIN, async || match ask(app.setup()).await {
        (1, text) if text.starts_with("failed") && text.contains("answers 503: ") => Ok(()),
        (_, text) => Err(text),
    })
    .await;

    app.sigkill();
    let (code, text) = ask(app.setup()).await;
    assert!(code == 1 && text.starts_with("failed") && text.contains("no answer"), "{text}");
}

#[tokio::test]
async fn a_replay_with_a_wrong_password_or_of_no_file_fails() {
    let app = TestApp::start().await;
    let (file, password) = (app.setup().home().join("one.ndjson"), app.setup().home().join("password"));
    std::fs::write(&file, Sale::new("STORE_1", 1).body() + "\n").unwrap();
    std::fs::write(&password, "wrong").unwrap();
    let (url, password) = (app.url(), password.to_str().unwrap().to_owned());
    let replay = async |path: &str| {
        let arguments = ["replay", path, "--url", &url, "--user", "pos-service_username", "--password-file", &password];
        run(app.setup(), &arguments).await
    };

    assert_eq!(replay(file.to_str().unwrap()).await.0, 1);
    let (code, text) = replay("no-such-file.ndjson").await;
    assert!(code != 0 && text.contains("no-such-file.ndjson"), "{text}");
}

#[tokio::test]
async fn secrets_are_made_once_readable_only_by_their_owner_and_kept() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut app = TestApp::start().await;
    let file = app.setup().data_dir().join("secrets.toml");
    let made = std::fs::read_to_string(&file).unwrap();

    assert!(app.stop().await.success());
    app.start_again().await;

    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), made);
}
