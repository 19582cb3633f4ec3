//! Where this process's secrets come from: the first reading for the start, and the actor that goes on reading.
//! Does not look at a value but the topic prefix, which is no secret.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use tillstream_domain::{SecretReader, TopicPrefix};
use tillstream_messages::{
    EnvironmentFaults, HealthBoard, IssueCertificate, Leg, ListSecrets, RefreshSecrets, SecretTree, SecretsChanged,
    WallClock,
};
use tillstream_secrets::{LastGood, LocalSecrets, SecretsHolder, SecretsSettings, Source, load_or_create};
use tillstream_supervision::{ActorSpec, Place, Port, Slot, SpawnError, Supervisor};
use tillstream_vault::{VaultSecrets, VaultWiring};

use super::Shared;
use super::patience::until_it_works;
use crate::http::Door;
use crate::roles::{Role, Roles};
use crate::settings::Settings;

/// Whoever uses secrets has a change within this time, or hears of it later.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// The secrets as they were read at the start.
pub struct Secrets {
    /// What rooms are told of them, and what else they share.
    pub shared: Shared,
    /// Who says which are in use, once [`Secrets::watch`] has spawned it.
    pub list: Port<ListSecrets>,
    refresh: Port<RefreshSecrets>,
    authority: Port<IssueCertificate>,
    holders: Arc<OnceLock<Vec<SecretsHolder>>>,
    slots: Slots,
    last_good: LastGood,
    settings: SecretsSettings,
    origin: Origin,
}

/// Where the actor's ports go when there is one.
struct Slots {
    list: Slot<ListSecrets>,
    refresh: Slot<RefreshSecrets>,
    authority: Slot<IssueCertificate>,
}

/// Where they come from.
enum Origin {
    /// A file on this machine.
    Local(PathBuf),
    /// A server.
    Vault(VaultWiring),
}

/// The first reading of the secrets of these readers. A local file is made when it is not there; a server is waited for.
///
/// # Errors
/// Names file, path and key.
pub async fn read(settings: &Settings, readers: &[SecretReader], board: &HealthBoard) -> anyhow::Result<Secrets> {
    match settings.secrets.source {
        Source::Local => read_file(settings, board),
        Source::Vault => await_server(settings, readers, board).await,
    }
}

fn read_file(settings: &Settings, board: &HealthBoard) -> anyhow::Result<Secrets> {
    let file = settings.secrets_file();
    let tree = load_or_create(&file).context("read the secrets")?;
    let prefix = topic_prefix(&tree).with_context(|| format!("read the topic prefix in `{}`", file.display()))?;
    Ok(Secrets::new(settings, board, LastGood::new(tree), prefix, Origin::Local(file)))
}

async fn await_server(settings: &Settings, readers: &[SecretReader], board: &HealthBoard) -> anyhow::Result<Secrets> {
    let wiring = vault(settings, readers, board)?;
    let prefix = until_it_works(Leg::Secrets, settings, board, async || {
        let tree = wiring.first_tree().await?;
        topic_prefix(&tree)
    });
    let prefix = prefix.await;
    Ok(Secrets::new(settings, board, wiring.last_good(), prefix, Origin::Vault(wiring)))
}

/// The way to the server for these readers.
///
/// # Errors
/// A setting that nothing can be done with.
pub fn vault(settings: &Settings, readers: &[SecretReader], board: &HealthBoard) -> anyhow::Result<VaultWiring> {
    let wanted: BTreeSet<&str> = readers.iter().flat_map(|reader| reader.reads()).copied().collect();
    let wanted: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
    Ok(VaultWiring::new(settings.vault.clone(), settings.secrets.clone(), &wanted, board.clone())?)
}

/// As whom a process of these roles reads secrets; with the embedded broker's door it also lets the broker's users in.
pub fn readers(roles: &Roles, has_smf_door: bool) -> Vec<SecretReader> {
    let reader = |role| match role {
        Role::Validation => SecretReader::Validation,
        Role::Aggregation => SecretReader::Aggregation,
        Role::Reporting => SecretReader::Reporting,
        Role::Pos => SecretReader::Pos,
    };
    roles.iter().map(reader).chain(has_smf_door.then_some(SecretReader::Broker)).collect()
}

/// The prefix of all topics; the default where the tree has none.
///
/// # Errors
/// It does not fit into a topic.
pub fn topic_prefix(tree: &SecretTree) -> anyhow::Result<TopicPrefix> {
    let Some(text) = tree.expose("message-broker/config", "pos_topic_prefix") else {
        return Ok(TopicPrefix::default());
    };
    text.parse().context("path `message-broker/config`, key `pos_topic_prefix`")
}

// === impl Secrets ===

