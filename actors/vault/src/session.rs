//! Being logged in at Vault: a token that is there when it is needed, renewed in time, and replaced when it is refused.
//! Does not know what the token is used for; one value per incarnation, on top of the memory that all share.

use std::sync::{Arc, Mutex, PoisonError};

use secrecy::SecretString;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::credentials::{self, Proof};
use crate::error::VaultError;
use crate::memory::{Memory, Purpose};
use crate::server::{Failure, Server};
use crate::settings::VaultSettings;
use crate::token::{Step, Token};
use crate::unwrapping;

/// What a job met, and at what.
pub struct Setback {
    /// How the call failed.
    pub failure: Failure,
    /// Such as `reading kv/a/b`.
    pub what: String,
}

/// Of one incarnation: connections belong to the thread that made them.
pub struct Session {
    settings: Arc<VaultSettings>,
    memory: Arc<Memory>,
    server: Mutex<Option<Arc<Server>>>,
    /// Two who are refused at the same time log in once.
    logging_in: tokio::sync::Mutex<()>,
}

// === impl Session ===

impl Session {
    /// Not connected yet.
    pub fn new(settings: Arc<VaultSettings>, memory: Arc<Memory>) -> Self {
        Self { settings, memory, server: Mutex::default(), logging_in: tokio::sync::Mutex::default() }
    }

    /// Does a job with a token. If that is answered with a 403 the token may be dead or older than its policies, so the whole
    /// job is done again after a login; unless logins have just been in vain.
    ///
    /// # Errors
    /// Says why Vault cannot be used, or what no policy allows.
    pub async fn run<T>(
        &self,
        purpose: Purpose,
        job: impl AsyncFn(&Server, &SecretString) -> Result<T, Setback>,
    ) -> Result<T, VaultError> {
        let outcome = self.attempt(purpose, job).await;
        if outcome.as_ref().is_err_and(VaultError::is_of_the_connection) {
            *self.server.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        outcome
    }

    async fn attempt<T>(
        &self,
        purpose: Purpose,
        job: impl AsyncFn(&Server, &SecretString) -> Result<T, Setback>,
    ) -> Result<T, VaultError> {
        let server = self.server().await?;
        let before = self.memory.token();
        let token = match before.clone() {
            Some(token) => token,
            None => self.log_in_unless(&server, None).await?,
        };
        let mut done = job(&server, &token.secret).await;
        if before.is_some() && done.as_ref().is_err_and(Setback::is_forbidden) {
            let what = done.as_ref().err().map(|setback| setback.what.clone()).unwrap_or_default();
            let token = self.cure(&server, &token, purpose, what).await?;
            done = job(&server, &token.secret).await;
        }
        match done {
            Ok(value) => {
                self.memory.limit(purpose).cured();
                Ok(value)
            }
            Err(setback) => {
                if setback.is_forbidden() {
                    self.memory.limit(purpose).in_vain(&self.settings);
                }
                Err(server.explain(setback.failure, &setback.what).await)
            }
        }
    }

    /// What the token in use needs next, and when.
    pub fn next_step(&self) -> Option<(Instant, Step)> {
        self.memory.token()?.next(self.settings.renew_after_percent)
    }

    /// Renews the token, or replaces it where it is near its end.
    ///
    /// # Errors
    /// Vault cannot be asked, or refuses the login. The token stays in use while it lasts.
    pub async fn keep(&self) -> Result<(), VaultError> {
        let Some(token) = self.memory.token() else { return Ok(()) };
        let Some((_, step)) = token.next(self.settings.renew_after_percent) else { return Ok(()) };
        let server = self.server().await?;
        if step == Step::LogIn {
            return self.log_in_unless(&server, Some(&token)).await.map(drop);
        }
        let from = Instant::now();
        match server.renew(&token.secret, token.full()).await {
            Ok(grant) => {
                debug!(vault.token_ttl_seconds = grant.ttl.as_secs(), "renewed the token of vault");
                self.memory.renew(token.renewed(&grant, from));
                Ok(())
            }
            // Revoked, or not to be renewed: whatever the reason, this token has no future.
            Err(Failure::Status(400..=411 | 413..=428)) => self.log_in_unless(&server, Some(&token)).await.map(drop),
            Err(failure) => Err(server.explain(failure, "renewing the token").await),
        }
    }

    /// Another token for one that was refused.
    async fn cure(
        &self,
        server: &Server,
        refused: &Token,
        purpose: Purpose,
        what: String,
    ) -> Result<Token, VaultError> {
        let wait = self.memory.limit(purpose).wait();
        if let Some(left) = wait {
            return Err(VaultError::ForbiddenStill { what, seconds: left.as_secs() + 1 });
        }
        self.log_in_unless(server, Some(refused)).await
    }

    /// Logs in, unless somebody has done so since `known` was in use.
    async fn log_in_unless(&self, server: &Server, known: Option<&Token>) -> Result<Token, VaultError> {
        let _turn = self.logging_in.lock().await;
        let newer = |token: &Token| known.is_none_or(|known| known.login != token.login);
        if let Some(token) = self.memory.token().filter(newer) {
            return Ok(token);
        }
        let settings = Arc::clone(&self.settings);
        let credentials = on_another_thread(move || credentials::read(&settings)).await?;
        let secret_id = match credentials.proof {
            Proof::SecretId(secret_id) => secret_id,
            Proof::Wrapped(token) => unwrapping::secret_id(&self.settings, &self.memory, token).await?,
        };
        let from = Instant::now();
        match server.login(&credentials.role_id, &secret_id).await {
            Ok(grant) => {
                info!(vault.token_ttl_seconds = grant.ttl.as_secs(), "logged in at vault");
                Ok(self.memory.log_in(|number| Token::of_login(number, grant, from)))
            }
            Err(Failure::Status(status @ (400..=411 | 413..=428))) => Err(VaultError::LoginRefused { status }),
            Err(failure) => Err(server.explain(failure, "logging in").await),
        }
    }

    async fn server(&self) -> Result<Arc<Server>, VaultError> {
        let known = || self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = known().clone() {
            return Ok(server);
        }
        let settings = Arc::clone(&self.settings);
        let server = Arc::new(on_another_thread(move || Server::new(&settings)).await?);
        *known() = Some(Arc::clone(&server));
        Ok(server)
    }
}

/// Files are not read on an actor's thread.
async fn on_another_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
) -> Result<T, VaultError> {
    let cut_short = |_| VaultError::Unavailable { address: "this process".to_owned(), status: 503 };
    spawn_blocking(work).await.map_err(cut_short)?
}

// === impl Setback ===

impl Setback {
    fn is_forbidden(&self) -> bool {
        self.failure == Failure::Status(403)
    }
}
