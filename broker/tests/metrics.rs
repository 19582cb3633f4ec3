//! What the broker says of itself, as a scrape sees it. One test, because the registry is one per process.

mod common;

use std::sync::Arc;

use common::sim_disk::SimDisk;
use common::*;
use prometheus::TextEncoder;
use tillstream_broker::{Broker, QueueSpec, SystemClock};

fn samples() -> Vec<String> {
    let text = TextEncoder::new().encode_to_string(&prometheus::gather()).expect("metrics are text");
    text.lines().map(str::to_owned).collect()
}

/// The value of one sample.
fn value(series: &str) -> f64 {
    let start = format!("{series} ");
    let samples = samples();
    let found = samples.iter().find_map(|line| line.strip_prefix(&start));
    found.unwrap_or_else(|| panic!("{series} in {samples:#?}")).parse().expect("a number")
}

#[tokio::test]
async fn queues_say_how_full_they_are_and_commits_how_many_messages_share_one() {
    let quota = QueueSpec { quota_bytes: 4_096, ..queue("narrow", &["t"]) };
    let disk = SimDisk::default();
    let queues = vec![quota, queue("wide", &["u"])];
    let broker = Broker::open_on(Arc::new(disk), Arc::new(SystemClock), settings(), queues).expect("opens");
    assert_eq!(value("broker_commit_messages_count") as u64, 0, "there before the first commit");
    assert_eq!(value(r#"broker_queue_bytes{queue="narrow"}"#) as u64, 0);
    assert_eq!(value(r#"broker_queue_max_bytes{queue="narrow"}"#) as u64, 4_096);
    assert!(value(r#"broker_queue_max_bytes{queue="wide"}"#) >= i64::MAX as f64, "no limit is the most that there is");

    publish_all(&broker, "t", 0..3).await;

    let stored = value(r#"broker_queue_bytes{queue="narrow"}"#) as u64;
    assert!((3 * 40..4_096).contains(&stored), "{stored}");
    assert_eq!(value(r#"broker_queue_depth{queue="narrow"}"#) as u64, 3);
    assert_eq!(value("broker_commit_messages_sum") as u64, 3);
    let commits = value("broker_commit_messages_count") as u64;
    assert!((1..=3).contains(&commits), "{commits}");
    assert!(value("broker_commit_duration_seconds_count") as u64 >= commits);

    let mut flow = broker.bind("narrow", 10).expect("free");
    let got = within("deliveries", take(&mut flow, 3)).await;
    flow.acknowledge(&ids(&got));
    assert_eq!(value(r#"broker_queue_bytes{queue="narrow"}"#) as u64, 0);
}
