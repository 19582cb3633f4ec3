//! Tills that sell until they are told to stop, and their own list of what was answered with 200.
//! An answer other than 200 and 503 ends the test; [`TestApp::counts`] says whether the service's books have the same.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use tokio::task::JoinHandle;

use super::till::try_send;
use super::{Badge, Sale, TestApp, eventually, pause};

/// How long a till tries again before the test calls the service stuck; the longest outage is well within.
const ACCEPT_WITHIN: Duration = Duration::from_secs(150);

/// Until a refusal is felt: longer than any timeout of a publish.
const FELT_WITHIN: Duration = Duration::from_secs(60);

/// Between two posts of one till.
const BREATH: Duration = Duration::from_millis(10);

/// Tills at work.
pub struct Load {
    is_over: Arc<AtomicBool>,
    tills: Vec<JoinHandle<Vec<Sale>>>,
    refusals: Refusals,
}

/// Every answer that was no 200, and every answer that did not come.
#[derive(Debug, Clone, Default)]
struct Refusals(Arc<Mutex<Vec<String>>>);

/// What tills know when they have gone home.
#[derive(Debug)]
pub struct Account {
    /// Every one of them has its 200.
    pub sales: Vec<Sale>,
    /// What they were told instead before that.
    pub refusals: Vec<String>,
}

impl Load {
    /// One till in each of so many stores.
    pub fn start(app: &TestApp, stores: usize) -> Self {
        Self::start_with(app, stores, &Badge::of("pos-service", app.users()))
    }

    /// The same with what this badge shows.
    pub fn start_with(app: &TestApp, stores: usize, badge: &Badge) -> Self {
        let (is_over, refusals) = (Arc::<AtomicBool>::default(), Refusals::default());
        let till = |store| sell(app.till(badge), format!("STORE_{store}"), Arc::clone(&is_over), refusals.clone());
        let tills = (1..=stores).map(|store| tokio::spawn(till(store))).collect();
        Self { is_over, tills, refusals }
    }

    /// How often a till was refused, or not answered, so far.
    pub fn refusals(&self) -> usize {
        self.refusals.0.lock().unwrap().len()
    }

    /// Waits until tills are refused more often than `before`.
    pub async fn feels_it(&self, before: usize) {
        eventually("a till to be refused", FELT_WITHIN, async || match self.refusals() {
            more if more > before => Ok(()),
            _ => Err("every sale got its 200 at once".to_owned()),
        })
        .await;
    }

    /// Lets every till get the 200 of the sale in its hand.
    pub async fn stop(self) -> Account {
        self.is_over.store(true, SeqCst);
        let lists = join_all(self.tills).await.into_iter().map(|list| list.expect("a till that did not panic"));
        let sales = lists.flatten().collect();
        Account { sales, refusals: self.refusals.0.lock().unwrap().clone() }
    }
}

impl Refusals {
    fn note(&self, reason: String) {
        self.0.lock().unwrap().push(reason);
    }
}

/// One sale after the other, each again and again until it has its 200.
async fn sell(
    till: impl Fn(&Sale) -> RequestBuilder,
    store: String,
    is_over: Arc<AtomicBool>,
    refusals: Refusals,
) -> Vec<Sale> {
    let mut sales = Vec::new();
    while !is_over.load(SeqCst) {
        let sale = Sale::new(&store, 100 + i64::try_from(sales.len()).unwrap());
        let deadline = Instant::now() + ACCEPT_WITHIN;
        while let Err(refusal) = offer(till(&sale)).await {
            assert!(Instant::now() < deadline, "stuck: no 200 for a sale within {ACCEPT_WITHIN:?}: {refusal}");
            refusals.note(refusal);
            pause(BREATH).await;
        }
        sales.push(sale);
        pause(BREATH).await;
    }
    sales
}

/// Posts a sale once; what came back instead of a 200.
async fn offer(sale: RequestBuilder) -> Result<(), String> {
    match try_send(sale).await? {
        answer if answer.status == 200 => Ok(()),
        answer if answer.status == 503 => Err(answer.text),
        answer => panic!("a good sale was answered with {}: {}", answer.status, answer.text),
    }
}

/// Cents and number of sales by store and second in which the window starts.
type Sums = BTreeMap<(String, i64), (i64, u64)>;

impl TestApp {
    /// Waits until all windows are final, and insists that they are the tills' own list, window by window, to the cent,
    /// and that the books balance. Windows must be of one second, as in quick settings.
    pub async fn counts(&self, account: &Account) {
        let mut expected = Sums::new();
        for sale in &account.sales {
            let sum = expected.entry((sale.store.clone(), sale.window_start(1))).or_default();
            *sum = (sum.0 + sale.cents, sum.1 + 1);
        }
        let windows = self.windows_when_final(account.sales.len() as u64).await;
        let shown = windows.iter().map(|window| {
            let sum = (window.total_amount + window.late_amount, window.transaction_count + window.late_count);
            ((window.store_id.clone(), window.window_start.timestamp()), sum)
        });
        assert_eq!(shown.collect::<Sums>(), expected);
        self.ledger_balances().await;
    }
}
