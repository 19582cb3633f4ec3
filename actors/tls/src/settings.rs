//! The `[tls]` section: whether the HTTP port is encrypted, where the certificate comes from and who may connect.
//! Holds no key; keys stand in the files that it names or come from the authority.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tillstream_domain::UserRole;
use tillstream_messages::IssueCertificate;

/// Whether connections are encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Plain HTTP.
    #[default]
    Off,
    /// The server shows a certificate.
    On,
    /// Both sides do: nobody gets past the handshake without a certificate of ours, health checks and metrics included.
    Mutual,
}

/// Where the server's certificate comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CertificateSource {
    /// Two PEM files, read again when they change.
    #[default]
    File,
    /// An authority that issues it, and the next one at two thirds of its lifetime.
    Pki,
}

/// Section `[tls]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// Whether connections are encrypted.
    pub mode: Mode,
    /// Where the server's certificate comes from.
    pub source: CertificateSource,
    /// The server's certificate in PEM, followed by those above it.
    pub certificate: Option<PathBuf>,
    /// Its private key in PEM, in any usual form.
    pub key: Option<PathBuf>,
    /// The authorities in PEM whose clients may connect.
    pub client_ca: Option<PathBuf>,
    /// Certificates in PEM that these authorities have taken back; with it, no client of an authority that it does not cover.
    pub client_crl: Option<PathBuf>,
    /// Roles by alternative name of a client's certificate; a client with another name is a user like any other.
    pub clients: BTreeMap<String, String>,
    /// A changed file is in use within this time.
    #[serde(with = "humantime_serde")]
    pub reload: Duration,
    /// A client must finish its handshake within this time.
    #[serde(with = "humantime_serde")]
    pub handshake_timeout: Duration,
    /// Handshakes under way at the same time per worker; more wait.
    pub max_handshakes: usize,
    /// What the authority is asked for.
    pub pki: PkiSettings,
}

/// Section `[tls.pki]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PkiSettings {
    /// Where the authority is mounted.
    pub mount: String,
    /// The authority's role that allows these names.
    pub role: String,
    /// The first name.
    pub common_name: String,
    /// Further names.
    pub alt_names: Vec<String>,
    /// Addresses.
    pub ip_sans: Vec<IpAddr>,
    /// How long a certificate is to hold.
    #[serde(with = "humantime_serde")]
    pub ttl: Duration,
}

/// A `[tls]` section that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTls {
    /// A key that this mode needs.
    #[error("`{0}` must be set with `tls.mode` and `tls.source` as they are")]
    Missing(&'static str),
    /// A mapping to nothing.
    #[error("`tls.clients` gives `{name}` the role `{role}`, which does not exist")]
    UnknownRole {
        /// Whose.
        name: String,
        /// What it says.
        role: String,
    },
    /// A mapping that nobody can use.
    #[error("`tls.clients` needs `tls.mode = \"mutual\"`: no client shows a certificate otherwise")]
    ClientsWithoutMutual,
    /// A time that must pass.
    #[error("`{0}` must be above zero")]
    Zero(&'static str),
}

// === impl TlsSettings ===

impl TlsSettings {
    /// Whether connections are encrypted.
    pub fn is_on(&self) -> bool {
        self.mode != Mode::Off
    }

    /// Whether clients must show a certificate.
    pub fn is_mutual(&self) -> bool {
        self.mode == Mode::Mutual
    }

    /// What serde cannot see.
    ///
    /// # Errors
    /// Names the key and what to do.
    pub fn check(&self) -> Result<(), InvalidTls> {
        self.check_clients()?;
        if !self.is_on() {
            return Ok(());
        }
        let from_files = self.source == CertificateSource::File;
        let needed = [
            ("tls.certificate", self.certificate.is_some() || !from_files),
            ("tls.key", self.key.is_some() || !from_files),
            ("tls.pki.common_name", !self.pki.common_name.is_empty() || from_files),
            ("tls.client_ca", self.client_ca.is_some() || !self.is_mutual()),
        ];
        if let Some((key, _)) = needed.into_iter().find(|(_, is_set)| !is_set) {
            return Err(InvalidTls::Missing(key));
        }
        let times = [
            ("tls.reload", self.reload.is_zero()),
            ("tls.handshake_timeout", self.handshake_timeout.is_zero()),
            ("tls.max_handshakes", self.max_handshakes == 0),
            ("tls.pki.ttl", self.pki.ttl.is_zero()),
        ];
        times.into_iter().find(|(_, is_zero)| *is_zero).map_or(Ok(()), |(key, _)| Err(InvalidTls::Zero(key)))
    }

    fn check_clients(&self) -> Result<(), InvalidTls> {
        if !self.clients.is_empty() && !self.is_mutual() {
            return Err(InvalidTls::ClientsWithoutMutual);
        }
        match self.clients.iter().find(|(_, role)| UserRole::parse(role).is_none()) {
            Some((name, role)) => Err(InvalidTls::UnknownRole { name: name.clone(), role: role.clone() }),
            None => Ok(()),
        }
    }
}

// === impl PkiSettings ===

impl PkiSettings {
    /// The question for a certificate like this.
    pub fn question(&self) -> IssueCertificate {
        let Self { mount, role, common_name, alt_names, ip_sans, ttl } = self.clone();
        IssueCertificate { mount, role, common_name, alt_names, ip_sans, ttl }
    }
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            mode: Mode::Off,
            source: CertificateSource::File,
            certificate: None,
            key: None,
            client_ca: None,
            client_crl: None,
            clients: BTreeMap::new(),
            reload: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(2),
            max_handshakes: 2_048,
            pki: PkiSettings::default(),
        }
    }
}

