//! Which clients may connect: the authorities that vouch for them, and what these have taken back.
//! Does not know what a client may do; that is its role.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::error::TlsError;
use crate::files::ClientFiles;
use crate::provider::provider;

/// A verifier of one reading of the files.
pub struct ClientRoots {
    /// What it was made of, to see whether the files say something else.
    texts: Texts,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// The files' contents; certificates and lists are no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// Of the authorities.
    pub authorities: Vec<u8>,
    /// Of what they have taken back.
    pub revoked: Option<Vec<u8>>,
}

// === impl ClientRoots ===

impl ClientRoots {
    /// A verifier that trusts these authorities.
    ///
    /// # Errors
    /// A file holds something else.
    pub fn parse(texts: Texts, files: &ClientFiles) -> Result<Self, TlsError> {
        let broken = |reason: String| TlsError::Certificates { file: files.authorities.clone(), reason };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&texts.authorities) {
            let certificate = certificate.map_err(|error| broken(error.to_string()))?;
            roots.add(certificate).map_err(|error| broken(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(broken("it has no section CERTIFICATE".to_owned()));
        }
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        if let Some(text) = &texts.revoked {
            // Only the client itself is looked up: one list per authority is what authorities publish.
            builder = builder.with_crls(revocations(text, files)?).only_check_end_entity_revocation();
        }
        let verifier = builder.build().map_err(TlsError::refused)?;
        Ok(Self { texts, verifier })
    }

    /// Whether the files say the same.
    pub fn is_same(&self, other: &Self) -> bool {
        self.texts == other.texts
    }

    /// As the library wants it.
    pub(crate) fn verifier(&self) -> &dyn ClientCertVerifier {
        &*self.verifier
    }
}

impl fmt::Debug for ClientRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRoots").finish_non_exhaustive()
    }
}

/// A file without a list would take back nothing in silence.
fn revocations(text: &[u8], files: &ClientFiles) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let broken = |reason: String| TlsError::Revocations { file: files.revoked.clone().unwrap_or_default(), reason };
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(text).collect();
    let lists = lists.map_err(|error| broken(error.to_string()))?;
    if lists.is_empty() { Err(broken("it has no section X509 CRL".to_owned())) } else { Ok(lists) }
}
