//! The SMF listener in front of the embedded broker, and its users in step with the secrets.
//! Does not decide who may do what; the domain's matrix does.

use std::collections::BTreeMap;
use std::collections::btree_map::{Entry, OccupiedEntry};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Handler};
use anyhow::Context;
use secrecy::ExposeSecret;
use tillstream_audit::AuditTrail;
use tillstream_broker::Broker;
use tillstream_domain::{BrokerUser, Topics};
use tillstream_listener::{Account, Accounts, Consume, ListenerMemory, ListenerWiring, Rights, SmfListener};
use tillstream_messages::{SecretTree, SecretsChanged};
use tillstream_secrets::SecretsHolder;
use tillstream_supervision::{ActorSpec, Place, Port, SupervisedContext, Supervisor, supervised};
use tracing::{info, warn};

use super::Shared;
use crate::settings::Settings;

/// A listener that is bound and served.
pub struct SmfDoor {
    address: SocketAddr,
    accounts: Accounts,
    secrets: Port<SecretsChanged>,
}

/// What users are made of besides secrets.
#[derive(Clone)]
struct Matrix {
    topics: Topics,
    stores: u32,
}

impl SmfDoor {
    /// Binds the address and spawns the listener and the keeper of its users below `root`.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn open(
        address: SocketAddr,
        settings: &Settings,
        shared: &Shared,
        broker: &Broker,
        root: &Supervisor,
        trail: &AuditTrail,
    ) -> anyhow::Result<Self> {
        let place = &Place::arbiter("smf");
        let socket = TcpListener::bind(address).with_context(|| format!("listen for SMF on `{address}`"))?;
        let bound = socket.local_addr().context("read the address that SMF is bound to")?;
        let matrix = Matrix {
            topics: Topics::new(shared.prefix.clone(), settings.topics.personal_data),
            stores: settings.rules.max_store,
        };
        let accounts = Accounts::default();
        accounts.replace(matrix.accounts(&shared.tree));
        let wiring = ListenerWiring {
            broker: broker.clone(),
            socket: Arc::new(socket),
            accounts: accounts.clone(),
            memory: ListenerMemory::new(trail.clone()),
            settings: settings.smf.clone(),
        };
        root.spawn(ActorSpec::new("smf", "smf"), place, move || SmfListener::new(wiring.clone()))?;
        let (spec, overlap) = (ActorSpec::new("smf-users", "users"), settings.secrets.overlap);
        let users = accounts.clone();
        let keeper = root.spawn(spec, place, move || AccountKeeper::new(matrix.clone(), accounts.clone(), overlap))?;
        Ok(Self { address: bound, accounts: users, secrets: keeper.port() })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets nobody log in while this is so; asked by every login.
    pub fn fail_closed_when(&self, is_closed: impl Fn() -> bool + Send + Sync + 'static) {
        self.accounts.fail_closed_when(is_closed);
    }

    /// Who hears of changed secrets.
    pub fn secrets_holder(&self) -> SecretsHolder {
        SecretsHolder::new("root.smf-users", &["message-broker/creds/*"], self.secrets.clone())
    }
}

impl Matrix {
    /// A user that the tree does not know cannot log in.
    /// Roles that share a user name share their rights, as on any broker.
    fn accounts(&self, tree: &SecretTree) -> BTreeMap<String, Account> {
        let mut accounts = BTreeMap::<String, Account>::new();
        for (name, account) in BrokerUser::ALL.into_iter().filter_map(|user| self.account(user, tree)) {
            match accounts.entry(name) {
                Entry::Vacant(free) => drop(free.insert(account)),
                Entry::Occupied(taken) => share(taken, account),
            }
        }
        accounts
    }

    fn account(&self, user: BrokerUser, tree: &SecretTree) -> Option<(String, Account)> {
        let path = user.credentials_path();
        let entry = tree.entries.get(path);
        let known = entry.and_then(|entry| entry.expose("username").zip(entry.get("password")));
        let Some((name, password)) = known.filter(|(name, _)| !name.is_empty()) else {
            warn!(secret.path = path, "secret `{path}` is no broker user: it needs username and password");
            return None;
        };
        Some((name.to_owned(), Account { password: password.clone(), rights: self.rights(user) }))
    }

    fn rights(&self, user: BrokerUser) -> Rights {
        Rights {
            publish: user.publish_patterns(&self.topics),
            consume: Consume::Queues(user.consumes(self.stores).into_iter().collect()),
            subscribe: user.subscribe_patterns(&self.topics),
        }
    }
}

/// One name has one password: the one that was there first.
fn share(mut taken: OccupiedEntry<'_, String, Account>, more: Account) {
    if taken.get().password.expose_secret() != more.password.expose_secret() {
        let name = taken.key();
        warn!(user.name = name, "broker user `{name}` is in two secrets with different passwords, the first one holds");
    }
    let rights = &mut taken.get_mut().rights;
    rights.publish.extend(more.rights.publish);
    rights.subscribe.extend(more.rights.subscribe);
    rights.consume = match (std::mem::replace(&mut rights.consume, Consume::All), more.rights.consume) {
        (Consume::Queues(some), Consume::Queues(others)) => Consume::Queues(some.into_iter().chain(others).collect()),
        _ => Consume::All,
    };
}

