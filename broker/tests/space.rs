//! What acknowledged messages leave behind on the disk while others are never read.
//! Does not test a full disk; `failing_disks` does.

mod common;

use std::sync::Arc;

use common::sim_disk::SimDisk;
use common::*;
use tillstream_broker::{Broker, QueueSpec, SystemClock};

const GROUPS: u64 = 400;
const SALES_PER_GROUP: u64 = 63;

fn specs() -> Vec<QueueSpec> {
    vec![
        queue("aggregation", &["receipt"]),
        queue("ledger", &["receipt"]),
        queue("reporting", &["event/>"]),
        queue("store_1", &["event/STORE_1"]),
        queue("store_2", &["event/STORE_2"]),
    ]
}

fn open(disk: &SimDisk) -> Broker {
    Broker::open_on(Arc::new(disk.clone()), Arc::new(SystemClock), settings(), specs()).expect("opens")
}

/// Sales and, in their midst, one event, all waiting at once so that they are committed together.
async fn publish_group(broker: &Broker, group: u64) {
    let first = group * (SALES_PER_GROUP + 1);
    let publishes = (first..=first + SALES_PER_GROUP).map(|number| match number - first {
        32 => broker.publish(message_of(&format!("event/STORE_{}", 1 + group % 2), number, 330)),
        _ => broker.publish(message_of("receipt", number, 950)),
    });
    for publish in publishes.collect::<Vec<_>>() {
        within("an answer", publish).await.expect("stored");
    }
}

#[tokio::test]
async fn events_that_nobody_reads_do_not_keep_the_sales_that_were_stored_with_them() {
    let disk = SimDisk::default();
    let broker = open(&disk);
    let mut read = ["aggregation", "ledger", "reporting"].map(|name| broker.bind(name, 1_000).unwrap());
    for group in 0..GROUPS {
        publish_group(&broker, group).await;
        for (flow, count) in read.iter_mut().zip([SALES_PER_GROUP, SALES_PER_GROUP, 1]) {
            let got = within("deliveries", take(flow, count as usize)).await;
            flow.acknowledge(&ids(&got));
        }
    }
    drop(read);
    within("closing", broker.close()).await;

    let unread = GROUPS * 330;
    assert!(disk.used() < 4 << 20, "{} bytes are used for {unread} unread", disk.used());
    let reopened = open(&disk.after_kill());
    for (name, depth) in [("aggregation", 0), ("ledger", 0), ("reporting", 0), ("store_1", 200), ("store_2", 200)] {
        assert_eq!(depth_of(&reopened, name), depth, "{name}");
    }
    let mut flow = reopened.bind("store_2", 1_000).unwrap();
    let got = numbers(&within("the unread", take(&mut flow, 200)).await);
    assert_eq!(got, (0..GROUPS).skip(1).step_by(2).map(|group| group * 64 + 32).collect::<Vec<_>>());
}
