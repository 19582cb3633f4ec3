//! TLS of this process: its first certificate before anybody is let in, and the actor that keeps it fresh.
//! Does not listen; the server does.

use std::time::Duration;

use anyhow::Context;
use chrono::SecondsFormat;
use tillstream_messages::{
    HealthBoard, IssueCertificate, IssuedCertificate, Leg, LegState, ReloadCertificate, WallClock,
};
use tillstream_posting::Trust;
use tillstream_supervision::{ActorSpec, Place, Port, SpawnError, Supervisor};
use tillstream_tls::{CertificateSource, KeeperPorts, Keyring, ServerPair, TlsKeeper, TlsSettings, TlsSource};

use super::Shared;
use super::patience::until_it_works;
use super::secrets::Secrets;
use crate::settings::Settings;

/// What this process shows and whom it lets in.
#[derive(Clone)]
pub struct Tls {
    /// What the server uses.
    pub keyring: Keyring,
    source: TlsSource,
    reload: Duration,
}

impl Tls {
    /// The certificate in the files of the settings; `None` where TLS is off or an authority must be asked.
    ///
    /// # Errors
    /// Names what cannot be used and says what to do.
    pub async fn from_files(settings: &TlsSettings) -> anyhow::Result<Option<Self>> {
        if !settings.is_on() || settings.source != CertificateSource::File {
            return Ok(None);
        }
        let source = TlsSource::new(settings, None)?;
        let keyring = Keyring::open(&source, WallClock::default().now()).await.context("read the certificate")?;
        Ok(Some(Self { keyring, source, reload: settings.reload }))
    }

    /// The certificate that an authority has issued this moment; `authority` is asked for the next ones.
    ///
    /// # Errors
    /// Names what cannot be used and says what to do.
    pub async fn issued(
        settings: &TlsSettings,
        first: &IssuedCertificate,
        authority: Port<IssueCertificate>,
    ) -> anyhow::Result<Self> {
        let source = TlsSource::new(settings, Some(authority))?;
        let pair = ServerPair::issued_now(first, &settings.pki).context("read the certificate that was issued")?;
        let keyring = Keyring::begin(pair, &source).await?;
        Ok(Self { keyring, source, reload: settings.reload })
    }

    /// The certificate of the authority behind the secrets, waited for; `None` where none is wanted.
    pub async fn from_authority(settings: &Settings, secrets: &Secrets, board: &HealthBoard) -> Option<Self> {
        let server = secrets.server().filter(|_| settings.tls.is_on())?;
        // They were read, and their actor is not there yet to say so.
        board.set(Leg::Secrets, LegState::Up);
        let issued = until_it_works(Leg::Certificate, settings, board, async || {
            let first = server.issue(&settings.tls.pki.question()).await?;
            Self::issued(&settings.tls, &first, secrets.authority()).await
        });
        Some(issued.await)
    }

    /// Spawns the keeper; whoever holds its port can have it look at once.
    pub fn keep(
        &self,
        root: &Supervisor,
        place: &Place,
        shared: &Shared,
    ) -> Result<Port<ReloadCertificate>, SpawnError> {
        let Self { keyring, source, reload } = self.clone();
        let ports = KeeperPorts { keyring, source, reload, clock: shared.clock.clone(), health: shared.board.clone() };
        let keeper = root.spawn(ActorSpec::new("tls", "tls"), place, move || TlsKeeper::new(ports.clone()))?;
        Ok(keeper.port())
    }
}

/// What a start would find in the files of the certificate, for a person; `None` where there are no files to look at.
///
/// # Errors
/// Names what cannot be used and says what to do.
pub async fn peek(settings: &TlsSettings) -> anyhow::Result<Option<String>> {
    let Some(tls) = Tls::from_files(settings).await? else { return Ok(None) };
    let pair = tls.keyring.pair();
    let end = pair.not_after().to_rfc3339_opts(SecondsFormat::Secs, true);
    Ok(Some(format!("serial {}, holds until {end}", pair.serial())))
}

/// Whom tills of this process believe that it is the service: exactly this process, where they have no other address and are told
/// nothing else.
///
/// # Errors
/// The library refuses.
pub fn pos_trust(settings: &Settings, tls: Option<&Tls>) -> anyhow::Result<Trust> {
    let pos = &settings.pos;
    match tls {
        Some(tls) if pos.url.is_none() && pos.ca_cert.is_none() => {
            let config = tls.keyring.client_config().context("make the TLS configuration of the tills")?;
            Ok(Trust::configured(config))
        }
        _ => Ok(Trust::new(pos.ca_cert.clone(), pos.client_cert.clone())),
    }
}

/// How aggregation believes in a validation that is another process.
pub fn hand_over_trust(settings: &Settings) -> Trust {
    let window = &settings.window;
    Trust::new(window.validation_ca_cert.clone(), window.validation_client_cert.clone())
}
