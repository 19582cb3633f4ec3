//! A disk that is made full or read-only from outside: what really happens on such a disk happens to the broker.
//! The files are real, in a directory of their own; only the condition is made.

mod common;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use common::*;
use tempfile::TempDir;
use tillstream_broker::{Broker, BrokerSettings, PublishError};

const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
const RESERVE: u64 = 1 << 20;

/// A broker on files, and the condition of their disk: an error number, or 0.
struct Bench {
    broker: Broker,
    condition: Arc<AtomicI32>,
    dir: TempDir,
}

impl Bench {
    fn open(reserve_bytes: u64) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let condition = Arc::new(AtomicI32::new(0));
        let asked = Arc::clone(&condition);
        let gate = move || match asked.load(Ordering::SeqCst) {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        };
        // No cache: what a consumer gets has been read from the disk.
        let settings = BrokerSettings { reserve_bytes, cache_bytes: 0, ..BrokerSettings::default() };
        let broker = Broker::open_gated(dir.path(), Arc::new(gate), settings, vec![queue("q", &["t"])]).expect("opens");
        Self { broker, condition, dir }
    }

    fn set(&self, condition: i32) {
        self.condition.store(condition, Ordering::SeqCst);
    }

    fn reserve(&self) -> u64 {
        self.dir.path().join("reserve").metadata().map_or(0, |reserve| reserve.len())
    }

    async fn refused(&self, number: u64) {
        let answer = within("an answer", self.broker.publish(message("t", number))).await;
        assert!(matches!(answer, Err(PublishError::Storage(_))), "{answer:?}");
        assert!(self.broker.trouble().is_some());
    }

    /// Publishes one until it is taken, as a till would.
    async fn accepted_again(&self, number: u64) {
        let attempts = async {
            while self.broker.publish(message("t", number)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within("recovery without a restart", attempts).await;
        assert_eq!(self.broker.trouble(), None);
    }

    /// What a broker finds that is opened on the same files after this one was closed.
    async fn numbers_after_a_restart(self) -> Vec<u64> {
        within("closing", self.broker.close()).await;
        drop(self.broker);
        let reopened = Broker::open(self.dir.path(), settings(), vec![queue("q", &["t"])]).expect("opens again");
        let mut flow = reopened.bind("q", 1000).expect("the queue is free");
        let depth = depth_of(&reopened, "q") as usize;
        numbers(&within("deliveries", take(&mut flow, depth)).await)
    }
}

#[tokio::test]
async fn on_a_full_disk_publishers_are_refused_reads_and_acknowledgements_go_on_and_it_heals_without_a_restart() {
    let bench = Bench::open(RESERVE);
    publish_all(&bench.broker, "t", 0..10).await;

    bench.set(ENOSPC);
    bench.refused(10).await;
    assert!(bench.broker.trouble().unwrap().contains("full"), "{:?}", bench.broker.trouble());
    let mut flow = bench.broker.bind("q", 100).unwrap();
    let got = within("deliveries from a full disk", take(&mut flow, 10)).await;
    flow.acknowledge(&ids(&got[..4]));
    let written = async {
        while bench.reserve() > 0 || !bench.broker.trouble().unwrap().contains("0 bytes are free") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("writing the acknowledgements in the space of the reserve", written).await;
    bench.refused(11).await;

    bench.set(0);
    bench.accepted_again(12).await;
    assert_eq!(bench.reserve(), RESERVE);
    drop(flow);
    assert_eq!(bench.numbers_after_a_restart().await, [4, 5, 6, 7, 8, 9, 12]);
}

#[tokio::test]
async fn on_a_read_only_disk_publishers_are_refused_nothing_is_lost_and_it_heals_without_a_restart() {
    let bench = Bench::open(RESERVE);
    publish_all(&bench.broker, "t", 0..10).await;
    let mut flow = bench.broker.bind("q", 100).unwrap();
    let got = within("deliveries", take(&mut flow, 10)).await;

    bench.set(EROFS);
    bench.refused(10).await;
    assert!(bench.broker.trouble().unwrap().contains("ead-only"), "{:?}", bench.broker.trouble());
    flow.acknowledge(&ids(&got[..4]));
    bench.refused(11).await;
    assert_eq!(bench.reserve(), RESERVE, "nothing can be deleted on a read-only disk");

    bench.set(0);
    bench.accepted_again(12).await;
    drop(flow);
    assert_eq!(bench.numbers_after_a_restart().await, [4, 5, 6, 7, 8, 9, 12]);
}

#[tokio::test]
async fn a_full_disk_without_a_reserve_takes_no_write_at_all_until_there_is_space() {
    let bench = Bench::open(0);
    publish_all(&bench.broker, "t", 0..3).await;
    let mut flow = bench.broker.bind("q", 100).unwrap();
    let got = within("deliveries", take(&mut flow, 3)).await;

    bench.set(ENOSPC);
    bench.refused(3).await;
    flow.acknowledge(&ids(&got));
    bench.refused(4).await;
    bench.set(0);

    bench.accepted_again(5).await;
    drop(flow);
    assert_eq!(bench.numbers_after_a_restart().await, [5]);
}
