//! The queues of the contract as the embedded broker's specifications.
//! Does not open them; whoever opens the broker hands this list over.

use std::time::Duration;

use tillstream_broker::{QueueSpec, WhenFull};
use tillstream_domain::{
    AGGREGATION_QUEUE, LEDGER_QUEUE, REJECTED_QUEUE, REPORTING_QUEUE, dead_message_queue, store_queue,
};

use crate::settings::EmbeddedBrokerSettings;

const MAX_REDELIVERY: u32 = 10;
const STORE_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// All queues for a topic prefix, such as `sale/pos/transaction`, and stores 1 to `stores`.
pub fn embedded_queues(prefix: &str, stores: u32, settings: &EmbeddedBrokerSettings) -> Vec<QueueSpec> {
    let all = |kind: &str| format!("{prefix}/{kind}/>");
    let quota = settings.queue_quota_bytes;
    let mut queues = vec![
        vital(AGGREGATION_QUEUE, &[all("receipt")], quota),
        vital(LEDGER_QUEUE, &[all("receipt")], quota),
        vital(REPORTING_QUEUE, &["aggregations", "late", "failed"].map(all), quota),
        bounded(unattended(REJECTED_QUEUE, &[all("rejected")], quota)),
    ];
    for store in 1..=stores {
        let aggregates = [format!("{prefix}/aggregations/STORE_{store}/>")];
        let queue = unattended(&store_queue(store), &aggregates, settings.store_queue_quota_bytes);
        queues.push(bounded(QueueSpec { ttl: Some(STORE_TTL), ..queue }));
    }
    let dead: Vec<QueueSpec> = queues.iter().filter_map(dead_messages_of).collect();
    queues.extend(dead);
    queues
}

/// Loses nothing: unlimited redelivery, and when it is full the publisher hears it. A limit would count the deaths of the
/// consumer as failures of the message.
fn vital(name: &str, subscriptions: &[String], quota_bytes: u64) -> QueueSpec {
    QueueSpec {
        name: name.to_owned(),
        subscriptions: subscriptions.to_vec(),
        max_redelivery: None,
        dead_message_queue: None,
        ttl: None,
        quota_bytes,
        when_full: WhenFull::RefusePublisher,
    }
}

/// Nobody may be reading it, and no sale waits for that: over the quota the newest are discarded and counted.
fn unattended(name: &str, subscriptions: &[String], quota_bytes: u64) -> QueueSpec {
    QueueSpec { when_full: WhenFull::DiscardNewest, ..vital(name, subscriptions, quota_bytes) }
}

/// A message that its consumer dies of does not come for ever.
fn bounded(queue: QueueSpec) -> QueueSpec {
    let dead_message_queue = Some(dead_message_queue(&queue.name));
    QueueSpec { max_redelivery: Some(MAX_REDELIVERY), dead_message_queue, ..queue }
}

fn dead_messages_of(queue: &QueueSpec) -> Option<QueueSpec> {
    queue.dead_message_queue.as_ref().map(|name| unattended(name, &[], queue.quota_bytes))
}

#[cfg(test)]
mod tests {
    use tillstream_domain::{StoreId, TopicKind, TopicPrefix, Topics};

    use super::*;

    fn queues() -> Vec<QueueSpec> {
        embedded_queues("sale/pos/transaction", 10, &EmbeddedBrokerSettings::default())
    }

    fn queue(name: &str) -> QueueSpec {
        queues().into_iter().find(|queue| queue.name == name).unwrap()
    }

    #[test]
    fn what_turnover_and_ledger_are_made_of_is_redelivered_for_ever_and_refuses_the_publisher_when_full() {
        for name in [AGGREGATION_QUEUE, LEDGER_QUEUE, REPORTING_QUEUE] {
            let vital = queue(name);
            assert_eq!((vital.max_redelivery, vital.ttl, vital.dead_message_queue), (None, None, None));
            assert_eq!(vital.when_full, WhenFull::RefusePublisher);
        }
    }

    #[test]
    fn no_store_queue_ever_refuses_a_publisher() {
        for store in 1..=10 {
            let aggregates = queue(&store_queue(store));
            assert_eq!(aggregates.subscriptions, [format!("sale/pos/transaction/aggregations/STORE_{store}/>")]);
            assert_eq!(aggregates.when_full, WhenFull::DiscardNewest);
            assert_eq!(aggregates.ttl, Some(Duration::from_secs(86_400)));
        }
    }

    #[test]
    fn every_dead_message_queue_exists_and_takes_no_topic_itself() {
        let all = queues();
        for name in all.iter().filter_map(|queue| queue.dead_message_queue.as_ref()) {
            let dead = queue(name);
            assert!(
                dead.subscriptions.is_empty() && dead.dead_message_queue.is_none() && dead.max_redelivery.is_none()
            );
        }
        assert_eq!(all.len(), 4 + 10 + 1 + 10);
    }

    #[test]
    fn subscriptions_are_those_that_the_domain_publishes_under() {
        let topics = Topics::new(TopicPrefix::default(), true);
        let kinds = [TopicKind::Aggregation, TopicKind::Late, TopicKind::Failed];
        assert_eq!(queue(AGGREGATION_QUEUE).subscriptions, [topics.all(TopicKind::Receipt)]);
        assert_eq!(queue(LEDGER_QUEUE).subscriptions, [topics.all(TopicKind::Receipt)]);
        assert_eq!(queue(REPORTING_QUEUE).subscriptions, kinds.map(|kind| topics.all(kind)));
        assert_eq!(queue(REJECTED_QUEUE).subscriptions, [topics.all(TopicKind::Rejected)]);
        let store = topics.store_aggregations(StoreId::from_number(7).unwrap());
        assert_eq!(queue(&store_queue(7)).subscriptions, [store]);
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = queues().into_iter().map(|queue| queue.name).collect();
        assert_eq!(names.len(), queues().len());
    }
}
