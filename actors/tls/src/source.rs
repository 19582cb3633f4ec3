//! Where certificates come from: files, or an authority behind a port; and where it stands which clients may connect.
//! Does not decide when to look and keeps nothing.

use std::time::Duration;

use tillstream_messages::IssueCertificate;
use tillstream_supervision::Port;

use crate::clients::ClientRoots;
use crate::error::TlsError;
use crate::files::{ClientFiles, PairFiles};
use crate::pair::ServerPair;
use crate::settings::{CertificateSource, InvalidTls, PkiSettings, TlsSettings};

/// An authority that has not answered by then is away.
const ISSUE_WITHIN: Duration = Duration::from_secs(15);

/// Where to look.
#[derive(Debug, Clone)]
pub struct TlsSource {
    origin: Origin,
    clients: Option<ClientFiles>,
}

#[derive(Debug, Clone)]
enum Origin {
    Files(PairFiles),
    Authority { port: Port<IssueCertificate>, wanted: PkiSettings },
}

// === impl TlsSource ===

impl TlsSource {
    /// What the settings say; with `authority` where there is one to ask.
    ///
    /// # Errors
    /// The settings ask for more than there is.
    pub fn new(settings: &TlsSettings, authority: Option<Port<IssueCertificate>>) -> Result<Self, TlsError> {
        let origin = match settings.source {
            CertificateSource::File => Origin::Files(PairFiles {
                certificate: settings.certificate.clone().ok_or(InvalidTls::Missing("tls.certificate"))?,
                key: settings.key.clone().ok_or(InvalidTls::Missing("tls.key"))?,
            }),
            CertificateSource::Pki => {
                Origin::Authority { port: authority.ok_or(TlsError::NoAuthority)?, wanted: settings.pki.clone() }
            }
        };
        let revoked = settings.client_crl.clone();
        let clients = settings.client_ca.clone().filter(|_| settings.is_mutual());
        let clients = clients.map(|authorities| ClientFiles { authorities, revoked });
        Ok(Self { origin, clients })
    }

    /// Whether somebody is asked for a certificate, which is a new one with every asking.
    pub const fn is_authority(&self) -> bool {
        matches!(self.origin, Origin::Authority { .. })
    }

    /// The server's certificate and key.
    ///
    /// # Errors
    /// There is none that can be used.
    pub async fn pair(&self) -> Result<ServerPair, TlsError> {
        match &self.origin {
            Origin::Files(files) => files.read().await,
            Origin::Authority { port, wanted } => issue(port, wanted).await,
        }
    }

    /// Who may connect; `None` where anybody may.
    ///
    /// # Errors
    /// The files cannot be used.
    pub async fn clients(&self) -> Result<Option<ClientRoots>, TlsError> {
        match &self.clients {
            Some(files) => files.read().await.map(Some),
            None => Ok(None),
        }
    }
}

async fn issue(port: &Port<IssueCertificate>, wanted: &PkiSettings) -> Result<ServerPair, TlsError> {
    let answer = port.ask(wanted.question(), ISSUE_WITHIN).await;
    let issued = answer.map_err(|error| TlsError::Authority(error.to_string()))?;
    ServerPair::issued_now(&issued.map_err(|error| TlsError::Authority(error.to_string()))?, wanted)
}
