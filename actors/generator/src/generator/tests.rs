use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tillstream_domain::{Money, Rules, StoreId};
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
    refused: u64,
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

/// Every fifth sale is taken and the answer is cut, every seventh is refused with 503, one in eleven is bad.
fn unreliable_for_test(truth: Arc<Mutex<Truth>>) -> impl Fn(usize, &str) -> Reaction + Send + Sync {
    move |number, body| {
        let mut truth = truth.lock().expect("not poisoned");
        if body.contains("CASHIER_3") {
            truth.refused += 1;
            return Reaction::Status(422);
        }
        if number % 7 == 6 {
            return Reaction::Status(503);
        }
        truth.accept(body);
        if number % 5 == 4 { Reaction::Cut } else { Reaction::Status(200) }
    }
}

async fn account_after_for_test(settings: &PosSettings, server: &TestServer, kills: usize) -> GeneratorAccount {
    let place = Place::here();
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
    let ports = spawn_generator(&root, &place, settings, server.client(None), Notebook::default()).expect("spawned");
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
            let refused: u64 = account.refused.values().sum();
            assert_eq!(account.rung_up, truth.accepted.len() as u64 + refused);
            assert!(account.retries > 0 && account.refused.keys().eq([&422]));
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
