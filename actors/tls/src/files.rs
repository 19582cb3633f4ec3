//! The PEM files that the settings name, read on the blocking pool.
//! Does not understand them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use crate::clients::{ClientRoots, Texts};
use crate::error::TlsError;
use crate::pair::ServerPair;

/// Whoever replaces two files does not do it in one moment: what does not fit is read once more after this time.
const SETTLE: Duration = Duration::from_millis(200);

/// Where the server's certificate and key stand.
#[derive(Debug, Clone)]
pub struct PairFiles {
    /// The certificate and those above it.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Where it stands who may connect.
#[derive(Debug, Clone)]
pub struct ClientFiles {
    /// Certificates of authorities.
    pub authorities: PathBuf,
    /// What they have taken back.
    pub revoked: Option<PathBuf>,
}

// === impl PairFiles ===

impl PairFiles {
    /// Both files as they are now.
    ///
    /// # Errors
    /// One is missing or broken, or they do not belong together, also a moment later.
    pub async fn read(&self) -> Result<ServerPair, TlsError> {
        let files = self.clone();
        settled(move || {
            let (chain, key) = (read(&files.certificate)?, read(&files.key)?);
            let parse = |key| ServerPair::parse(&chain, &SecretString::from(key));
            String::from_utf8(key).map_err(|_| TlsError::Key).and_then(parse).map_err(|error| files.blame(error))
        })
        .await
    }

    fn blame(&self, error: TlsError) -> TlsError {
        let Self { certificate, key } = self.clone();
        TlsError::Pair { certificate, key, error: Box::new(error) }
    }
}

// === impl ClientFiles ===

impl ClientFiles {
    /// The files as they are now.
    ///
    /// # Errors
    /// One is missing or broken, also a moment later.
    pub async fn read(&self) -> Result<ClientRoots, TlsError> {
        let files = self.clone();
        settled(move || {
            let authorities = read(&files.authorities)?;
            let revoked = files.revoked.as_deref().map(read).transpose()?;
            ClientRoots::parse(Texts { authorities, revoked }, &files)
        })
        .await
    }
}

async fn settled<T: Send + 'static>(
    read: impl Fn() -> Result<T, TlsError> + Clone + Send + 'static,
) -> Result<T, TlsError> {
    if let Ok(found) = off_thread(read.clone()).await {
        return Ok(found);
    }
    tokio::time::sleep(SETTLE).await;
    off_thread(read).await
}

async fn off_thread<T: Send + 'static>(read: impl Fn() -> Result<T, TlsError> + Send + 'static) -> Result<T, TlsError> {
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|reason| Err(TlsError::refused(reason)))
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|error| TlsError::File { file: file.to_owned(), reason: error.to_string() })
}
