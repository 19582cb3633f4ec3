//! Simulated tills as this process runs them.
//! Does not know where the service is but by its URL: tills speak HTTP like any other.

use std::time::Duration;

use anyhow::Context;
use tillstream_generator::{
    Credentials, FinishSales, GeneratorAccount, GeneratorPorts, Notebook, PosClient, Rate, RetryRules, spawn_generator,
};
use tillstream_messages::SecretTree;
use tillstream_posting::Trust;
use tillstream_secrets::SecretsHolder;
use tillstream_supervision::{Place, Supervisor};

use super::Shared;
use crate::settings::Settings;

/// Where the tills' user stands in the secret tree.
const USER_PATH: &str = "validation-service/creds/pos-service";

/// The generator and its supervisor.
pub struct Tills {
    supervisor: Supervisor,
    ports: GeneratorPorts,
}

impl Tills {
    /// Spawns the generator below `root`; it posts to `pos.url`, at the rate that is set from outside.
    pub fn spawn(
        settings: &Settings,
        root: &Supervisor,
        place: &Place,
        shared: &Shared,
        trust: &Trust,
        rate: Rate,
    ) -> anyhow::Result<Self> {
        let url = settings.pos.url.as_deref().context("find the service for simulated tills: `pos.url` is not set")?;
        let credentials = credentials(&shared.tree)?;
        let rules = RetryRules { request_timeout: settings.pos.request_timeout, ..RetryRules::default() };
        let client = PosClient::new(url, trust, &credentials, rules).context("make the tills' HTTP client")?;
        let supervisor = root.supervisor(settings.supervision.one_for_one("pos"))?;
        let ports = spawn_generator(&supervisor, place, &settings.pos, rate, client, Notebook::default())?;
        Ok(Self { supervisor, ports })
    }

    /// The supervisor of the tills.
    pub const fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Who hears of changed secrets.
    pub fn secrets_holder(&self) -> SecretsHolder {
        SecretsHolder::new("root.pos", &[USER_PATH], self.ports.secrets.clone())
    }

    /// Rings up nothing more and waits until the fate of every sale is known.
    pub async fn finish(&self, within: Duration) -> anyhow::Result<GeneratorAccount> {
        self.ports.finish.ask(FinishSales, within).await.context("wait until the fate of every simulated sale is known")
    }
}

fn credentials(tree: &SecretTree) -> anyhow::Result<Credentials> {
    let read =
        |key| tree.expose(USER_PATH, key).with_context(|| format!("find `{key}` of `{USER_PATH}` in the secrets"));
    Ok(Credentials { user: read("username")?.to_owned(), password: read("password")?.to_owned().into() })
}
