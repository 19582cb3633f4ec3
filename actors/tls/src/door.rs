//! Verifies clients by the authorities that are in use at that moment.
//! Lets nobody in without a certificate.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::keyring::Keyring;
use crate::signature::{self, Signed};

/// A verifier whose authorities can be exchanged.
#[derive(Debug)]
pub struct ClientDoor(Keyring);

// === impl ClientDoor ===

impl ClientDoor {
    pub const fn new(keyring: Keyring) -> Self {
        Self(keyring)
    }
}

impl ClientCertVerifier for ClientDoor {
    /// None: the list would be fixed for as long as the port is open. A client then shows what it has.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.0.is_own(end_entity) {
            return Ok(ClientCertVerified::assertion());
        }
        let clients = self.0.clients().ok_or_else(|| Error::General("no authority is known".to_owned()))?;
        clients.verifier().verify_client_cert(end_entity, intermediates, now)
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
