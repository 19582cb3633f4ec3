//! Whom a client believes that it is the service, and what it shows of itself.
//! Reads its files once; a client that is built keeps what they said.

use std::path::{Path, PathBuf};

use reqwest::{Certificate, Client, ClientBuilder, Identity, Url, redirect};
use rustls::ClientConfig;

/// How a client speaks TLS; by default it believes whom the system believes and shows nothing.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Authorities in PEM that are believed instead of the system's.
    pub ca_cert: Option<PathBuf>,
    /// A certificate with its private key in PEM that is shown where the service asks for one.
    pub client_cert: Option<PathBuf>,
    configured: Option<ClientConfig>,
}

/// Why a client cannot speak TLS like this.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be read.
    #[error("cannot read `{}`: {error}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file with something else in it.
    #[error("`{}` holds no authority's certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// A file with something else in it; what stands there is not repeated.
    #[error("`{}` must hold a certificate and its unencrypted private key in PEM", .0.display())]
    NoIdentity(PathBuf),
}

impl Trust {
    /// By these files, where they are named.
    pub const fn new(ca_cert: Option<PathBuf>, client_cert: Option<PathBuf>) -> Self {
        Self { ca_cert, client_cert, configured: None }
    }

    /// By whoever made this configuration.
    pub const fn configured(config: ClientConfig) -> Self {
        Self { ca_cert: None, client_cert: None, configured: Some(config) }
    }

    /// A client for a service that is named by its own address: no proxy, and no redirect (it would turn a POST into a GET).
    ///
    /// # Errors
    /// A file cannot be used.
    pub fn client(&self, url: &Url) -> Result<ClientBuilder, TrustError> {
        // The library wants one even where it is not used; an error says that it is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none());
        if let Some(config) = &self.configured {
            return Ok(client.tls_backend_preconfigured(config.clone()));
        }
        let client = match &self.client_cert {
            Some(file) => client.identity(identity(file)?),
            None => client,
        };
        match &self.ca_cert {
            Some(file) => Ok(client.tls_certs_only(authorities(file)?)),
            None if url.scheme() == "https" => Ok(client),
            // Without TLS the system's authorities need not be read.
            None => Ok(client.tls_certs_only([])),
        }
    }
}

fn authorities(file: &Path) -> Result<Vec<Certificate>, TrustError> {
    let broken = || TrustError::NoCertificate(file.to_owned());
    let certificates = Certificate::from_pem_bundle(&read(file)?).map_err(|_| broken())?;
    if certificates.is_empty() { Err(broken()) } else { Ok(certificates) }
}

fn identity(file: &Path) -> Result<Identity, TrustError> {
    Identity::from_pem(&read(file)?).map_err(|_| TrustError::NoIdentity(file.to_owned()))
}

fn read(file: &Path) -> Result<Vec<u8>, TrustError> {
    std::fs::read(file).map_err(|error| TrustError::File { file: file.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_for_test(ca_cert: Option<&str>, client_cert: Option<&str>) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let trust = Trust::new(ca_cert.map(|text| write("ca", text)), client_cert.map(|text| write("client", text)));
        let client = trust.client(&"https://h".parse().unwrap()).map_err(|error| error.to_string())?;
        client.build().map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn a_client_believes_an_authority_and_shows_a_certificate_of_its_own() {
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::new(["till".to_owned()]).unwrap().self_signed(&key).unwrap();
        let pair = own.pem() + &key.serialize_pem();
        assert_eq!(client_for_test(Some(&own.pem()), Some(&pair)), Ok(()));
    }

    #[test]
    fn a_file_with_something_else_is_named_and_not_repeated() {
        assert!(client_for_test(Some("nothing"), None).unwrap_err().contains("holds no authority's certificate"));
        let error = client_for_test(None, Some("no key")).unwrap_err();
        assert!(error.contains("must hold a certificate and its unencrypted private key") && !error.contains("no key"));
        let missing = Trust::new(Some("nowhere".into()), None).client(&"https://h".parse().unwrap());
        assert!(missing.unwrap_err().to_string().contains("nowhere"));
    }
}
