//! An authority and a certificate of it for the loopback address, made for one server.
//! The authority's key is forgotten; nothing else is ever signed with it.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// The authority's certificate: what a client has to trust.
pub const AUTHORITY: &str = "ca.pem";
/// The server's certificate.
pub const CERTIFICATE: &str = "server.pem";
/// Its key.
pub const KEY: &str = "server.key";

/// Writes all three into `directory`.
pub fn write(directory: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    fs::write(directory.join(AUTHORITY), issuer.pem()).unwrap();
    fs::write(directory.join(CERTIFICATE), certificate.pem()).unwrap();
    fs::write(directory.join(KEY), key.serialize_pem()).unwrap();
}
