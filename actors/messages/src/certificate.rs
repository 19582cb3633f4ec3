//! A server certificate of a public key infrastructure that somebody else holds: who wants one and what comes back.
//! Knows neither that somebody nor TLS.

use std::net::IpAddr;
use std::time::Duration;

use actix::Message;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Serialize;

/// Question: a fresh certificate and key for this server.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<IssuedCertificate, CertificateError>")]
pub struct IssueCertificate {
    /// Where the authority is mounted, such as `pki`.
    pub mount: String,
    /// The authority's role that allows these names.
    pub role: String,
    /// The first name.
    pub common_name: String,
    /// Further names.
    pub alt_names: Vec<String>,
    /// Addresses.
    pub ip_sans: Vec<IpAddr>,
    /// How long it is to hold.
    pub ttl: Duration,
}

/// A certificate as the authority gave it.
#[derive(Debug, Clone)]
pub struct IssuedCertificate {
    /// The server's certificate first, then those above it, in PEM.
    pub chain_pem: String,
    /// The private key in PEM.
    pub key_pem: SecretString,
    /// When it stops to hold.
    pub expires_at: DateTime<Utc>,
}

/// Why there is no certificate; the one in use stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CertificateError(pub String);

/// Order: look for another certificate of this server now instead of at the next reload. Where an authority issues it, that is
/// a new one, unless the one in use is hardly older than the question.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<CertificateReloaded, CertificateError>")]
pub struct ReloadCertificate;

/// What a reload found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateReloaded {
    /// Whether new connections see another certificate, or clients are judged by other authorities, from now on.
    pub changed: bool,
    /// The serial number of the certificate in use, in hexadecimal.
    pub serial: String,
    /// When it stops to hold.
    pub expires_at: DateTime<Utc>,
}
