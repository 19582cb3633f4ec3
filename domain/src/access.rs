//! Who may do what: users of the broker, users of HTTP, services that read secrets. The one matrix behind every access list.
//! Knows no password and enforces nothing; the listener, the HTTP side and Vault's policies do.

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

/// What a user of HTTP is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserRole {
    /// A till.
    Pos,
    /// The aggregation service.
    Aggregation,
    /// A reader of turnover.
    Reporting,
    /// An operator.
    Admin,
}

/// What a request wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Send a sale.
    SendSale,
    /// Hand over a window's turnover.
    SendAggregate,
    /// Read turnover.
    ReadTurnover,
    /// Read what became of one sale.
    ReadJourney,
    /// Read the ledger.
    ReadLedger,
    /// Read the supervision tree.
    ReadActors,
    /// Make something fail on purpose.
    InjectFault,
    /// Read what was made to fail.
    ReadFaults,
    /// Read and set the rate of the simulated tills.
    ControlGenerator,
    /// Read which secrets are in use, never a value.
    ReadSecrets,
    /// Have the secrets read again at once.
    RefreshSecrets,
    /// Read which lines are logged.
    ReadLogFilter,
    /// Set which lines are logged.
    SetLogFilter,
    /// Watch the live page.
    Watch,
}

impl UserRole {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pos, Self::Aggregation, Self::Reporting, Self::Admin];

    /// The table of rights: an admin may do all, tills and aggregation one thing, and a reader of turnover may watch it and ask for
    /// one sale as well.
    pub const fn may(self, action: Action) -> bool {
        match (self, action) {
            (Self::Admin, _)
            | (Self::Pos, Action::SendSale)
            | (Self::Aggregation, Action::SendAggregate)
            | (Self::Reporting, Action::ReadTurnover | Action::ReadJourney | Action::Watch) => true,
            (Self::Pos | Self::Aggregation | Self::Reporting, _) => false,
        }
    }

    /// Its name in secrets, certificates' mapping and tokens' scopes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pos => "pos",
            Self::Aggregation => "aggregation",
            Self::Reporting => "reporting",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == text)
    }
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::SendSale,
        Self::SendAggregate,
        Self::ReadTurnover,
        Self::ReadJourney,
        Self::ReadLedger,
        Self::ReadActors,
        Self::InjectFault,
        Self::ReadFaults,
        Self::ControlGenerator,
        Self::ReadSecrets,
        Self::RefreshSecrets,
        Self::ReadLogFilter,
        Self::SetLogFilter,
        Self::Watch,
    ];
}

/// Whoever logs in at Vault, with a policy of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretReader {
    /// Role validation: checks all users of HTTP.
    Validation,
    /// Role aggregation.
    Aggregation,
    /// Role reporting.
    Reporting,
    /// Role pos.
    Pos,
    /// The collector of traces, by an agent that renders files.
    OtelCollector,
    /// Whoever sets up the broker's users, and the embedded broker that lets them in.
    Broker,
    /// All roles in one process, with the embedded broker.
    Whole,
}

impl SecretReader {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Validation,
        Self::Aggregation,
        Self::Reporting,
        Self::Pos,
        Self::OtelCollector,
        Self::Broker,
        Self::Whole,
    ];

    /// Its name as an AppRole and as a policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validation => "validation-service",
            Self::Aggregation => "aggregation-service",
            Self::Reporting => "reporting-service",
            Self::Pos => "pos-service",
            Self::OtelCollector => "otel-collector",
            Self::Broker => "message-broker",
            Self::Whole => "tillstream",
        }
    }

    /// The paths that it reads, and none else; `/*` at the end stands for everything directly below, which it may also list.
    pub const fn reads(self) -> &'static [&'static str] {
        match self {
            Self::Validation => &[
                "message-broker/config",
                "message-broker/creds/validation-service",
                "otel-collector/config",
                "validation-service/config",
                "validation-service/creds/*",
            ],
            Self::Aggregation => &[
                "message-broker/config",
                "message-broker/config/aggregation-service",
                "message-broker/creds/aggregation-service",
                "otel-collector/config",
                "validation-service/config",
                "validation-service/creds/admin",
                "validation-service/creds/aggregation-service",
            ],
            Self::Reporting => &[
                "message-broker/config",
                "message-broker/creds/reporting-service",
                "otel-collector/config",
                "validation-service/creds/admin",
                "validation-service/creds/reporting-service",
            ],
            Self::Pos => &[
                "message-broker/config",
                "otel-collector/config",
                "validation-service/config",
                "validation-service/creds/admin",
                "validation-service/creds/pos-service",
            ],
            Self::OtelCollector => &[
                "message-broker/config",
                "message-broker/config/otel",
                "message-broker/creds/otel",
                "otel-collector/config",
            ],
            Self::Broker => &["message-broker/config", "message-broker/creds/*"],
            Self::Whole => &[
                "message-broker/config",
                "message-broker/config/aggregation-service",
                "message-broker/creds/*",
                "otel-collector/config",
                "validation-service/config",
                "validation-service/creds/*",
            ],
        }
    }

    /// Whether it may read this path.
    pub fn may_read(self, path: &str) -> bool {
        self.reads().iter().any(|allowed| covers(allowed, path))
    }
}

/// Whether a pattern of [`SecretReader::reads`] takes in this path.
fn covers(pattern: &str, path: &str) -> bool {
    let Some(above) = pattern.strip_suffix("/*") else { return pattern == path };
    let below = path.strip_prefix(above).and_then(|rest| rest.strip_prefix('/'));
    below.is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

#[cfg(test)]
mod tests;
