//! Reads the secrets for the start, and watches them afterwards for whoever uses them.
//! Does not look at a value but the topic prefix, which is no secret.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use tillstream_domain::TopicPrefix;
use tillstream_messages::{EnvironmentFaults, HealthBoard, SecretTree, WallClock};
use tillstream_secrets::{LastGood, LocalSecrets, SecretsHolder, SecretsSettings, load_or_create};
use tillstream_supervision::{ActorSpec, Place, SpawnError, Supervisor};

use super::Shared;
use crate::settings::Settings;

/// The secrets as they were read at the start.
pub struct Secrets {
    /// What rooms are told of them, and what else they share.
    pub shared: Shared,
    last_good: LastGood,
    settings: SecretsSettings,
    file: PathBuf,
}

/// Reads the local file, making it when it is not there.
///
/// # Errors
/// Names file, path and key.
pub fn load(settings: &Settings) -> anyhow::Result<Secrets> {
    let file = settings.secrets_file();
    let tree = load_or_create(&file).context("read the secrets")?;
    let prefix = topic_prefix(&tree).with_context(|| format!("read the topic prefix in `{}`", file.display()))?;
    let last_good = LastGood::new(tree);
    let tree = last_good.tree();
    let shared = Shared {
        board: HealthBoard::default(),
        clock: WallClock::default(),
        faults: EnvironmentFaults::default(),
        tree,
        prefix,
    };
    Ok(Secrets { shared, last_good, settings: settings.secrets.clone(), file })
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

impl Secrets {
    /// Spawns the watching actor, last of all: everybody whom it tells exists by then.
    pub fn watch(self, root: &Supervisor, place: &Place, holders: Vec<SecretsHolder>) -> Result<(), SpawnError> {
        let (settings, file, last_good) = (self.settings, self.file, self.last_good);
        let board = self.shared.board;
        root.spawn(ActorSpec::new("secrets", "secrets"), place, move || {
            LocalSecrets::new(settings.clone(), file.clone(), last_good.clone(), holders.clone(), board.clone())
        })?;
        Ok(())
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
