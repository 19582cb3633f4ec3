//! Reads an issuer's keys: from its address, from where its own document says, or from a file.
//! Follows no redirect, reads no more than a key set needs, and never takes longer than it was given.

use std::error::Error;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Certificate, Client, Response, StatusCode, Url, redirect};
use serde::Deserialize;

use crate::algorithm::SignatureAlgorithm;
use crate::error::{FetchError, SourceError};
use crate::key_set::{KeySet, place_of};
use crate::origin::{Origin, allowed};
use crate::settings::TokenSettings;

/// A key set of some dozen keys with certificates has a tenth of it.
const MOST_BYTES: usize = 256 * 1_024;

type Fetching = Pin<Box<dyn Future<Output = Result<KeySet, FetchError>> + Send>>;

/// Where the issuer's keys are read from, as often as one likes.
#[derive(Clone)]
pub struct KeySource(Arc<dyn Fn() -> Fetching + Send + Sync>);

struct Reader {
    origin: Origin,
    ca_cert: Option<PathBuf>,
    plain_http: bool,
    timeout: Duration,
    algorithms: Vec<SignatureAlgorithm>,
}

/// What we want to know of an issuer's own document.
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

// === impl KeySource ===

impl KeySource {
    /// The source of these settings; looks for nothing yet.
    ///
    /// # Errors
    /// Keys may not come from there.
    pub fn new(settings: &TokenSettings) -> Result<Self, SourceError> {
        let reader = Arc::new(Reader {
            origin: Origin::of(settings)?,
            ca_cert: settings.ca_cert.clone(),
            plain_http: settings.plain_http,
            timeout: settings.timeout,
            algorithms: settings.algorithms.clone(),
        });
        // Fails where the process has one already, and then that one is used.
        drop(rustls::crypto::ring::default_provider().install_default());
        Ok(Self::from_fn(move || {
            let reader = Arc::clone(&reader);
            Box::pin(async move { reader.read().await })
        }))
    }

    pub(crate) fn from_fn(fetch: impl Fn() -> Fetching + Send + Sync + 'static) -> Self {
        Self(Arc::new(fetch))
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// Says who did not answer, or what is wrong with the answer.
    pub fn fetch(&self) -> impl Future<Output = Result<KeySet, FetchError>> + Send + use<> + 'static {
        (self.0)()
    }
}

// === impl Reader ===

impl Reader {
    async fn read(&self) -> Result<KeySet, FetchError> {
        let (document, from) = match &self.origin {
            Origin::File(file) => (read_file(file.clone()).await?, file.display().to_string()),
            Origin::Keys(url) => (get(&self.client().await?, url).await?, url.to_string()),
            Origin::Discovery { document, issuer } => {
                let client = self.client().await?;
                let url = self.discover(&client, document, issuer).await?;
                (get(&client, &url).await?, url.to_string())
            }
        };
        KeySet::parse(&document, &self.algorithms, &from)
    }

    async fn discover(&self, client: &Client, document: &Url, issuer: &str) -> Result<Url, FetchError> {
        let body = get(client, document).await?;
        let discovered: Discovered = serde_json::from_slice(&body).map_err(|error| FetchError::Unreadable {
            from: document.to_string(),
            expected: "discovery document",
            reason: place_of(&error),
        })?;
        if discovered.issuer != issuer {
            return Err(FetchError::OtherIssuer { url: document.to_string() });
        }
        Ok(allowed(&discovered.jwks_uri, self.plain_http)?)
    }

    /// A client of its own for every reading, so that a renewed `ca_cert` is in use without a restart.
    async fn client(&self) -> Result<Client, FetchError> {
        let builder = Client::builder().no_proxy().redirect(redirect::Policy::none()).timeout(self.timeout);
        let builder = match &self.ca_cert {
            Some(file) => builder.tls_certs_only(certificates(read_file(file.clone()).await?, file)?),
            // Where nothing is encrypted, the system's certificates need not be there.
            None if !self.is_encrypted() => builder.tls_certs_only([]),
            None => builder,
        };
        builder.build().map_err(|error| FetchError::NoAnswer { url: self.address(), reason: innermost(&error) })
    }

    fn is_encrypted(&self) -> bool {
        self.address().starts_with("https:")
    }

    fn address(&self) -> String {
        match &self.origin {
            Origin::File(file) => file.display().to_string(),
            Origin::Keys(url) | Origin::Discovery { document: url, .. } => url.to_string(),
        }
    }
}

async fn get(client: &Client, url: &Url) -> Result<Vec<u8>, FetchError> {
    let no_answer = |error: &reqwest::Error| FetchError::NoAnswer { url: url.to_string(), reason: innermost(error) };
    let response = client.get(url.clone()).send().await.map_err(|error| no_answer(&error))?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status { url: url.to_string(), status: response.status().as_u16() });
    }
    let body = bounded(response).await.map_err(|error| no_answer(&error))?;
    body.ok_or_else(|| FetchError::TooLarge { from: url.to_string(), limit: MOST_BYTES })
}

/// The body, if it is not too large.
async fn bounded(mut response: Response) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

async fn read_file(file: PathBuf) -> Result<Vec<u8>, FetchError> {
    let failed = |file: &Path, reason: String| FetchError::File { file: file.to_owned(), reason };
    let shown = file.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut content = Vec::new();
        let limit = MOST_BYTES as u64 + 1;
        let read = std::fs::File::open(&file).and_then(|opened| opened.take(limit).read_to_end(&mut content));
        read.map(|_| content).map_err(|error| failed(&file, error.to_string()))
    });
    let content = reading.await.map_err(|_| failed(&shown, "the thread that read it died".to_owned()))??;
    if content.len() > MOST_BYTES {
        return Err(FetchError::TooLarge { from: shown.display().to_string(), limit: MOST_BYTES });
    }
    Ok(content)
}

fn certificates(pem: Vec<u8>, file: &Path) -> Result<Vec<Certificate>, FetchError> {
    let wrong = |reason: &str| FetchError::File { file: file.to_owned(), reason: reason.to_owned() };
    let found = Certificate::from_pem_bundle(&pem).map_err(|_| wrong("it holds no PEM certificates"))?;
    if found.is_empty() { Err(wrong("it holds no PEM certificates")) } else { Ok(found) }
}

/// The reason at the bottom: the outer ones only say that a request failed.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut reason: &dyn Error = error;
    while let Some(deeper) = reason.source() {
        reason = deeper;
    }
    reason.to_string()
}
