//! What every incarnation of the actor is made from, and the first reading, which a start waits for.
//! Decides nothing; the memory in it is what a killed actor goes on from.

use std::sync::Arc;

use chrono::Utc;
use tillstream_messages::{CertificateError, HealthBoard, IssueCertificate, IssuedCertificate, SecretTree};
use tillstream_secrets::{LastGood, SecretsHolder, SecretsSettings};
use tracing::warn;

use crate::certificate;
use crate::credentials::{self, Proof};
use crate::error::VaultError;
use crate::memory::{Memory, Purpose};
use crate::metrics::{self, REFRESHES};
use crate::reading::{Found, Wanted};
use crate::session::Session;
use crate::settings::VaultSettings;

/// Kept by the factory; clones share token, secret id and tree.
#[derive(Clone)]
pub struct VaultWiring {
    pub(crate) settings: Arc<VaultSettings>,
    pub(crate) secrets: SecretsSettings,
    pub(crate) wanted: Arc<Wanted>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) holders: Vec<SecretsHolder>,
    pub(crate) health: HealthBoard,
}

// === impl VaultWiring ===

impl VaultWiring {
    /// Reads `wanted` paths; `/*` at the end stands for everything directly below, which is listed.
    ///
    /// # Errors
    /// A setting that nothing can be done with.
    pub fn new(
        settings: VaultSettings,
        secrets: SecretsSettings,
        wanted: &[String],
        health: HealthBoard,
    ) -> Result<Self, VaultError> {
        settings.check()?;
        metrics::register();
        let wanted = Arc::new(Wanted::new(&settings.mount, wanted));
        let memory = Arc::new(Memory::new(LastGood::new(SecretTree::default())));
        Ok(Self { settings: Arc::new(settings), secrets, wanted, memory, holders: Vec::new(), health })
    }

    /// Whom the actor tells of changes.
    #[must_use]
    pub fn with_holders(mut self, holders: Vec<SecretsHolder>) -> Self {
        self.holders = holders;
        self
    }

    /// The tree in use; empty before [`VaultWiring::first_tree`] has succeeded.
    pub fn last_good(&self) -> LastGood {
        self.memory.last_good.clone()
    }

    /// One attempt to log in and read everything, each call bounded by `vault.timeout`. Whoever starts a process repeats it
    /// until it succeeds, and spawns the actor then.
    ///
    /// # Errors
    /// Says why Vault cannot be used, or which needed path is missing or malformed.
    pub async fn first_tree(&self) -> Result<Arc<SecretTree>, VaultError> {
        let first = self.read(&self.session()).await.and_then(|found| {
            if let Some(trouble) = found.trouble(&self.wanted) {
                warn!(vault.trouble = trouble, "some paths in vault are in trouble");
            }
            found.complete(&self.wanted)
        });
        REFRESHES.with_label_values(&[first.as_ref().map_or_else(VaultError::outcome, |_| "changed")]).inc();
        self.memory.last_good.take(first?, Utc::now());
        Ok(self.memory.last_good.tree())
    }

    /// One attempt to have a certificate issued before there is an actor to ask.
    ///
    /// # Errors
    /// Says why there is none and what to do about it.
    pub async fn issue(&self, wish: &IssueCertificate) -> Result<IssuedCertificate, CertificateError> {
        certificate::issue(&self.session(), wish).await
    }

    /// Whether logging in would spend a wrapping token, which only the service itself should do.
    ///
    /// # Errors
    /// The files of role id and secret id cannot be read.
    pub fn would_unwrap(&self) -> Result<bool, VaultError> {
        let credentials = credentials::read(&self.settings)?;
        Ok(matches!(credentials.proof, Proof::Wrapped(_)))
    }

    pub(crate) fn session(&self) -> Session {
        Session::new(Arc::clone(&self.settings), Arc::clone(&self.memory))
    }

    pub(crate) async fn read(&self, session: &Session) -> Result<Found, VaultError> {
        session.run(Purpose::Reading, async |server, token| self.wanted.read(server, token).await).await
    }
}
