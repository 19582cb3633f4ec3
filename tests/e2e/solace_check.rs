//! `tillstream check` on a Solace broker, and the two ways in which the embedded broker is one: alone and inside the service.
//! What a broken broker does to sales is in `outages` and `refusals`.

use std::time::Duration;

use crate::command_line::run;
use crate::support::{Sale, Setup, TestBroker, eventually, sum_of};

const ROLES: &str = "validation,aggregation,reporting";

/// The users of the broker as the secrets name their paths.
const AGGREGATION: &str = "message-broker/creds/aggregation-service";
const REPORTING: &str = "message-broker/creds/reporting-service";
const STORE: &str = "message-broker/creds/store-service";

/// A broker that runs, and what may be started on it.
async fn broker_for_test() -> (Setup, TestBroker) {
    let (setup, broker) = Setup::new().behind_a_proxy().with_its_broker().await;
    (setup, broker.expect("a process of its own"))
}

/// Exit code and lines of `check`, with everything that it is told on the command line and by the setup.
async fn check(setup: &Setup, more: &[&str]) -> (i32, Vec<String>) {
    let data = setup.data_dir().to_str().unwrap().to_owned();
    let (code, text) = run(setup, &[&["check", "--data-dir", &data, "--roles", ROLES], more].concat()).await;
    (code, text.lines().map(str::to_owned).collect())
}

fn has(lines: &[String], words: &[&str]) -> bool {
    lines.iter().any(|line| words.iter().all(|word| line.contains(word)))
}

#[tokio::test]
async fn check_finds_a_broker_in_order_and_says_what_no_client_is_told() {
    let (setup, _broker) = broker_for_test().await;

    let (code, lines) = check(&setup, &[]).await;

    assert_eq!(code, 0, "{lines:#?}");
    for role in ["validation", "aggregation", "reporting"] {
        assert!(has(&lines, &["ok ", role, "login as"]), "{role}: {lines:#?}");
        assert!(has(&lines, &["ok ", role, "what no queue takes is refused"]), "{role}: {lines:#?}");
    }
    for queue in ["aggregation_service", "ledger.q", "reporting.q"] {
        assert!(has(&lines, &["ok ", queue, "can be consumed"]), "{queue}: {lines:#?}");
    }
    assert!(has(&lines, &["unknown", "subscriptions", "when it is full"]), "{lines:#?}");
}

#[tokio::test]
async fn check_names_who_is_not_let_in_and_who_may_not_do_what_a_role_needs() {
    let (setup, _broker) = broker_for_test().await;
    let mut tree: toml::Table = toml::from_str(&std::fs::read_to_string(setup.secrets_file()).unwrap()).unwrap();
    tree[AGGREGATION]["password"] = "wrong".into();
    // Reporting as a store's user: it is let in, and may do nothing that reporting does.
    tree[REPORTING] = tree[STORE].clone();
    let other = setup.home().join("other.toml");
    std::fs::write(&other, toml::to_string(&tree).unwrap()).unwrap();

    let (code, lines) = check(&setup.setting("secrets.file", other.to_str().unwrap()), &[]).await;

    assert_eq!(code, 1, "{lines:#?}");
    assert!(has(&lines, &["failed", "aggregation", "nauthorized", AGGREGATION]), "{lines:#?}");
    assert!(has(&lines, &["failed", "reporting", "ledger.q", "may not consume"]), "{lines:#?}");
    assert!(has(&lines, &["failed", "reporting", "sale/pos/transaction/check/reporting"]), "{lines:#?}");
    assert!(has(&lines, &["ok ", "validation", "login as"]), "{lines:#?}");
}

#[tokio::test]
async fn check_of_a_broker_that_is_not_there_names_the_address_and_ends() {
    let (setup, mut broker) = broker_for_test().await;
    let address = broker.address();
    assert!(broker.stop().await.success(), "a broker that is told to stop ends well:\n{}", broker.printed());
    drop(broker);

    let (code, lines) = check(&setup, &[]).await;

    assert_eq!(code, 1, "{lines:#?}");
    assert!(has(&lines, &["failed", "validation", &address.to_string()]), "{lines:#?}");
}

#[tokio::test]
async fn check_beside_a_running_service_takes_nothing_from_it() {
    let app = Setup::new().behind_a_proxy().start().await;
    let sales: Vec<_> = (1..=5).map(|store| Sale::new(&format!("STORE_{store}"), 100)).collect();
    for (number, sale) in sales.iter().enumerate() {
        app.accept(sale).await;
        if number % 2 == 0 {
            let (code, lines) = check(app.setup(), &[]).await;
            assert_eq!(code, 0, "{lines:#?}");
        }
    }

    assert_eq!(sum_of(&app.windows_when_final(5).await), (500, 5));
    app.ledger_balances().await;
}

#[tokio::test]
async fn check_of_queues_that_nobody_consumes_leaves_their_sales_undelivered() {
    let validation = Setup::new().behind_a_proxy().roles("validation").start().await;
    let sales: Vec<_> = (1..=5).map(|store| Sale::new(&format!("STORE_{store}"), 100)).collect();
    for sale in &sales {
        validation.accept(sale).await;
    }

    let (code, lines) = check(&validation.setup().clone().setting("window.validation_url", "http://unused"), &[]).await;

    assert_eq!(code, 0, "{lines:#?}");
    let beside = |roles| validation.setup().beside(roles).setting("window.validation_url", &validation.url());
    let mut aggregation = beside("aggregation").launch_on(None).await;
    let mut reporting = beside("reporting").launch_on(None).await;
    aggregation.becomes_ready().await;
    reporting.becomes_ready().await;
    assert_eq!(sum_of(&reporting.windows_when_final(5).await), (500, 5));
    assert_eq!(aggregation.metric("pos_replayed_total", "").await, 0.0, "they had been delivered to the check");
}

#[tokio::test]
async fn the_service_itself_lets_clients_in_where_it_is_told_to() {
    let app = Setup::new().on_the_embedded_broker().argument("--smf").argument("127.0.0.1:0").start().await;
    let address = eventually("the service to name its smf address", Duration::from_secs(20), async || {
        let printed = app.printed();
        let line = printed.lines().find_map(|line| line.split_once("tcp://")).map(|(_, address)| address.to_owned());
        line.ok_or(printed)
    })
    .await;

    let elsewhere = app.setup().clone().setting("solace.host", &format!("tcp://{address}"));
    let (code, lines) = check(&elsewhere, &["--broker", "solace"]).await;

    assert_eq!(code, 0, "{lines:#?}");
    assert!(has(&lines, &["ok ", "aggregation", "another consumer is active"]), "{lines:#?}");
    let sale = Sale::new("STORE_1", 100);
    app.accept(&sale).await;
    assert_eq!(app.final_window_of(&sale).await.total_amount, 100);
}
