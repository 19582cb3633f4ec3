//! How a process recognises itself over TLS: its own tills trust exactly its own certificate, and show it themselves.
//! Looks at no name, issuer or date: the certificate is compared byte by byte, and its key must be there.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use crate::keyring::Keyring;
use crate::signature::{self, Signed};

/// Trusts this process.
#[derive(Debug)]
pub struct OwnServer(Keyring);

/// Is this process.
#[derive(Debug)]
pub struct OwnClient(Keyring);

// === impl OwnServer ===

impl OwnServer {
    pub const fn new(keyring: Keyring) -> Self {
        Self(keyring)
    }
}

impl ServerCertVerifier for OwnServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.0.is_own(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature::verify_tls12(&Signed { message, cert, dss })
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature::verify_tls13(&Signed { message, cert, dss })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        signature::schemes()
    }
}

// === impl OwnClient ===

impl OwnClient {
    pub const fn new(keyring: Keyring) -> Self {
        Self(keyring)
    }
}

impl ResolvesClientCert for OwnClient {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.pair().certified())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
