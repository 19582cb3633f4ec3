//! Disks that fill up or fail: publishers are told, nothing confirmed is lost, consumers go on, and it heals in place.
//! The disk is simulated but for one test, which fills a real small file system.

mod common;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::sim_disk::{Fault, SimDisk};
use common::*;
use tillstream_broker::{BindError, Broker, BrokerSettings, Disk, PublishError, RawFile, SystemClock};

const RESERVE: u64 = 512 * 1024;

fn open(disk: &SimDisk) -> Broker {
    let settings = BrokerSettings { reserve_bytes: RESERVE, ..BrokerSettings::default() };
    let queues = vec![queue("q", &["t"]), queue("other", &["t"])];
    Broker::open_on(Arc::new(disk.clone()), Arc::new(SystemClock), settings, queues).expect("opens")
}

/// Publishes until one is refused; returns those that were confirmed.
async fn publish_until_refused(broker: &Broker, from: u64) -> Vec<u64> {
    let mut confirmed = Vec::new();
    for number in from.. {
        match within("an answer", broker.publish(message_of("t", number, 20_000))).await {
            Ok(()) => confirmed.push(number),
            Err(PublishError::Storage(_)) => break,
            Err(other) => panic!("unexpected {other}"),
        }
    }
    confirmed
}

/// Publishes one until it is taken, as a till would.
async fn publish_with_patience(broker: &Broker, number: u64) {
    let attempts = async {
        while broker.publish(message("t", number)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within("recovery", attempts).await;
}

#[tokio::test]
async fn a_full_disk_refuses_publishers_lets_consumers_go_on_and_heals_without_a_restart() {
    let disk = SimDisk::default();
    disk.set_capacity(8 << 20);
    let broker = open(&disk);
    assert_eq!(disk.reserved(), RESERVE);

    let confirmed = publish_until_refused(&broker, 0).await;
    assert!(confirmed.len() > 20);
    assert!(broker.trouble().unwrap().contains("full"));

    for name in ["q", "other"] {
        let mut flow = broker.bind(name, 100_000).unwrap();
        let depth = depth_of(&broker, name) as usize;
        let got = within("deliveries while full", take(&mut flow, depth)).await;
        assert!(confirmed.iter().all(|one| numbers(&got).contains(one)), "nothing confirmed is lost");
        flow.acknowledge(&ids(&got));
    }
    disk.set_capacity(64 << 20);

    publish_with_patience(&broker, 1_000_000).await;
    assert_eq!((broker.trouble(), disk.reserved()), (None, RESERVE));
}

#[tokio::test]
async fn acknowledgements_reach_a_disk_on_which_not_a_byte_is_free() {
    let disk = SimDisk::default();
    disk.set_capacity(8 << 20);
    let broker = open(&disk);
    publish_until_refused(&broker, 0).await;
    // Somebody else takes the rest: now only the reserve can help.
    disk.set_capacity(disk.used());
    let mut flow = broker.bind("q", 100_000).unwrap();
    let depth = depth_of(&broker, "q") as usize;
    let got = within("deliveries", take(&mut flow, depth)).await;

    flow.acknowledge(&ids(&got));
    within("closing", broker.close()).await;
    drop((flow, broker));

    let reopened = open(&disk.after_kill());
    assert_eq!(depth_of(&reopened, "q"), 0);
    assert_eq!(depth_of(&reopened, "other"), depth as u64);
}

#[tokio::test]
async fn a_write_error_is_told_to_the_publisher_and_forgotten_when_the_disk_is_well_again() {
    for (fault, operations) in [(Fault::Write, 0), (Fault::Write, 3), (Fault::Sync, 0)] {
        let disk = SimDisk::default();
        let broker = open(&disk);
        publish_all(&broker, "t", 0..10).await;

        disk.break_after(fault, operations);
        let refused = within("an answer", broker.publish(message("t", 10))).await;

        assert!(matches!(refused, Err(PublishError::Storage(_))), "{fault:?} {operations}: {refused:?}");
        assert!(broker.trouble().is_some());
        disk.heal();
        publish_with_patience(&broker, 11).await;
        let mut flow = broker.bind("q", 100).unwrap();
        let depth = depth_of(&broker, "q") as usize;
        let there = numbers(&within("deliveries", take(&mut flow, depth)).await);
        let certain: Vec<u64> = there.iter().copied().filter(|one| *one != 10).collect();
        assert_eq!(certain, (0..10).chain([11]).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_built_on_pages_that_never_reached_the_disk() {
    let mut landed = 0;
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let disk = SimDisk::default();
        let broker = open(&disk);
        publish_all(&broker, "t", 0..5).await;
        // A commit that makes the file grow syncs twice; either may fail.
        disk.break_once_after(Fault::Sync, seed % 2);
        // Long enough for pages of its own, which no later commit happens to write again.
        let answer = within("an answer", broker.publish(message_of("t", 5, 100_000))).await;
        for number in 6..12 {
            publish_with_patience(&broker, number).await;
        }

        let survived = open(&disk.after_power_loss(&mut random));

        let mut flow = survived.bind("q", 100).unwrap();
        let depth = depth_of(&survived, "q") as usize;
        let there = numbers(&within("deliveries", take(&mut flow, depth)).await);
        landed += usize::from(answer.is_err() && there.contains(&5));
        assert!(answer.is_err() || there.contains(&5), "seed {seed}: confirmed and lost");
        let certain: Vec<u64> = there.iter().copied().filter(|one| *one != 5).collect();
        assert_eq!(certain, (0..5).chain(6..12).collect::<Vec<_>>(), "seed {seed}");
    }
    assert!(landed > 0, "the dangerous case, a commit that landed although its sync failed, has to occur");
}

#[tokio::test]
async fn a_read_error_delays_a_lagging_consumer_and_loses_nothing() {
    let disk = SimDisk::default();
    let tiny = BrokerSettings { cache_bytes: 0, reserve_bytes: 0, ..BrokerSettings::default() };
    let broker =
        Broker::open_on(Arc::new(disk.clone()), Arc::new(SystemClock), tiny, vec![queue("q", &["t"])]).unwrap();
    for number in 0..1000 {
        broker.publish(message_of("t", number, 20_000)).await.unwrap();
    }
    disk.break_after(Fault::Read, 0);
    let mut flow = broker.bind("q", 1000).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(200), flow.next_batch(10)).await.is_err());

    disk.heal();

    assert_eq!(numbers(&within("deliveries", take(&mut flow, 1000)).await), (0..1000).collect::<Vec<_>>());
}

/// A disk over which the engine panics once it is told to.
#[derive(Default)]
struct DeadlyDisk {
    disk: SimDisk,
    deadly: AtomicBool,
}

impl Disk for DeadlyDisk {
    fn open(&self) -> io::Result<Arc<dyn RawFile>> {
        self.disk.open()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        assert!(!self.deadly.load(Ordering::SeqCst), "the engine dies on purpose");
        self.disk.free_bytes()
    }

    fn reserve(&self) -> io::Result<u64> {
        self.disk.reserve()
    }

    fn set_reserve(&self, bytes: u64) -> io::Result<()> {
        self.disk.set_reserve(bytes)
    }
}

#[tokio::test]
async fn a_broker_whose_engine_died_says_so_to_everybody_who_asks() {
    let disk = Arc::new(DeadlyDisk::default());
    let broker = Broker::open_on(disk.clone(), Arc::new(SystemClock), settings(), vec![queue("q", &["t"])]).unwrap();
    publish_all(&broker, "t", [1]).await;
    let mut flow = broker.bind("q", 10).unwrap();
    within("a delivery", take(&mut flow, 1)).await;
    assert_eq!(broker.trouble(), None);

    disk.deadly.store(true, Ordering::SeqCst);
    let answer = within("an answer", broker.publish(message("t", 2))).await;

    assert_eq!(answer, Err(PublishError::Closed));
    assert_eq!(within("the consumer", flow.next_batch(1)).await.err(), Some(BindError::Closed));
    assert!(broker.trouble().is_some_and(|reason| reason.contains("died")), "{:?}", broker.trouble());
    assert_eq!(broker.publish(message("t", 3)).await, Err(PublishError::Closed));
    within("closing", broker.close()).await;
}

/// A file system of its own in memory; unmounted when dropped.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn mount(megabytes: u32) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let options = format!("size={megabytes}m");
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path());
        assert!(mount.status().is_ok_and(|status| status.success()), "this test needs the right to mount a tmpfs");
        Self(dir)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_real_file_system_fills_up_and_is_freed_without_a_restart() {
    let tmpfs = Tmpfs::mount(16);
    let settings = BrokerSettings { reserve_bytes: RESERVE, ..BrokerSettings::default() };
    let dir = tmpfs.0.path().join("broker");
    let broker = Broker::open(&dir, settings, vec![queue("q", &["t"])]).unwrap();
    publish_all(&broker, "t", 0..10).await;
    let hog = tmpfs.0.path().join("hog");
    // Takes everything, so that the reserve is all that is left.
    let _ = std::fs::write(&hog, vec![1; 32 << 20]);

    let refused = publish_until_refused(&broker, 10).await;
    assert!(refused.is_empty() && broker.trouble().is_some());
    let mut flow = broker.bind("q", 100).unwrap();
    let got = within("deliveries", take(&mut flow, 10)).await;
    flow.acknowledge(&ids(&got));
    std::fs::remove_file(&hog).unwrap();

    publish_with_patience(&broker, 100).await;
    assert_eq!(numbers(&within("the new one", take(&mut flow, 1)).await), [100]);
    within("closing", broker.close()).await;
}

#[tokio::test]
async fn a_drained_queue_gives_its_space_back_to_the_disk() {
    let disk = SimDisk::default();
    let broker = Broker::open_on(Arc::new(disk.clone()), Arc::new(SystemClock), settings(), vec![queue("q", &["t"])]);
    let broker = broker.unwrap();
    for number in 0..40 {
        broker.publish(message_of("t", number, 1_000_000)).await.unwrap();
    }
    assert!(disk.used() > 40_000_000);
    let mut flow = broker.bind("q", 100).unwrap();
    let got = within("deliveries", take(&mut flow, 40)).await;

    flow.acknowledge(&ids(&got));

    let freed = async {
        while disk.used() > 4_000_000 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("giving space back", freed).await;
}
