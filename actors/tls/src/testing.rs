//! Certificates made for one test and kept nowhere.
//! Not part of the room: nothing here is built outside tests.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use secrecy::SecretString;
use tillstream_messages::IssuedCertificate;

use crate::pair::ServerPair;

/// An authority.
pub struct Authority {
    /// Its certificate.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Certificate and key in PEM.
pub struct Pair {
    /// The certificate.
    pub chain: String,
    /// The key.
    pub key: String,
    /// By which it can be told from others.
    pub serial: u64,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate of this name that holds for an hour from now.
    pub fn issue(&self, name: &str) -> Pair {
        self.issue_until(name, Utc::now() + Duration::from_secs(3_600))
    }

    pub fn issue_until(&self, name: &str, end: DateTime<Utc>) -> Pair {
        let serial = fastrand::u64(1..u64::MAX / 2);
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = (std::time::SystemTime::now() - Duration::from_secs(60)).into();
        params.not_after = std::time::SystemTime::from(end).into();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { chain, key: key.serialize_pem(), serial }
    }

    /// The list in PEM that takes back these serial numbers.
    pub fn revoke(&self, serials: &[u64]) -> String {
        let now: std::time::SystemTime = std::time::SystemTime::now();
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: now.into(),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: now.into(),
            next_update: (now + Duration::from_secs(3_600)).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

impl Pair {
    pub fn parse(&self) -> ServerPair {
        ServerPair::parse(self.chain.as_bytes(), &self.key.clone().into()).unwrap()
    }

    /// As an authority behind a port gives it.
    pub fn issued(&self) -> IssuedCertificate {
        let key_pem = SecretString::from(self.key.clone());
        IssuedCertificate { chain_pem: self.chain.clone(), key_pem, expires_at: Utc::now() }
    }
}

/// A section of PEM.
pub fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
