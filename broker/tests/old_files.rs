//! Files from before there were properties open and say what they always said; files with properties are refused by a
//! broker that does not know them. The old layout is written here by hand, row by row, as that broker wrote it.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail as the test does")]

mod common;

use std::path::Path;

use common::*;
use redb::{Database, ReadableDatabase, TableDefinition};
use tillstream_broker::{Broker, Delivery, OutboundMessage, QueueSpec};

const CHUNKS: TableDefinition<u64, &[u8]> = TableDefinition::new("chunks");
const BODIES: TableDefinition<u64, &[u8]> = TableDefinition::new("bodies");
const ROWS: TableDefinition<(u64, u16), &[u8]> = TableDefinition::new("rows");
const PROGRESS: TableDefinition<u16, &[u8]> = TableDefinition::new("progress");
const QUEUES: TableDefinition<u16, &[u8]> = TableDefinition::new("queues");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

const OLD_SPEC: &str = r#"{"name":"q","subscriptions":["t"],"max_redelivery":null,"dead_message_queue":null,"ttl":null,"quota_bytes":1000000,"when_full":"RefusePublisher"}"#;

fn specs() -> Vec<QueueSpec> {
    vec![queue("q", &["t"])]
}

/// Three messages in one chunk, of which the queue has acknowledged the second.
fn write_old_files(dir: &Path) {
    let (mut body, mut ends) = (Vec::new(), Vec::new());
    for number in [1, 2, 3] {
        let OutboundMessage { topic, message_id, payload, .. } = message("t", number);
        body.extend_from_slice(message_id.as_bytes());
        body.extend_from_slice(topic.as_bytes());
        body.extend_from_slice(&payload);
        ends.push(body.len() as u32);
    }
    let mut chunk = 0_u64.to_le_bytes().to_vec();
    chunk.push(1); // routes
    chunk.extend_from_slice(&[1, 0, 0, 0]); // to one queue, the first
    chunk.push(3); // entries
    for end in ends {
        chunk.extend_from_slice(&end.to_le_bytes());
        chunk.extend_from_slice(&[1, 0]); // bytes of the topic, and the route
    }
    let mut progress = [0; 24];
    progress[8..16].copy_from_slice(&2_u64.to_le_bytes()); // two were delivered

    let database = Database::create(dir.join("queues.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(CHUNKS).unwrap().insert(0, chunk.as_slice()).unwrap();
    transaction.open_table(BODIES).unwrap().insert(0, body.as_slice()).unwrap();
    transaction.open_table(ROWS).unwrap().insert((0, 0), 0b101_u64.to_le_bytes().as_slice()).unwrap();
    transaction.open_table(PROGRESS).unwrap().insert(0, progress.as_slice()).unwrap();
    transaction.open_table(QUEUES).unwrap().insert(0, OLD_SPEC.as_bytes()).unwrap();
    transaction.open_table(META).unwrap().insert("sequence", 2).unwrap();
    transaction.open_table(META).unwrap().insert("clean", 1).unwrap();
    transaction.commit().unwrap();
}

/// As the broker before properties read the rows of chunks: the numbers of routes that entries name, and how many
/// routes there are.
fn routes_as_read_before(dir: &Path) -> (Vec<u8>, usize) {
    let database = Database::open(dir.join("queues.redb")).unwrap();
    let table = database.begin_read().unwrap().open_table(CHUNKS).unwrap();
    let row = table.get(0).unwrap().unwrap().value().to_vec();
    let routes = usize::from(row[8]);
    let entries = &row[9 + routes * 4 + 1..];
    (entries.chunks(6).map(|entry| entry[5]).collect(), routes)
}

async fn everything(broker: &Broker, count: usize) -> Vec<Delivery> {
    let mut flow = broker.bind("q", 10).unwrap();
    within("what is stored", take(&mut flow, count)).await
}

#[tokio::test]
async fn a_directory_from_before_there_were_properties_opens_with_all_that_it_owes() {
    let dir = tempfile::tempdir().unwrap();
    write_old_files(dir.path());

    let broker = Broker::open(dir.path(), settings(), specs()).unwrap();

    let got = everything(&broker, 2).await;
    assert_eq!(numbers(&got), [1, 3]);
    assert!(got.iter().all(|one| one.properties.is_empty() && one.payload.len() == 40 && &*one.topic == "t"));
    assert_eq!([got[0].redelivered, got[1].redelivered], [true, false]);
    let described = OutboundMessage { properties: "new".into(), ..message("t", 4) };
    broker.publish(described).await.unwrap();
    drop(got);
    within("closing", broker.close()).await;
    drop(broker);
    let broker = Broker::open(dir.path(), settings(), specs()).unwrap();
    let got = everything(&broker, 3).await;
    assert_eq!(numbers(&got), [1, 3, 4], "old and new messages in one queue");
    assert_eq!(got[2].properties, "new");
}

#[tokio::test]
async fn without_properties_files_are_as_they_were_and_with_them_an_older_broker_refuses_them() {
    let write = async |properties: &'static str| {
        let dir = tempfile::tempdir().unwrap();
        let broker = Broker::open(dir.path(), settings(), specs()).unwrap();
        let message = OutboundMessage { properties: properties.into(), ..message("t", 1) };
        broker.publish(message).await.unwrap();
        within("closing", broker.close()).await;
        drop(broker);
        dir
    };

    let (without, with) = (write("").await, write("new").await);

    assert_eq!(routes_as_read_before(without.path()), (vec![0], 1));
    let (named, routes) = routes_as_read_before(with.path());
    assert!(usize::from(named[0]) >= routes, "a route that is not there is what the older broker refuses");
}
