//! How sales stand now, asked of both actors together while messages come in.

use tillstream_messages::{LiveReport, Pick, QueryLive};

use super::*;

impl super::Bench {
    async fn stands(&self, pick: Pick) -> LiveReport {
        self.reporting.live.ask(QueryLive(pick), WITHIN).await.expect("delivered").expect("answered")
    }

    async fn accepted(&self, count: u64) -> LiveReport {
        let waiting = async {
            loop {
                let report = self.reporting.live.ask(QueryLive(Pick::Top(3)), WITHIN).await.expect("delivered");
                match report {
                    Ok(report) if report.accepted.count == count => return report,
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        tokio::time::timeout(WITHIN, waiting).await.expect("stuck: the ledger does not count")
    }
}

/// Three sales of each store, dearer with its number.
fn sales_of_stores(stores: u32) -> Vec<TestSale> {
    let sale = |id: u64| {
        let store = (id % u64::from(stores)) as u32 + 1;
        TestSale { id: id + 1, store, cents: i64::from(store) * 100, second: 4 }
    };
    (0..u64::from(stores) * 3).map(sale).collect()
}

async fn sell(bench: &super::Bench, sales: &[TestSale], epoch: u32) {
    bind(&bench.reporting.ledger_consumer, epoch).await;
    let receipts = sales.iter().map(|sale| sale.receipt(sale.id)).collect();
    deliver(&bench.reporting.ledger_consumer, epoch, receipts).await;
}

#[tokio::test]
async fn the_top_stores_are_told_of_with_what_is_filling_and_sums_are_over_all() {
    let directory = tempfile::tempdir().expect("a directory");
    LocalSet::new()
        .run_until(async {
            let bench = Bench::start(directory.path());
            let sales = sales_of_stores(20);
            sell(&bench, &sales, 1).await;

            let report = bench.accepted(60).await;

            let stores: Vec<_> = report.stores.iter().map(|store| store.store.number()).collect();
            assert_eq!((stores, report.stores_total, report.matching), (vec![20, 19, 18], 20, 20));
            let sum: i64 = sales.iter().map(|sale| sale.cents).sum();
            assert_eq!((report.accepted.amount.cents(), report.last_minute), (sum, report.accepted));
            assert_eq!(report.filling, [(window_for_test(4).timestamp_micros(), report.accepted)]);
            let dearest = &report.stores[0];
            assert_eq!((dearest.last_minute.amount.cents(), dearest.turnover.count), (6_000, 0));
            assert_eq!((dearest.filling[0].1.count, dearest.ledger.open.0), (3, 3));
            bench.stop().await;
        })
        .await;
}

#[tokio::test]
async fn a_window_moves_from_filling_to_turnover_and_the_store_balances_at_every_look() {
    let directory = tempfile::tempdir().expect("a directory");
    LocalSet::new()
        .run_until(async {
            let bench = Bench::start(directory.path());
            let sales = sales_of_stores(1);
            sell(&bench, &sales, 1).await;
            bench.accepted(3).await;
            bind(&bench.reporting.turnover_consumer, 1).await;
            for (number, (count, is_final)) in [(2, false), (3, false), (3, true)].into_iter().enumerate() {
                let event = event_for_test(&sales[..count], is_final);
                let message = aggregation_for_test(number as u64 + 1, &event);
                deliver(&bench.reporting.turnover_consumer, 1, vec![message]).await;
                let mut seen = LiveReport::default();
                for _ in 0..2_000 {
                    seen = bench.stands(Pick::Top(1)).await;
                    if seen
                        .windows
                        .first()
                        .is_some_and(|w| (w.sales.count, w.final_stores) == (count as u64, u64::from(is_final)))
                    {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                let store = &seen.stores[0];
                assert_eq!((store.windows[0].sales.count, store.windows[0].is_final), (count as u64, is_final));
                assert_eq!(store.windows[0].revision as usize, number + 1);
                assert_eq!((store.ledger.imbalance_count, store.ledger.imbalance_cents), (0, 0));
                assert_eq!((store.filling.is_empty(), store.turnover), (is_final, seen.turnover));
            }
            bench.stop().await;
        })
        .await;
}

#[tokio::test]
async fn stores_are_found_by_a_part_of_their_id_and_a_restart_forgets_no_sum() {
    let directory = tempfile::tempdir().expect("a directory");
    LocalSet::new()
        .run_until(async {
            let bench = Bench::start(directory.path());
            let sales = sales_of_stores(12);
            sell(&bench, &sales, 1).await;
            bench.accepted(36).await;
            bench.kill("root.ledger").await;

            let report = bench.accepted(36).await;
            assert_eq!(report.last_minute.count, 0, "what is read from disk was not counted just now");
            let found = bench.stands(Pick::Matching { text: "store_1".to_owned(), limit: 2 }).await;
            let stores: Vec<_> = found.stores.iter().map(|store| store.store.number()).collect();
            assert_eq!((stores, found.matching, found.stores_total), (vec![1, 10], 4, 12));
            bench.stop().await;
        })
        .await;
}