impl Default for PkiSettings {
    fn default() -> Self {
        Self {
            mount: "pki".to_owned(),
            role: "tillstream".to_owned(),
            common_name: String::new(),
            alt_names: Vec::new(),
            ip_sans: Vec::new(),
            ttl: Duration::from_secs(24 * 3_600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_for_test(text: &str) -> Result<(), InvalidTls> {
        toml::from_str::<TlsSettings>(text).unwrap().check()
    }

    #[test]
    fn what_a_mode_needs_must_be_there() {
        let missing = |key| Err(InvalidTls::Missing(key));
        assert_eq!(check_for_test(""), Ok(()));
        assert_eq!(check_for_test("mode = 'on'"), missing("tls.certificate"));
        assert_eq!(check_for_test("mode = 'on'\ncertificate = 'c'"), missing("tls.key"));
        assert_eq!(check_for_test("mode = 'on'\ncertificate = 'c'\nkey = 'k'"), Ok(()));
        assert_eq!(check_for_test("mode = 'mutual'\ncertificate = 'c'\nkey = 'k'"), missing("tls.client_ca"));
        assert_eq!(check_for_test("mode = 'mutual'\ncertificate = 'c'\nkey = 'k'\nclient_ca = 'a'"), Ok(()));
        assert_eq!(check_for_test("mode = 'on'\nsource = 'pki'"), missing("tls.pki.common_name"));
        assert_eq!(check_for_test("mode = 'on'\nsource = 'pki'\npki.common_name = 'n'"), Ok(()));
    }

    #[test]
    fn a_client_gets_a_role_that_exists_and_only_where_clients_show_certificates() {
        let mutual = "mode = 'mutual'\ncertificate = 'c'\nkey = 'k'\nclient_ca = 'a'\n";
        assert_eq!(check_for_test(&format!("{mutual}clients = {{ 'till-7' = 'pos' }}")), Ok(()));
        let unknown = check_for_test(&format!("{mutual}clients = {{ 'till-7' = 'cook' }}")).unwrap_err();
        assert_eq!(unknown.to_string(), "`tls.clients` gives `till-7` the role `cook`, which does not exist");
        assert_eq!(check_for_test("clients = { 'till-7' = 'pos' }"), Err(InvalidTls::ClientsWithoutMutual));
    }

    #[test]
    fn a_time_of_zero_is_refused() {
        let files = "mode = 'on'\ncertificate = 'c'\nkey = 'k'\n";
        assert_eq!(check_for_test(&format!("{files}reload = '0s'")), Err(InvalidTls::Zero("tls.reload")));
        assert_eq!(check_for_test(&format!("{files}max_handshakes = 0")), Err(InvalidTls::Zero("tls.max_handshakes")));
    }
}
