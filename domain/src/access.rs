//! Who may publish, read and consume what on a broker: the one matrix behind every access list.
//! Knows no password and enforces nothing; the listener does, and on a Solace broker whoever sets up its users.

use crate::topics::{
    AGGREGATION_QUEUE, LEDGER_QUEUE, REJECTED_QUEUE, REPORTING_QUEUE, TopicKind, Topics, dead_message_queue,
    store_queue,
};

/// A user of the broker; each role of a process connects as its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BrokerUser {
    /// Publishes sales and, on behalf of aggregation, windows.
    Validation,
    /// Consumes sales; publishes what no window can take.
    Aggregation,
    /// Consumes windows, and sales for the ledger.
    Reporting,
    /// Whoever sits in a store and reads its windows.
    Store,
    /// A person who looks after what could not be counted.
    Operator,
}

impl BrokerUser {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Validation, Self::Aggregation, Self::Reporting, Self::Store, Self::Operator];

    /// Its name in health documents, metrics and probe topics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::Aggregation => "aggregation",
            Self::Reporting => "reporting",
            Self::Store => "store",
            Self::Operator => "operator",
        }
    }

    /// Where the secret tree keeps its name and password.
    pub const fn credentials_path(self) -> &'static str {
        match self {
            Self::Validation => "message-broker/creds/validation-service",
            Self::Aggregation => "message-broker/creds/aggregation-service",
            Self::Reporting => "message-broker/creds/reporting-service",
            Self::Store => "message-broker/creds/store-service",
            Self::Operator => "message-broker/creds/login",
        }
    }

    /// What it may publish; nothing else, and nobody else may.
    pub const fn publishes(self) -> &'static [TopicKind] {
        match self {
            Self::Validation => &[TopicKind::Receipt, TopicKind::Failed, TopicKind::Aggregation],
            Self::Aggregation => &[TopicKind::Late, TopicKind::Rejected],
            Self::Reporting => &[TopicKind::Rejected],
            Self::Store | Self::Operator => &[],
        }
    }

    /// What it may subscribe to past all queues: what its queues would bring it anyway.
    pub const fn subscribes(self) -> &'static [TopicKind] {
        match self {
            Self::Validation => &[],
            Self::Aggregation => &[TopicKind::Receipt],
            Self::Reporting => &[TopicKind::Receipt, TopicKind::Failed, TopicKind::Aggregation, TopicKind::Late],
            Self::Store => &[TopicKind::Aggregation],
            Self::Operator => &[TopicKind::Rejected],
        }
    }

    /// The queues that it may consume where there are stores 1 to `stores`. Only the operator empties the queues of dead
    /// messages.
    pub fn consumes(self, stores: u32) -> Vec<String> {
        let of_stores = || (1..=stores).map(store_queue);
        match self {
            Self::Validation => Vec::new(),
            Self::Aggregation => vec![AGGREGATION_QUEUE.to_owned()],
            Self::Reporting => vec![LEDGER_QUEUE.to_owned(), REPORTING_QUEUE.to_owned()],
            Self::Store => of_stores().collect(),
            Self::Operator => {
                let read_by_people = std::iter::once(REJECTED_QUEUE.to_owned()).chain(of_stores());
                let dead = read_by_people.map(|queue| dead_message_queue(&queue));
                std::iter::once(REJECTED_QUEUE.to_owned()).chain(dead).collect()
            }
        }
    }

    /// The topics that it may publish to, as subscriptions; a publisher also has its probe.
    pub fn publish_patterns(self, topics: &Topics) -> Vec<String> {
        let kinds = self.publishes();
        let probe = (!kinds.is_empty()).then(|| topics.probe(self));
        kinds.iter().map(|kind| topics.all(*kind)).chain(probe).collect()
    }

    /// The topics that it may subscribe to past all queues.
    pub fn subscribe_patterns(self, topics: &Topics) -> Vec<String> {
        self.subscribes().iter().map(|kind| topics.all(*kind)).collect()
    }
}

#[cfg(test)]
mod tests;
