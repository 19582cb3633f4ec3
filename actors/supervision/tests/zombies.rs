//! The gauge of abandoned threads, as a scrape sees it. One test, because the registry is one per process.

mod common;

use std::time::Duration;

use common::threads::{DEADLINE, threaded_root, watch};
use common::{Counter, Log};
use prometheus::TextEncoder;
use tillstream_supervision::{ActorSpec, Fault, Place};
use tokio::time::{Instant, sleep};

async fn scraped(line: &str) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let text = TextEncoder::new().encode_to_string(&prometheus::gather()).expect("metrics are text");
        if text.lines().any(|scraped| scraped == line) {
            return;
        }
        assert!(Instant::now() < deadline, "`{line}` never came: {text}");
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_scrape_shows_abandoned_threads_until_they_end_and_restarts_by_reason() {
    let root = threaded_root();
    let place = Place::arbiter("shared");
    for (name, kind) in [("culprit", "culprit"), ("neighbour", "neighbour")] {
        let actor = root.spawn(ActorSpec::new(name, kind), &place, || Counter::new("c", &Log::default()));
        actor.expect("the name is free").started().await.expect("it starts");
    }
    let _watchdog = watch(&root);
    scraped("actor_zombies 0").await;

    drop(root.inject("root.culprit", Fault::Block(Duration::from_secs(3))).expect("it is there"));

    scraped("actor_zombies 1").await;
    scraped(r#"actor_restarts_total{actor="culprit",reason="blocked"} 1"#).await;
    scraped(r#"actor_restarts_total{actor="neighbour",reason="thread"} 1"#).await;
    scraped("actor_zombies 0").await;
    drop(root.inject("root.neighbour", Fault::Hang).expect("it is there"));
    scraped(r#"actor_restarts_total{actor="neighbour",reason="hang"} 1"#).await;
    scraped(r#"actor_up{actor="neighbour"} 1"#).await;
}