/// Keeps the listener's users in step with the secrets.
struct AccountKeeper {
    matrix: Matrix,
    /// Shared with the listener.
    accounts: Accounts,
    overlap: Duration,
}

// === impl AccountKeeper ===

impl AccountKeeper {
    const fn new(matrix: Matrix, accounts: Accounts, overlap: Duration) -> Self {
        Self { matrix, accounts, overlap }
    }
}

supervised!(AccountKeeper);

impl Actor for AccountKeeper {
    type Context = SupervisedContext<Self>;
}

impl Handler<SecretsChanged> for AccountKeeper {
    type Result = ();

    fn handle(&mut self, fact: SecretsChanged, _: &mut Self::Context) {
        self.accounts.rotate(self.matrix.accounts(&fact.tree), self.overlap);
        let paths = BrokerUser::ALL.map(BrokerUser::credentials_path);
        let users = fact.changed.iter().filter(|path| paths.contains(&path.as_str())).count();
        if users > 0 {
            info!(users.changed = users, "broker users changed, they are in use at the next login");
        }
    }
}

#[cfg(test)]
mod tests {
    use tillstream_domain::TopicPrefix;
    use tillstream_embedded::{EmbeddedBrokerSettings, embedded_queues};
    use tillstream_messages::SecretEntry;

    use super::*;

    const STORES: u32 = 2;

    fn matrix_for_test() -> Matrix {
        Matrix { topics: Topics::new(TopicPrefix::default(), true), stores: STORES }
    }

    fn tree_for_test(paths: &[&str]) -> SecretTree {
        let entry = |path: &&str| {
            let keys = [("username", *path), ("password", "pw")];
            let keys = keys.map(|(key, value)| (key.to_owned(), value.into())).into();
            ((*path).to_owned(), SecretEntry::new(1, chrono::Utc::now(), keys))
        };
        SecretTree { entries: paths.iter().map(entry).collect() }
    }

    #[test]
    fn every_queue_of_the_broker_has_somebody_who_may_consume_it_and_nobody_may_consume_another() {
        let queues = embedded_queues("sale/pos/transaction", STORES, &EmbeddedBrokerSettings::default());
        let consumed: Vec<_> = BrokerUser::ALL.into_iter().flat_map(|user| user.consumes(STORES)).collect();
        for queue in &queues {
            assert!(consumed.contains(&queue.name), "nobody reads {}", queue.name);
        }
        assert_eq!(consumed.len(), queues.len(), "each queue has one kind of reader");
    }

    #[test]
    fn a_user_of_the_tree_gets_the_rights_of_its_path_whatever_its_name() {
        let path = BrokerUser::Aggregation.credentials_path();
        let accounts = matrix_for_test().accounts(&tree_for_test(&[path]));
        let rights = &accounts[path].rights;
        assert_eq!(accounts.len(), 1);
        assert_eq!(rights.publish, BrokerUser::Aggregation.publish_patterns(&matrix_for_test().topics));
        assert_eq!(rights.consume, Consume::Queues(BrokerUser::Aggregation.consumes(STORES).into_iter().collect()));
    }

    #[test]
    fn the_secrets_of_a_first_start_have_every_user_of_the_broker() {
        let directory = tempfile::tempdir().unwrap();
        let tree = tillstream_secrets::load_or_create(&directory.path().join("secrets.toml")).unwrap();
        let accounts = matrix_for_test().accounts(&tree);
        let names: Vec<_> = accounts.keys().map(String::as_str).collect();
        let expected = [
            "admin",
            "sale_pos_transaction_aggregation",
            "sale_pos_transaction_reporting",
            "sale_pos_transaction_store",
            "sale_pos_transaction_validation",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn roles_that_share_a_user_have_the_rights_of_all_of_them() {
        let user = |password: &str| {
            let keys = [("username", "one"), ("password", password)];
            SecretEntry::new(1, chrono::Utc::now(), keys.map(|(key, value)| (key.to_owned(), value.into())).into())
        };
        let both = [(BrokerUser::Validation, "first"), (BrokerUser::Aggregation, "second")];
        let entries = both.map(|(role, password)| (role.credentials_path().to_owned(), user(password)));
        let accounts = matrix_for_test().accounts(&SecretTree { entries: entries.into() });
        let (account, topics) = (&accounts["one"], matrix_for_test().topics);
        assert_eq!(accounts.len(), 1);
        for role in [BrokerUser::Validation, BrokerUser::Aggregation] {
            assert!(role.publish_patterns(&topics).iter().all(|pattern| account.rights.publish.contains(pattern)));
        }
        let consumed = BrokerUser::Aggregation.consumes(STORES).into_iter().collect();
        assert_eq!(account.rights.consume, Consume::Queues(consumed));
        assert_eq!(account.password.expose_secret(), "first");
    }

    #[test]
    fn a_path_that_is_no_broker_user_gives_nobody_a_way_in() {
        let accounts = matrix_for_test().accounts(&tree_for_test(&["validation-service/creds/admin"]));
        assert!(accounts.is_empty());
    }
}
