//! `tillstream check`: whether the secrets can be read, from wherever they come.
//! Makes none, spends none and shows none: a value is looked at by its absence only.

use std::sync::Arc;

use tillstream_messages::{HealthBoard, SecretTree};
use tillstream_secrets::Source;

use super::{Line, State};
use crate::settings::Settings;
use crate::startup;

const SUBJECT: &str = "secrets";

/// What is to be said of them, and the tree where there is one.
pub async fn look(settings: &Settings) -> (Line, Option<Arc<SecretTree>>) {
    match settings.secrets.source {
        Source::Local => in_file(settings),
        Source::Vault => on_server(settings).await,
    }
}

fn in_file(settings: &Settings) -> (Line, Option<Arc<SecretTree>>) {
    let file = settings.secrets_file();
    let tree = match startup::peek_secrets(settings) {
        Ok(Some(tree)) => tree,
        Ok(None) => {
            let text = format!("`{}` is not there yet, the first run makes it", file.display());
            return (Line::new(SUBJECT, Ok(text)), None);
        }
        Err(error) => return (Line::new(SUBJECT, Err(error)), None),
    };
    let line = describe(&format!("`{}`", file.display()), &tree);
    (Line::new(SUBJECT, line), Some(tree))
}

/// Logs in and reads everything once, as the service does at its start.
async fn on_server(settings: &Settings) -> (Line, Option<Arc<SecretTree>>) {
    match read(settings).await {
        Ok(Some(tree)) => {
            let place =
                format!("vault at {}: unsealed, logged in, every path readable and complete", settings.vault.address);
            (Line::new(SUBJECT, describe(&place, &tree)), Some(tree))
        }
        Ok(None) => (spared(settings), None),
        Err(error) => (Line::new(SUBJECT, Err(error)), None),
    }
}

/// `None` where logging in would spend what only the service may spend.
async fn read(settings: &Settings) -> anyhow::Result<Option<Arc<SecretTree>>> {
    let (roles, has_smf_door) = (&settings.roles, settings.smf.listen.is_some());
    let readers = startup::secret_readers(roles, has_smf_door);
    let server = startup::vault(settings, &readers, &HealthBoard::default())?;
    if server.would_unwrap()? {
        return Ok(None);
    }
    Ok(Some(server.first_tree().await?))
}

fn spared(settings: &Settings) -> Line {
    let file = settings.vault.secret_id_file.display();
    let text = format!(
        "`{file}` holds a wrapped secret id: looking into it here would spend it, the first run logs in with it"
    );
    Line { subject: SUBJECT.to_owned(), state: State::Unknown(text) }
}

fn describe(place: &str, tree: &SecretTree) -> anyhow::Result<String> {
    let prefix = startup::topic_prefix(tree)?;
    Ok(format!("{place}: {} paths, topic prefix `{}`", tree.entries.len(), prefix.as_str()))
}
