//! Turns a wrapping token into the secret id behind it, exactly once, whatever happens to the actor meanwhile.
//! Does not log in with it; the secret id lives in memory only, so a new process needs a new wrapping token.

use std::sync::Arc;
use std::thread;

use secrecy::{ExposeSecret, SecretString};
use tokio::runtime;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::error::VaultError;
use crate::memory::Memory;
use crate::server::{Failure, Server};
use crate::settings::VaultSettings;

type Outcome = Result<SecretString, VaultError>;

/// One unwrapping, under way or done.
pub struct Unwrapping {
    of: SecretString,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// The secret id behind this token: the one that is known, else unwrapped now.
///
/// # Errors
/// The token was used before, was made for something else, or Vault cannot be asked.
pub async fn secret_id(settings: &VaultSettings, memory: &Memory, wrapping: SecretString) -> Outcome {
    let mut outcome = begin(settings, memory, wrapping);
    let known = outcome.wait_for(Option::is_some).await.map(|known| known.clone());
    // Without an outcome, the thread that had to find it has panicked.
    known.ok().flatten().unwrap_or_else(|| Err(cannot("it was not finished".to_owned(), settings)))
}

/// Joins the unwrapping of this token, or begins one. It runs on a thread of its own: the server forgets the token with its
/// answer, so nothing that stops, hangs or blocks an actor may lose that answer.
fn begin(settings: &VaultSettings, memory: &Memory, wrapping: SecretString) -> watch::Receiver<Option<Outcome>> {
    let mut known = memory.unwrapping();
    if let Some(unwrapping) = known.as_ref().filter(|unwrapping| unwrapping.is_of(&wrapping)) {
        return unwrapping.outcome.clone();
    }
    let (tell, outcome) = watch::channel(None);
    *known = Some(Unwrapping { of: wrapping.clone(), outcome: outcome.clone() });
    drop(known);
    let (tell, settings) = (Arc::new(tell), settings.clone());
    let thread_tells = Arc::clone(&tell);
    let work = {
        let settings = settings.clone();
        move || thread_tells.send_replace(Some(unwrap_here(&settings, &wrapping)))
    };
    if let Err(error) = thread::Builder::new().name("vault-unwrapping".to_owned()).spawn(work) {
        tell.send_replace(Some(Err(cannot(error.to_string(), &settings))));
    }
    outcome
}

fn unwrap_here(settings: &VaultSettings, wrapping: &SecretString) -> Outcome {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| cannot(error.to_string(), settings))?;
    runtime.block_on(unwrap(settings, wrapping))
}

async fn unwrap(settings: &VaultSettings, wrapping: &SecretString) -> Outcome {
    let server = Server::new(settings)?;
    let made_by = match server.wrapped_by(wrapping).await {
        Ok(path) => path,
        Err(failure) => return Err(explain(&server, settings, failure).await),
    };
    // Whoever swaps the token for one of his own would have us work with his secret id.
    let here = format!("auth/{}/role/", settings.approle_mount);
    if !made_by.contains(&here) || !made_by.ends_with("secret-id") {
        warn!(vault.created_by = made_by, "a wrapping token was not made for a secret id");
        return Err(VaultError::WrappingForeign { file: settings.secret_id_file.clone() });
    }
    match server.unwrap(wrapping).await {
        Ok(secret_id) => {
            info!("unwrapped the secret id; the token in its file is used up");
            Ok(secret_id)
        }
        Err(failure) => Err(explain(&server, settings, failure).await),
    }
}

async fn explain(server: &Server, settings: &VaultSettings, failure: Failure) -> VaultError {
    match failure {
        Failure::Status(400 | 403 | 404) => VaultError::WrappingSpent { file: settings.secret_id_file.clone() },
        other => server.explain(other, "unwrapping the secret id").await,
    }
}

fn cannot(cause: String, settings: &VaultSettings) -> VaultError {
    VaultError::Credentials { what: "secret id", file: settings.secret_id_file.clone(), cause }
}

// === impl Unwrapping ===

impl Unwrapping {
    /// Whether it is of this token and has not failed: what failed is tried again.
    fn is_of(&self, wrapping: &SecretString) -> bool {
        let failed = matches!(&*self.outcome.borrow(), Some(Err(_)));
        let abandoned = self.outcome.has_changed().is_err() && self.outcome.borrow().is_none();
        self.of.expose_secret() == wrapping.expose_secret() && !failed && !abandoned
    }
}
