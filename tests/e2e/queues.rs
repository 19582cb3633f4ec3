//! Queues that take nothing because they are shut or deleted, seen from the till: only 503s, never a 200, and afterwards every
//! sale counted once. On the Solace backend, against a broker of the test's own; a full queue is in `refusals`.

use std::time::Duration;

use futures_util::future::join_all;
use tillstream_broker::Side;
use tillstream_domain::{AGGREGATION_QUEUE, LEDGER_QUEUE, store_queue};

use crate::support::{Load, OwnBroker, Sale, Setup, TestApp, eventually, pause};

/// Tills, each in a store of its own.
const TILLS: usize = 8;

/// Sales before and after the trouble.
const NORMAL: Duration = Duration::from_millis(1_000);

const SOON: Duration = Duration::from_secs(60);

/// A service under load on a broker that the test can spoil.
struct Scene {
    broker: OwnBroker,
    app: TestApp,
    load: Load,
    /// Sales that the test itself has offered in vain.
    refused: Vec<Sale>,
}

// === impl Scene ===

impl Scene {
    async fn begin() -> Self {
        let setup = Setup::new().setting("solace.backoff_max", "1s");
        let broker = OwnBroker::of(&setup);
        let mut app = setup.on_the_broker_at(broker.address()).launch_on(None).await;
        app.becomes_ready().await;
        let load = Load::start(&app, TILLS);
        pause(NORMAL).await;
        Self { broker, app, load, refused: Vec::new() }
    }

    /// From this moment on nobody gets a 200: sales are offered alone and many at once.
    async fn takes_nothing(&mut self) {
        for crowd in [1, 20, 1, 40] {
            let sales: Vec<_> = (0..crowd).map(|number| Sale::new(&format!("STORE_{}", number % 10 + 1), 7)).collect();
            for answer in join_all(sales.iter().map(|sale| self.app.try_post(sale))).await {
                let answer = answer.expect("an answer, whatever is wrong");
                assert_eq!(answer.status, 503, "no queue has it: {}", answer.text);
                assert!(!answer.header("retry-after").is_empty(), "{:?}", answer.headers);
            }
            self.refused.extend(sales);
            pause(Duration::from_millis(50)).await;
        }
    }

    /// Readiness turns 503 and says why.
    async fn says(&self, words: &[&str]) {
        eventually(&format!("readiness to say {words:?}"), SOON, async || {
            let ready = self.app.get("/health/ready", "").await;
            let says_all = words.iter().all(|word| ready.text.contains(word));
            if ready.status == 503 && says_all { Ok(()) } else { Err(ready.text) }
        })
        .await;
    }

    /// All is well by itself: what was refused gets its 200, and every sale is counted once. The tills' refusals come back.
    async fn end(mut self) -> Vec<String> {
        self.app.becomes_ready().await;
        for sale in &self.refused {
            self.app.accept(sale).await;
        }
        pause(NORMAL).await;
        let mut account = self.load.stop().await;
        assert!(self.app.is_alive(), "the service died");
        assert!(account.sales.len() > 10 * TILLS, "{} sales prove little", account.sales.len());
        account.sales.extend(self.refused);
        self.app.counts(&account).await;
        account.refusals
    }
}

#[tokio::test]
async fn a_queue_of_sales_that_is_shut_means_503s_and_never_a_200_until_it_is_open_again() {
    let mut scene = Scene::begin().await;
    for queue in [AGGREGATION_QUEUE, LEDGER_QUEUE] {
        scene.broker.shut(queue, Side::Incoming);

        scene.takes_nothing().await;
        scene.says(&["publish is down: the broker takes no message", "Queue Shutdown"]).await;

        scene.broker.reopen(queue, Side::Incoming);
        scene.app.becomes_ready().await;
        scene.app.accept(&scene.refused[0]).await;
    }
    assert!(scene.end().await.len() >= TILLS, "no till of the load felt it");
}

#[tokio::test]
async fn queues_of_sales_that_are_deleted_mean_503s_and_never_a_200_until_they_are_made_again() {
    let mut scene = Scene::begin().await;
    for _ in 0..2 {
        scene.broker.lacks(&[AGGREGATION_QUEUE, LEDGER_QUEUE]).await;

        scene.takes_nothing().await;
        scene.says(&["publish is down: the broker takes no message", "No Subscription Match"]).await;
        scene.takes_nothing().await;

        scene.broker.lacks(&[]).await;
        scene.app.becomes_ready().await;
    }
    assert!(scene.end().await.len() >= TILLS, "no till of the load felt it");
}

#[tokio::test]
async fn a_queue_of_sales_that_gives_nothing_out_costs_no_till_a_second_try_and_readiness_says_so() {
    let scene = Scene::begin().await;
    for queue in [AGGREGATION_QUEUE, LEDGER_QUEUE] {
        scene.broker.shut(queue, Side::Outgoing);
        scene.says(&["enable its outgoing side"]).await;
        pause(NORMAL).await;
        scene.broker.reopen(queue, Side::Outgoing);
    }
    assert_eq!(scene.end().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_stores_own_queue_that_is_shut_costs_no_till_a_second_try_and_the_broker_counts_what_it_missed() {
    let scene = Scene::begin().await;
    let queue = store_queue(1);
    scene.broker.shut(&queue, Side::Incoming);

    eventually("a window of the store to be discarded", SOON, async || {
        let stats = scene.broker.stats(&queue);
        if stats.discarded > 0 { Ok(()) } else { Err(format!("{stats:?}")) }
    })
    .await;
    assert_eq!(scene.app.get("/health/ready", "").await.status, 200);
    scene.broker.reopen(&queue, Side::Incoming);

    assert_eq!(scene.end().await, Vec::<String>::new());
}
