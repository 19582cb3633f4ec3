//! Proof that a 200 follows the disk: the service runs under strace, and its record is judged line by line.
//! What an unsynced write loses is shown by the broker's own crash tests.

use futures_util::future::join_all;

use crate::support::{Sale, Setup, TestApp};
use crate::trace::judge;

/// Where those keep their state who are not told again what they have acknowledged.
const STORES: [&str; 3] = ["/data/aggregation/", "/data/reporting/turnover/", "/data/reporting/ledger/"];

/// Asked for when all is shown, so that the record says when that was.
const SHOWN: &str = "/all/is/shown";

const CALLS: &str = "trace=fdatasync,fsync,read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg";

async fn under_strace() -> (TestApp, std::path::PathBuf) {
    let setup = Setup::new();
    let record = setup.home().join("strace.txt");
    (setup.traced(CALLS, &record).start().await, record)
}

/// Posts, stops, and gives back the record, how many POSTs were answered with 200, and the part of the broker's path by
/// which its syncs are told from those of other stores, in whichever process it is.
async fn record_of(sales: Vec<Sale>, at_once: bool) -> (String, usize, String) {
    let (mut app, file) = under_strace().await;
    if at_once {
        join_all(sales.iter().map(|sale| app.accept(sale))).await;
    } else {
        for sale in &sales {
            app.accept(sale).await;
        }
    }
    assert!(app.stop_with_its_broker().await.success());
    let queues = app.setup().queues_dir().to_str().unwrap().to_owned();
    (std::fs::read_to_string(file).unwrap(), sales.len(), queues)
}

fn sales(count: i64) -> Vec<Sale> {
    (0..count).map(|number| Sale::new(&format!("STORE_{}", number % 10 + 1), 100 + number)).collect()
}

#[tokio::test]
async fn no_200_leaves_before_the_sync_of_its_sale_has_returned_and_a_record_without_syncs_is_refused() {
    let (record, count, broker) = record_of(sales(50), false).await;

    let verdict = judge(&record, &broker);
    assert_eq!(verdict.early, Vec::<String>::new());
    assert_eq!(verdict.proven, count);

    let doctored: String =
        record.lines().filter(|line| !line.contains("sync")).map(|line| line.to_owned() + "\n").collect();
    assert_eq!(judge(&doctored, &broker).early.len(), count, "a record without syncs must be refused");
}

#[tokio::test]
async fn no_200_of_many_tills_at_once_leaves_before_a_sync_that_began_after_its_request() {
    let (record, count, broker) = record_of(sales(200), true).await;

    let verdict = judge(&record, &broker);

    assert_eq!(verdict.early, Vec::<String>::new());
    assert!(verdict.proven >= count, "{} of {count} answers were seen", verdict.proven);
}

#[tokio::test]
async fn aggregation_and_reporting_have_synced_what_they_show_and_acknowledge() {
    let (mut app, file) = under_strace().await;
    let sale = Sale::new("STORE_1", 258);
    app.accept(&sale).await;
    app.final_window_of(&sale).await;
    app.ledger_balances().await;
    app.get(SHOWN, "").await;
    assert!(app.stop_with_its_broker().await.success());

    let record = std::fs::read_to_string(file).unwrap();
    let (_, since_the_sale) = record.split_once("\"POST ").unwrap();
    let (until_shown, _) = since_the_sale.split_once(SHOWN).unwrap();
    for store in STORES {
        let is_sync = |line: &str| line.contains("sync(") && line.contains(store) && line.contains(".jnl>");
        assert!(until_shown.lines().any(is_sync), "`{store}` acknowledged what it had not synced");
    }
}
