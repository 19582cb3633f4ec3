//! A certificate for the server's own listener: an authority, one certificate of it, and that one's key.
//! The authority's key is never written, so nothing else can ever be signed with it; a new certificate comes with a new authority.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use chrono::{Datelike, TimeDelta, Utc};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rcgen::{KeyUsagePurpose, date_time_ymd};

use crate::error::SetUpError;
use crate::private;

/// How long a certificate holds.
const YEARS: i64 = 2;

/// Where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// What clients trust.
    pub authority: PathBuf,
    /// What the server shows.
    pub server: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Whether it was made now.
    pub is_new: bool,
}

/// Writes a certificate for these names and addresses into `directory`, unless there is one.
///
/// # Errors
/// A name is no name, or the directory cannot be written.
pub fn write_certificate(directory: &Path, names: &[String]) -> Result<Certificate, SetUpError> {
    private::directory(directory)?;
    let file = |name: &str| directory.join(name);
    let (authority, server, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
    // The authority is written last: without it the others are the rest of a killed run.
    let is_new = private::read(&authority)?.is_none();
    if is_new {
        let made = make(names)?;
        private::write(&key, &made.key)?;
        private::write(&server, &made.server)?;
        private::write(&authority, &made.authority)?;
    }
    Ok(Certificate { authority, server, key, is_new })
}

impl Certificate {
    /// Writes the authority, which is no secret, to where clients read it that must not see the key; whether it was not there.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn publish(&self, copy: &Path) -> Result<bool, SetUpError> {
        let authority = private::read(&self.authority)?.unwrap_or_default();
        if private::read(copy)?.as_deref() == Some(authority.as_str()) {
            return Ok(false);
        }
        if let Some(above) = copy.parent() {
            fs::create_dir_all(above).map_err(SetUpError::io("make", above))?;
        }
        let draft = copy.with_extension("draft");
        fs::write(&draft, authority).map_err(SetUpError::io("write", &draft))?;
        fs::rename(&draft, copy).map_err(SetUpError::io("write", copy))?;
        Ok(true)
    }
}

/// Three texts in PEM. Has no `Debug`: one of them is a key.
struct Made {
    authority: String,
    server: String,
    key: String,
}

fn make(names: &[String]) -> Result<Made, SetUpError> {
    let issuer = CertifiedIssuer::self_signed(authority(), KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let server = server(names)?.signed_by(&key, &issuer)?;
    Ok(Made { authority: issuer.pem(), server: server.pem(), key: key.serialize_pem() })
}

fn authority() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, "authority of one Vault server");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    hold(&mut parameters);
    parameters
}

fn server(names: &[String]) -> Result<CertificateParams, SetUpError> {
    let mut parameters = CertificateParams::new(names.to_vec())?;
    let first = names.iter().find(|name| name.parse::<IpAddr>().is_err()).map_or("vault", String::as_str);
    parameters.distinguished_name.push(DnType::CommonName, first);
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    hold(&mut parameters);
    Ok(parameters)
}

/// From yesterday, because clocks differ.
fn hold(parameters: &mut CertificateParams) {
    let day = |days: i64| {
        let date = (Utc::now() + TimeDelta::days(days)).date_naive();
        let small = |number: u32| u8::try_from(number).expect("a month or a day");
        date_time_ymd(date.year(), small(date.month()), small(date.day()))
    };
    (parameters.not_before, parameters.not_after) = (day(-1), day(365 * YEARS));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_call_leaves_the_certificate_as_it_is_and_the_authoritys_key_is_nowhere() {
        let home = tempfile::tempdir().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];

        let first = write_certificate(home.path(), &names).unwrap();
        let text = || [&first.authority, &first.server, &first.key].map(|file| std::fs::read_to_string(file).unwrap());
        let before = text();
        let second = write_certificate(home.path(), &names).unwrap();

        assert!(first.is_new && !second.is_new);
        assert_eq!(text(), before);
        assert_eq!(before.iter().filter(|pem| pem.contains("PRIVATE KEY")).count(), 1);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 3);
    }

    #[test]
    fn clients_get_the_authority_without_the_key_and_a_newer_one_replaces_it() {
        let home = tempfile::tempdir().unwrap();
        let certificate = write_certificate(&home.path().join("tls"), &["localhost".to_owned()]).unwrap();
        let copy = home.path().join("for-clients/vault-ca.pem");

        assert!(certificate.publish(&copy).unwrap());
        assert!(!certificate.publish(&copy).unwrap());
        std::fs::write(&copy, "of another server").unwrap();
        assert!(certificate.publish(&copy).unwrap());

        assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&certificate.authority).unwrap());
        assert_eq!(std::fs::read_dir(copy.parent().unwrap()).unwrap().count(), 1);
    }
}
