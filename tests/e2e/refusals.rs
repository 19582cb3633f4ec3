//! A broker that is there and refuses: it is full, it does not let the service in, somebody else holds the queue.
//! All on the Solace backend. A broken network is in `outages`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use crate::command_line::run;
use crate::support::{Holder, Load, Sale, Setup, TestApp, eventually, pause, sum_of};

const SOON: Duration = Duration::from_secs(60);

/// The users of the broker whose passwords the service logs in with.
const BROKER_USERS: [&str; 3] = [
    "message-broker/creds/validation-service",
    "message-broker/creds/aggregation-service",
    "message-broker/creds/reporting-service",
];

/// The queue that feeds aggregation.
const SALES: &str = "sale_pos_transaction_aggregation_service";

#[tokio::test]
async fn a_full_queue_gives_503_and_never_a_200_and_sales_go_on_when_there_is_room() {
    let setup = Setup::new().behind_a_proxy().setting("window.allowed_lateness", "6s");
    let app = setup.setting("broker.queue_quota_bytes", "100000").start().await;
    let mut accepted = Vec::new();

    let refused = app.post_until_refused(&mut accepted, SOON).await;
    // Still full: the queue is emptied when windows are final, which takes longer than a few posts.
    for _ in 0..3 {
        let again = app.try_post(&refused).await.expect("an answer");
        assert_eq!(again.status, 503, "{}", again.text);
    }
    app.accept(&refused).await;
    accepted.push(refused);

    let windows = app.windows_when_final(accepted.len() as u64).await;
    assert_eq!(sum_of(&windows).0, accepted.iter().map(|sale| sale.cents).sum::<i64>());
    app.ledger_balances().await;
}

#[tokio::test]
async fn a_login_that_is_refused_is_told_and_tried_again_until_it_is_allowed() {
    let mut app = Setup::new().behind_a_proxy().with_other_broker_secrets().launch().await;
    let told = eventually("the refusal to be told", SOON, async || {
        let ready = app.get("/health/ready", "").await;
        if ready.status == 503 && ready.text.contains("nauthorized") { Ok(ready.text) } else { Err(ready.text) }
    })
    .await;
    app.knows_its_users();
    let sale = Sale::new("STORE_1", 258);
    assert_eq!(app.try_post(&sale).await.expect("an answer").status, 503, "{told}");

    let known = std::fs::read_to_string(app.setup().secrets_file()).unwrap();
    write_secrets(&app.setup().broker_secrets_file(), &known);
    app.becomes_ready().await;
    app.accept(&sale).await;

    assert_eq!(app.final_window_of(&sale).await.total_amount, 258);
    app.ledger_balances().await;
}

#[tokio::test]
async fn passwords_that_are_changed_under_load_cost_no_till_a_second_try() {
    let mut app = Setup::new().behind_a_proxy().start().await;
    let load = Load::start(&app, 8);
    for round in 1..=2 {
        pause(Duration::from_secs(1)).await;
        let connections = app.proxy().accepted();
        change_passwords(&app, &format!("changed-{round}"));
        eventually("all users to have logged in again", SOON, async || match app.proxy().accepted() - connections {
            new if new >= BROKER_USERS.len() as u64 => Ok(()),
            new => Err(format!("{new} new connections")),
        })
        .await;
    }
    pause(Duration::from_secs(2)).await;

    let account = load.stop().await;

    assert_eq!(account.refusals, Vec::<String>::new());
    assert_eq!(app.get("/health/ready", "").await.status, 200);
    app.counts(&account).await;
    // Only the new passwords open a new session now.
    app.proxy().cut();
    let sale = Sale::new("STORE_9", 1);
    app.accept(&sale).await;
    app.becomes_ready().await;
    assert_eq!(app.final_window_of(&sale).await.total_amount, 1);
    for round in 1..=2 {
        assert!(!app.printed().contains(&format!("changed-{round}")), "a password was printed");
    }
}

#[tokio::test]
async fn a_queue_that_somebody_else_consumes_is_waited_for_and_taken_over_with_all_its_sales() {
    let setup = Setup::new().behind_a_proxy();
    let (setup, broker) = setup.with_its_broker().await;
    let holder = Holder::of(SALES, BROKER_USERS[1], &setup).await;
    let mut app = setup.launch_on(broker).await;
    app.knows_its_users();
    let sales: Vec<_> = (1..=5).map(|store| Sale::new(&format!("STORE_{store}"), 100)).collect();
    for sale in &sales {
        app.accept(sale).await;
    }
    app.until_not_ready(SOON).await;
    holder.has(sales.len()).await;
    let turnover = eventually("reporting to open its books", SOON, async || {
        let answer = app.get("/api/v1/pos/turnover", "admin").await;
        if answer.status == 200 { Ok(answer.text) } else { Err(answer.text) }
    })
    .await;
    assert_eq!(turnover.trim(), "[]", "windows of sales that somebody else has");

    holder.die();

    app.becomes_ready().await;
    assert_eq!(sum_of(&app.windows_when_final(5).await), (500, 5));
    app.ledger_balances().await;
}

#[tokio::test]
async fn a_run_of_given_length_without_its_broker_says_what_is_down_instead_of_printing_a_ledger() {
    let (setup, broker) = Setup::new().behind_a_proxy().with_its_broker().await;
    assert!(broker.expect("a process of its own").stop().await.success());
    let data = setup.data_dir().to_str().unwrap().to_owned();

    let (code, text) = run(&setup, &["run", "--listen", "127.0.0.1:0", "--data-dir", &data, "--duration", "2s"]).await;

    assert_eq!(code, 1, "{text}");
    assert!(text.contains("the ledger cannot be settled: ") && text.contains(" is down: "), "{text}");
}

#[tokio::test]
async fn an_address_that_no_broker_can_have_is_refused_at_start_and_named() {
    let setup = Setup::new().on_the_embedded_broker().setting("solace.host", "http://broker:8080");

    let (code, text) = run(&setup, &["run", "--broker", "solace", "--listen", "127.0.0.1:0"]).await;

    assert_ne!(code, 0, "{text}");
    assert!(text.contains("`http://broker:8080` is no address of a broker: write `tcp://"), "{text}");
}

/// New passwords for the broker's users, in one atomic change of the file that service and broker share.
fn change_passwords(app: &TestApp, password: &str) {
    let file = app.setup().secrets_file();
    let mut tree: toml::Table = toml::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    for path in BROKER_USERS {
        tree[path]["password"] = format!("{password}-{path}").into();
    }
    write_secrets(&file, &toml::to_string(&tree).unwrap());
}

fn write_secrets(file: &Path, text: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&new, file).unwrap();
}
