//! Whether whoever shows a certificate has its key; the same for clients and servers.
//! Does not judge the certificate.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::CertificateDer;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use crate::provider::provider;

/// A signature of a handshake.
pub struct Signed<'a> {
    pub message: &'a [u8],
    pub cert: &'a CertificateDer<'a>,
    pub dss: &'a DigitallySignedStruct,
}

pub fn verify_tls12(signed: &Signed<'_>) -> Result<HandshakeSignatureValid, Error> {
    let algorithms = provider().signature_verification_algorithms;
    verify_tls12_signature(signed.message, signed.cert, signed.dss, &algorithms)
}

pub fn verify_tls13(signed: &Signed<'_>) -> Result<HandshakeSignatureValid, Error> {
    let algorithms = provider().signature_verification_algorithms;
    verify_tls13_signature(signed.message, signed.cert, signed.dss, &algorithms)
}

pub fn schemes() -> Vec<SignatureScheme> {
    provider().signature_verification_algorithms.supported_schemes()
}
