//! What the port shows and whom it lets in, shared by every worker and exchanged while connections go on.
//! Does not look for anything newer; the keeper does.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use chrono::{DateTime, TimeDelta, Utc};
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig, ServerConnection};
use tracing::{info, warn};

use crate::clients::ClientRoots;
use crate::door::ClientDoor;
use crate::error::TlsError;
use crate::itself::{OwnClient, OwnServer};
use crate::pair::ServerPair;
use crate::peer::PeerCertificate;
use crate::provider::{VERSIONS, provider};
use crate::source::TlsSource;

/// The pair in use and the authorities in use. Clones share them.
#[derive(Debug, Clone)]
pub struct Keyring(Arc<Ring>);

#[derive(Debug)]
struct Ring {
    pair: ArcSwap<ServerPair>,
    /// A handshake of this process with itself may have begun with it.
    before: ArcSwapOption<ServerPair>,
    clients: ArcSwapOption<ClientRoots>,
}

// === impl Keyring ===

impl Keyring {
    /// The first pair and the first authorities; without them nobody may listen.
    ///
    /// # Errors
    /// Names what cannot be used.
    pub async fn open(source: &TlsSource, now: DateTime<Utc>) -> Result<Self, TlsError> {
        let pair = source.pair().await?;
        if pair.remaining(now) <= TimeDelta::zero() {
            return Err(TlsError::Expired(pair.not_after()));
        }
        Self::begin(pair, source).await
    }

    /// The same with a first pair that came another way, such as by a login that nobody else could use yet.
    ///
    /// # Errors
    /// Names what cannot be used.
    pub async fn begin(pair: ServerPair, source: &TlsSource) -> Result<Self, TlsError> {
        let clients = source.clients().await?;
        info!(tls.serial = pair.serial(), tls.expires_at = %pair.not_after(), "certificate read");
        Ok(Self::new(pair, clients))
    }

    pub(crate) fn new(pair: ServerPair, clients: Option<ClientRoots>) -> Self {
        let clients = ArcSwapOption::from_pointee(clients);
        Self(Arc::new(Ring { pair: ArcSwap::from_pointee(pair), before: ArcSwapOption::empty(), clients }))
    }

    /// The pair that new connections see.
    pub fn pair(&self) -> Arc<ServerPair> {
        self.0.pair.load_full()
    }

    /// New connections see this pair from now on.
    pub(crate) fn exchange(&self, pair: ServerPair) {
        let before = self.0.pair.swap(Arc::new(pair));
        self.0.before.store(Some(before));
    }

    /// Who may connect; `None` where anybody may.
    pub(crate) fn clients(&self) -> Option<Arc<ClientRoots>> {
        self.0.clients.load_full()
    }

    /// New connections are judged by these from now on.
    pub(crate) fn exchange_clients(&self, clients: ClientRoots) {
        self.0.clients.store(Some(Arc::new(clients)));
    }

    /// Whether this is the process's own certificate, or was until a moment ago.
    pub(crate) fn is_own(&self, certificate: &CertificateDer<'_>) -> bool {
        let is_before = self.0.before.load().as_ref().is_some_and(|pair| pair.is_of(certificate));
        self.0.pair.load().is_of(certificate) || is_before
    }

    /// What a server needs: the pair in use at each handshake, TLS 1.2 or 1.3.
    ///
    /// # Errors
    /// The library refuses.
    pub fn server_config(&self) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(&VERSIONS).map_err(TlsError::refused)?;
        let resolver = Arc::new(self.clone());
        if self.0.clients.load().is_none() {
            return Ok(builder.with_no_client_auth().with_cert_resolver(resolver));
        }
        let door = Arc::new(ClientDoor::new(self.clone()));
        let mut config = builder.with_client_cert_verifier(door).with_cert_resolver(resolver);
        // A resumed session would repeat what an earlier handshake found, with authorities that may be gone.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// What a client in this process needs to speak with this process: it trusts exactly the pair in use, whatever its names
    /// and issuer are, and shows the same pair where a certificate is asked for.
    ///
    /// # Errors
    /// The library refuses.
    pub fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(&VERSIONS).map_err(TlsError::refused)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(OwnServer::new(self.clone())));
        Ok(builder.with_client_cert_resolver(Arc::new(OwnClient::new(self.clone()))))
    }

    /// Who is at the other end; `None` where nobody was asked for a certificate.
    pub fn peer_of(&self, connection: &ServerConnection) -> Option<PeerCertificate> {
        let certificate = connection.peer_certificates()?.first()?;
        match PeerCertificate::read(certificate) {
            // A client of this process is known by its password, as everywhere else.
            Ok(peer) if self.is_own(certificate) => Some(PeerCertificate { names: Vec::new(), ..peer }),
            Ok(peer) => Some(peer),
            Err(reason) => {
                warn!(%reason, "a client's verified certificate cannot be read, it names nobody");
                None
            }
        }
    }
}

impl ResolvesServerCert for Keyring {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.pair.load().certified())
    }
}

#[cfg(test)]
mod tests;
