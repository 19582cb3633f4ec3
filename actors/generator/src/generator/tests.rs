use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tillstream_domain::{Money, Rules, StoreId};
use tillstream_messages::{SecretEntry, SecretTree};
use tillstream_supervision::{Fault, Strategy, SupervisorSpec};

use super::*;
use crate::account::StoreAccount;
use crate::settings::Shares;
use crate::testing::{Reaction, TestServer};

const WITHIN: Duration = Duration::from_secs(60);

/// What the server has said yes to, read by the service's own rules.
#[derive(Debug, Default)]
struct Truth {
    accepted: BTreeMap<Uuid, (StoreId, Money, bool)>,
    refused: BTreeSet<String>,
}

impl Truth {
    fn accept(&mut self, body: &str) {
        let rules = Rules { max_store: 100, ..Rules::default() };
        let sale = rules.check(body.as_bytes(), Utc::now()).expect("a valid body").transaction;
        self.accepted.insert(sale.transaction_id.uuid(), (sale.store_id, sale.total_amount, sale.is_paid()));
    }

    fn account(&self) -> BTreeMap<StoreId, StoreAccount> {
        let mut stores: BTreeMap<StoreId, StoreAccount> = BTreeMap::new();
        for (store, amount, is_paid) in self.accepted.values() {
            let account = stores.entry(*store).or_default();
            if *is_paid {
                account.accepted += 1;
                account.amount = Money::from_cents(account.amount.cents() + amount.cents());
            } else {
                account.failed_payments += 1;
            }
        }
        stores
    }
}

fn settings_for_test() -> PosSettings {
    let shares = Shares { wrong_total: 200, failed_payment: 100, duplicate: 200, late: 50 };
    PosSettings { rate: 400, seed: Some(1), shares, concurrency: 16, ..PosSettings::default() }
}

/// Every fifth request is taken and its answer cut, every seventh is refused with 503, every eleventh is taken and never
/// answered, so that some are always under way; what one cashier sells is bad.
fn unreliable_for_test(truth: Arc<Mutex<Truth>>) -> impl Fn(usize, &str) -> Reaction + Send + Sync {
    move |number, body| {
        let mut truth = truth.lock().expect("not poisoned");
        if body.contains("CASHIER_3") {
            truth.refused.insert(body.to_owned());
            return Reaction::Status(422);
        }
        if number % 7 == 6 {
            return Reaction::Status(503);
        }
        truth.accept(body);
        match number {
            _ if number % 11 == 10 => Reaction::Silence,
            _ if number % 5 == 4 => Reaction::Cut,
            _ => Reaction::Status(200),
        }
    }
}

async fn account_after_for_test(settings: &PosSettings, server: &TestServer, kills: usize) -> GeneratorAccount {
    let place = Place::here();
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
    let rate = Rate::new(settings.rate);
    let ports =
        spawn_generator(&root, &place, settings, rate, server.client(None), Notebook::default()).expect("spawned");
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(150)).await;
        root.inject("root.generator", Fault::Panic).expect("injected");
        // Any message wakes the fault; its answer may be lost with the incarnation.
        let _ = ports.observe.ask(Observe, WITHIN).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let account = ports.finish.ask(FinishSales, WITHIN).await.expect("finished");
    root.shutdown().await;
    account
}

#[tokio::test]
async fn the_account_is_exact_though_the_service_is_unreliable_and_the_generator_is_killed() {
    tokio::task::LocalSet::new()
        .run_until(async {
            let truth = Arc::new(Mutex::new(Truth::default()));
            let server = TestServer::start(unreliable_for_test(truth.clone())).await;

            let account = account_after_for_test(&settings_for_test(), &server, 3).await;

            let truth = truth.lock().expect("not poisoned");
            assert!(truth.accepted.len() > 20, "{account:?}");
            assert_eq!(account.stores, truth.account());
            assert_eq!(account.outstanding, 0);
            assert_eq!(account.refused, BTreeMap::from([(422, truth.refused.len() as u64)]));
            assert_eq!(account.rung_up, (truth.accepted.len() + truth.refused.len()) as u64);
            assert!(account.retries > 0, "{account:?}");
        })
        .await;
}

