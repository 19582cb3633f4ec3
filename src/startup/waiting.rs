//! The first steps of a process: its address, then its secrets and its certificate, waiting for them where their server is elsewhere.
//! Builds nothing that takes a sale.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use tillstream_messages::{HealthBoard, Leg};
use tokio::time::timeout;

use super::secrets::{self, Secrets};
use super::tls::Tls;
use super::{Application, support};
use crate::http::{self, BoundServer, Health, Porter};
use crate::settings::Settings;

/// A server of secrets that is well has answered by then; nobody needs to be told that we wait.
const PATIENCE: Duration = Duration::from_millis(500);

/// A process that has its address and nothing else.
pub struct Starting {
    settings: Settings,
    socket: BoundServer,
    tls: Option<Tls>,
    board: HealthBoard,
}

/// What a process needs before it can be built.
pub struct Needed {
    secrets: Secrets,
    tls: Option<Tls>,
}

impl Starting {
    /// Checks the settings, makes the data directory, reads the certificate where it stands in files, and binds the address.
    ///
    /// # Errors
    /// Says what is wrong and what to do about it.
    pub async fn bind(settings: Settings) -> anyhow::Result<Self> {
        support::check(&settings)?;
        let data_dir = &settings.data_dir.0;
        std::fs::create_dir_all(data_dir).with_context(|| format!("make data directory `{}`", data_dir.display()))?;
        let tls = Tls::from_files(&settings.tls).await?;
        let mut socket = http::bind(&settings.http)?;
        if let Some(tls) = &tls {
            socket.encrypt(tls.keyring.clone(), &settings.tls);
        }
        Ok(Self { settings, socket, tls, board: HealthBoard::default() })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.socket.address()
    }

    /// The first reading of the secrets, and the certificate where their server issues it. As long as that server cannot be
    /// asked this waits, for ever if need be: health says so, everything else is a 503, and `tell` is called once with a text
    /// for the person who started it.
    ///
    /// # Errors
    /// The local file is broken.
    pub async fn needed(&self, tell: impl FnOnce(&str)) -> anyhow::Result<Needed> {
        let mut reading = pin!(self.read());
        if let Ok(found) = timeout(PATIENCE, &mut reading).await {
            return found;
        }
        let health = Health::waiting(self.board.clone(), self.awaited());
        let porter = Porter::open(&self.socket, &self.settings.http, health.clone())?;
        tell(&self.announcement(&health));
        let found = reading.await;
        porter.close().await;
        found
    }

    async fn read(&self) -> anyhow::Result<Needed> {
        let settings = &self.settings;
        let readers = secrets::readers(&settings.roles, settings.smf.listen.is_some());
        let secrets = secrets::read(settings, &readers, &self.board).await?;
        let tls = match &self.tls {
            Some(from_files) => Some(from_files.clone()),
            None => Tls::from_authority(settings, &secrets, &self.board).await,
        };
        Ok(Needed { secrets, tls })
    }

    /// Builds and starts everything that the settings ask for.
    ///
    /// # Errors
    /// Says what is wrong and what to do about it; nothing is left running that took a sale.
    pub fn build(self, needed: Needed) -> anyhow::Result<Application> {
        let (mut socket, Needed { secrets, tls }) = (self.socket, needed);
        if let Some(tls) = &tls {
            socket.encrypt(tls.keyring.clone(), &self.settings.tls);
        }
        Application::build(self.settings, socket, secrets, tls)
    }

    /// What a server may have to be asked for; a certificate in files is there already.
    fn awaited(&self) -> Vec<Leg> {
        let certificate = (self.settings.tls.is_on() && self.tls.is_none()).then_some(Leg::Certificate);
        std::iter::once(Leg::Secrets).chain(certificate).collect()
    }

    fn announcement(&self, health: &Health) -> String {
        let base = format!("{}://{}", self.socket.scheme(), self.address());
        let trouble = health.trouble().unwrap_or_else(|| "starting".to_owned());
        format!("listening on {base}\n  {trouble}\n  health       {base}/api/v1/health\n")
    }
}
