//! Who is at the other end of a connection, by the certificate that the handshake has verified.
//! Does not verify: it reads only what a finished handshake vouches for.

use chrono::{DateTime, Utc};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::error::TlsError;
use crate::times::date_of;

/// The client of a connection, as its verified certificate names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Its alternative names in the order of the certificate: host names, URIs, mail addresses. None for this process itself.
    pub names: Vec<String>,
    /// When the certificate stops to hold. The handshake looked at that; a connection may live longer.
    pub expires_at: DateTime<Utc>,
}

impl PeerCertificate {
    /// What a verified certificate (DER) says.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn read(certificate: &[u8]) -> Result<Self, TlsError> {
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(TlsError::unreadable)?;
        Ok(Self { names: names_of(&parsed)?, expires_at: date_of(parsed.validity().not_after) })
    }

    /// Whether it still speaks for its holder, who may have connected long ago.
    pub fn holds_at(&self, now: DateTime<Utc>) -> bool {
        now <= self.expires_at
    }
}

/// Addresses are left out: where somebody connects from is not who it is.
fn names_of(certificate: &X509Certificate<'_>) -> Result<Vec<String>, TlsError> {
    let extension = certificate.subject_alternative_name().map_err(TlsError::unreadable)?;
    let Some(extension) = extension else { return Ok(Vec::new()) };
    let name = |name: &GeneralName<'_>| match *name {
        GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) => Some(text.to_owned()),
        _ => None,
    };
    Ok(extension.value.general_names.iter().filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    #[test]
    fn a_peer_is_known_by_host_names_uris_and_mail_addresses_and_not_by_addresses() {
        let mut params = CertificateParams::new(["till-7.example.com".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI("spiffe://shop/till/7".try_into().unwrap()));
        params.subject_alt_names.push(SanType::Rfc822Name("till7@example.com".try_into().unwrap()));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let peer = PeerCertificate::read(certificate.der()).unwrap();
        assert_eq!(peer.names, ["till-7.example.com", "spiffe://shop/till/7", "till7@example.com"]);
    }

    #[test]
    fn a_certificate_without_alternative_names_names_nobody() {
        let params = CertificateParams::new([]).unwrap();
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        assert!(PeerCertificate::read(certificate.der()).unwrap().names.is_empty());
        assert!(PeerCertificate::read(b"no certificate").is_err());
    }

    #[test]
    fn a_certificate_speaks_for_its_holder_until_it_expires() {
        let expires_at = Utc::now();
        let peer = PeerCertificate { names: Vec::new(), expires_at };
        assert!(peer.holds_at(expires_at));
        assert!(!peer.holds_at(expires_at + chrono::TimeDelta::seconds(1)));
    }
}