#[tokio::test]
async fn repetitions_are_sent_byte_for_byte_and_counted_apart() {
    tokio::task::LocalSet::new()
        .run_until(async {
            let server = TestServer::start(|_, _: &str| Reaction::Status(200)).await;
            let shares = Shares { wrong_total: 0, failed_payment: 0, duplicate: 1_000, late: 0 };

            let account = account_after_for_test(&PosSettings { shares, ..settings_for_test() }, &server, 0).await;

            let mut bodies = server.bodies();
            let sent = bodies.len() as u64;
            bodies.sort_unstable();
            bodies.dedup();
            assert_eq!(bodies.len() as u64, account.rung_up);
            assert!(account.repetitions > 0);
            assert_eq!(sent, account.rung_up + account.repetitions);
        })
        .await;
}

/// Waits until the account says so; the deadline names what is missing.
async fn until_for_test(what: &str, ports: &GeneratorPorts, holds: impl Fn(&GeneratorAccount) -> bool) {
    let waited = tokio::time::timeout(WITHIN, async {
        while !ports.observe.ask(Observe, WITHIN).await.is_ok_and(|account| holds(&account)) {
            tokio::time::sleep(TICK).await;
        }
    });
    assert!(waited.await.is_ok(), "stuck: the generator does not {what}");
}

#[tokio::test]
async fn a_rate_set_from_outside_holds_through_a_restart_and_what_was_rung_up_is_settled() {
    tokio::task::LocalSet::new()
        .run_until(async {
            let server = TestServer::start(|_, _: &str| Reaction::Status(200)).await;
            let (place, settings, rate) = (Place::here(), settings_for_test(), Rate::new(400));
            let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
            let (client, notebook) = (server.client(None), Notebook::default());
            let ports = spawn_generator(&root, &place, &settings, rate.clone(), client, notebook).expect("spawned");
            until_for_test("ring up", &ports, |account| account.rung_up > 10).await;

            rate.set(0);
            until_for_test("settle what it rang up", &ports, |account| account.outstanding == 0).await;
            drop(root.inject("root.generator", Fault::Panic).expect("injected"));
            until_for_test("come back", &ports, |_| root.tree().children[0].generation == 2).await;
            let paused = ports.observe.ask(Observe, WITHIN).await.expect("observed").rung_up;
            tokio::time::sleep(TICK * 10).await;
            assert_eq!(ports.observe.ask(Observe, WITHIN).await.expect("observed").rung_up, paused);

            rate.set(400);
            until_for_test("ring up again", &ports, |account| account.rung_up > paused + 10).await;
            root.shutdown().await;
        })
        .await;
}

#[tokio::test]
async fn tills_use_the_password_that_the_secrets_have_changed_to() {
    tokio::task::LocalSet::new()
        .run_until(async {
            let server = TestServer::start(|_, _: &str| Reaction::Status(200)).await;
            let (place, settings) = (Place::here(), settings_for_test());
            let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
            let (client, notebook) = (server.client(None), Notebook::default());
            let ports = spawn_generator(&root, &place, &settings, Rate::new(400), client, notebook).expect("spawned");
            until_for_test("ring up", &ports, |account| account.rung_up > 10).await;

            let keys =
                [("username", "till"), ("password", "changed")].map(|(key, value)| (key.to_owned(), value.into()));
            let entry = SecretEntry::new(2, Utc::now(), keys.into());
            let tree = SecretTree { entries: [(SECRET.to_owned(), entry)].into() };
            let changed = SecretsChanged { tree: tree.into(), changed: vec![SECRET.to_owned()] };
            ports.secrets.ask(changed, WITHIN).await.expect("told");

            let expected = format!("Basic {}", STANDARD.encode("till:changed"));
            let uses = |_: &GeneratorAccount| server.authorizations().last() == Some(&expected);
            until_for_test("use the changed password", &ports, uses).await;
            root.shutdown().await;
        })
        .await;
}