impl Secrets {
    fn new(settings: &Settings, board: &HealthBoard, last_good: LastGood, prefix: TopicPrefix, origin: Origin) -> Self {
        let shared = Shared {
            board: board.clone(),
            clock: WallClock::default(),
            faults: EnvironmentFaults::default(),
            tree: last_good.tree(),
            prefix,
        };
        let ((list, list_slot), (refresh, refresh_slot)) = (Port::deferred(), Port::deferred());
        let (authority, authority_slot) = Port::deferred();
        let slots = Slots { list: list_slot, refresh: refresh_slot, authority: authority_slot };
        let (holders, settings) = (Arc::default(), settings.secrets.clone());
        Self { shared, list, refresh, authority, holders, slots, last_good, settings, origin }
    }

    /// Reads the secrets again; the answer comes when everybody uses what has changed.
    pub fn refresh(&self) -> Door<RefreshSecrets> {
        let (refresh, holders, last_good) = (self.refresh.clone(), Arc::clone(&self.holders), self.last_good.clone());
        Door::new(move |order, within| {
            let (asked, holders, last_good) = (refresh.ask(order, within), Arc::clone(&holders), last_good.clone());
            Box::pin(async move {
                let found = asked.await?;
                // Also when nothing has changed: the reading before may have found it a moment ago.
                has_come_through(holders.get().map_or(&[], Vec::as_slice), &last_good).await;
                Ok(found)
            })
        })
    }

    /// How long ago their source last said so.
    pub fn age(&self) -> impl Fn() -> Duration + Send + Sync + 'static {
        let last_good = self.last_good.clone();
        move || last_good.age()
    }

    /// Whether they are older than anybody may rely on.
    pub fn are_too_old(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let (last_good, max_age) = (self.last_good.clone(), self.settings.max_age);
        move || last_good.age() > max_age
    }

    /// The server, where they come from one.
    pub const fn server(&self) -> Option<&VaultWiring> {
        match &self.origin {
            Origin::Local(_) => None,
            Origin::Vault(wiring) => Some(wiring),
        }
    }

    /// Who issues certificates, once [`Secrets::watch`] has spawned it; only a server does.
    pub fn authority(&self) -> Port<IssueCertificate> {
        self.authority.clone()
    }

    /// Spawns the reading actor, last of all: everybody whom it tells exists by then.
    pub fn watch(self, root: &Supervisor, place: &Place, holders: Vec<SecretsHolder>) -> Result<(), SpawnError> {
        let Self { settings, last_good, shared, slots, .. } = self;
        // Set once, here, where `self` ends.
        let _ = self.holders.set(holders.clone());
        let (spec, board) = (ActorSpec::new("secrets", "secrets"), shared.board);
        match self.origin {
            Origin::Local(file) => {
                let secrets = root.spawn(spec, place, move || {
                    let (settings, file, board) = (settings.clone(), file.clone(), board.clone());
                    LocalSecrets::new(settings, file, last_good.clone(), holders.clone(), board)
                })?;
                slots.list.bind(secrets.port());
                slots.refresh.bind(secrets.port());
            }
            Origin::Vault(wiring) => {
                let wiring = wiring.with_holders(holders);
                let secrets = root.spawn(spec, place, move || VaultSecrets::new(wiring.clone()))?;
                slots.list.bind(secrets.port());
                slots.refresh.bind(secrets.port());
                slots.authority.bind(secrets.port());
            }
        }
        Ok(())
    }
}

/// Everybody was told already; whoever answers to hearing the same once more has used it.
async fn has_come_through(holders: &[SecretsHolder], last_good: &LastGood) {
    // Each gets the newest: one that was fetched before could come after a newer one.
    let again = || SecretsChanged { tree: last_good.tree(), changed: Vec::new() };
    let asked = holders.iter().map(|holder| holder.port.ask(again(), TOLD_WITHIN));
    for answer in asked.collect::<Vec<_>>() {
        // Whoever restarts at this moment is told when it is back.
        let _ = answer.await;
    }
}

/// The tree of an existing file, without making one.
///
/// # Errors
/// The file is broken.
pub fn peek(settings: &Settings) -> anyhow::Result<Option<Arc<SecretTree>>> {
    let file = settings.secrets_file();
    if !file.exists() {
        return Ok(None);
    }
    Ok(Some(Arc::new(load_or_create(&file)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_reads_what_its_roles_read_and_with_a_door_for_clients_of_the_broker_their_passwords_too() {
        let of = |roles: &str, door| readers(&roles.parse().unwrap(), door);
        assert_eq!(of("validation", false), [SecretReader::Validation]);
        assert_eq!(of("aggregation,pos", false), [SecretReader::Aggregation, SecretReader::Pos]);
        assert_eq!(of("reporting", true), [SecretReader::Reporting, SecretReader::Broker]);
    }

    #[test]
    fn one_policy_covers_a_process_that_does_everything() {
        let all = readers(&Roles::all(), true);
        let paths = all.iter().flat_map(|reader| reader.reads()).map(|path| path.replace("/*", "/anybody"));
        for path in paths {
            assert!(SecretReader::Whole.may_read(&path), "{path}");
        }
    }
}
