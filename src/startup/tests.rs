//! The wiring itself: what reaches a room, and by which way only.

use std::time::Duration;

use tillstream_domain::AGGREGATION_QUEUE;
use tillstream_domain::fixtures::{SampleBody, sample_id};
use tillstream_messages::{QueryLedger, QueryTurnover, ValidateSale};
use tillstream_supervision::Node;

use super::*;

const SALES: u64 = 20;

/// The rooms on a broker in a scratch directory, with windows of a tenth of a second.
struct RoomsForTest {
    root: Supervisor,
    rooms: Rooms,
    broker: Broker,
    _dir: tempfile::TempDir,
}

impl RoomsForTest {
    /// `before` sees the broker before any room does.
    fn start<T>(before: impl FnOnce(&Broker) -> T) -> (Self, T) {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.data_dir.0 = dir.path().to_owned();
        settings.window.size = Duration::from_millis(100);
        settings.window.disorder = Duration::ZERO;
        settings.window.idle = Duration::from_millis(100);
        let clock = WallClock::default();
        let (board, tree, prefix) = (HealthBoard::default(), Arc::default(), TopicPrefix::default());
        let shared = Shared { board, clock, faults: EnvironmentFaults::default(), tree, prefix };
        let places = Places::start(1);
        let root = Supervisor::root(settings.supervision.one_for_one("root"), &places.control);
        let broker = carrier::open_broker(&settings, &shared).unwrap();
        let seen = before(&broker);
        let rooms = Rooms::spawn(&settings, &root, &places, &shared, Some(&Carrier::Embedded(broker.clone()))).unwrap();
        (Self { root, rooms, broker, _dir: dir }, seen)
    }

    async fn sell(&self) {
        let door = self.rooms.doors.validate.as_ref().unwrap();
        for number in 0..SALES {
            let body = SampleBody { id: sample_id(number), timestamp: chrono::Utc::now(), ..SampleBody::default() };
            let verdict = door.ask(ValidateSale::new(body.to_json()), Duration::from_secs(10)).await;
            verdict.unwrap().unwrap();
        }
    }

    async fn counted_by_the_ledger(&self) -> u64 {
        let door = self.rooms.doors.ledger.as_ref().unwrap();
        // While reporting opens its store it cannot answer.
        let report = door.ask(QueryLedger, Duration::from_secs(10)).await.unwrap().unwrap_or_default();
        report.stores.iter().map(|store| store.open.0 + store.accepted.0).sum()
    }

    async fn counted_in_windows(&self) -> u64 {
        let door = self.rooms.doors.turnover.as_ref().unwrap();
        let question = QueryTurnover { limit: 1_000, ..QueryTurnover::default() };
        let rows = door.ask(question, Duration::from_secs(10)).await.unwrap().unwrap_or_default();
        rows.iter().map(|row| row.event.transaction_count).sum()
    }
}

/// Whether any store has a window actor.
fn has_windows(node: &Node) -> bool {
    node.kind == "window" || node.children.iter().any(has_windows)
}

async fn eventually(what: &str, mut probe: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !probe().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "stuck: {what}");
}

#[tokio::test]
async fn sales_that_the_queue_does_not_deliver_reach_no_window_though_tills_have_their_200() {
    let (rooms, other_consumer) = RoomsForTest::start(|broker| broker.bind(AGGREGATION_QUEUE, 1).unwrap());

    rooms.sell().await;
    eventually("the ledger counts all sales", async || rooms.counted_by_the_ledger().await == SALES).await;
    assert!(!has_windows(&rooms.root.tree()), "sales came to aggregation by another way than its queue");

    drop(other_consumer);
    eventually("windows show all sales", async || rooms.counted_in_windows().await == SALES).await;
    rooms.root.shutdown().await;
    rooms.broker.close().await;
}
