//! A server's certificate with its private key: read, checked against each other, asked how long it still holds.
//! Its `Debug` shows no key, and nothing here writes one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret, SecretString};
use tillstream_messages::IssuedCertificate;
use tokio::time::Instant;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::error::TlsError;
use crate::provider::provider;
use crate::settings::PkiSettings;
use crate::times::date_of;

/// A lifetime's part in which its end is soon, and at most this long before.
const SOON_PART: i32 = 6;
const SOON_AT_MOST: TimeDelta = TimeDelta::days(7);

/// One that an authority has issued is new for this part of its life, and at most this long.
const NEW_PART: u32 = 10;
const NEW_AT_MOST: Duration = Duration::from_secs(60);

/// Certificate and key.
pub struct ServerPair {
    key: Arc<CertifiedKey>,
    serial: String,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
    life: Life,
}

/// By which clock its age is told.
enum Life {
    /// By the wall clock, as with any certificate that lies about.
    Dated,
    /// From the moment of its issue: it was fresh then, whatever the wall clocks of this machine and the authority's say.
    Issued { at: Instant, holds: Duration },
}

// === impl ServerPair ===

impl ServerPair {
    /// The pair of two files.
    ///
    /// # Errors
    /// One of them is broken, or they do not belong together.
    pub fn parse(chain_pem: &[u8], key_pem: &SecretString) -> Result<Self, TlsError> {
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(chain_pem).collect::<Result<_, _>>().map_err(TlsError::unreadable)?;
        let Some(leaf) = chain.first() else {
            return Err(TlsError::Unreadable("it has no section CERTIFICATE".to_owned()));
        };
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(TlsError::unreadable)?;
        let serial = parsed.raw_serial_as_string();
        let validity = parsed.validity();
        let (not_before, not_after) = (date_of(validity.not_before), date_of(validity.not_after));
        let key = PrivateKeyDer::from_pem_slice(key_pem.expose_secret().as_bytes()).map_err(|_| TlsError::Key)?;
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch,
            // Whatever the library says about a key is not repeated.
            _ => TlsError::Key,
        })?;
        Ok(Self { key: Arc::new(key), serial, not_before, not_after, life: Life::Dated })
    }

    /// What an authority has issued this moment, to hold for as long as it was `wanted` or as it says, whichever is shorter.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn issued_now(issued: &IssuedCertificate, wanted: &PkiSettings) -> Result<Self, TlsError> {
        let pair = Self::parse(issued.chain_pem.as_bytes(), &issued.key_pem)?;
        let holds = (pair.not_after - pair.not_before).to_std().unwrap_or_default().min(wanted.ttl);
        Ok(Self { life: Life::Issued { at: Instant::now(), holds }, ..pair })
    }

    /// Its serial number in hexadecimal, as other tools print it.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// When it says itself that it expires.
    pub const fn not_after(&self) -> DateTime<Utc> {
        self.not_after
    }

    /// How long it still holds; negative once it does not.
    pub fn remaining(&self, now: DateTime<Utc>) -> TimeDelta {
        match self.life {
            Life::Dated => self.not_after - now,
            Life::Issued { at, holds } => span(holds) - span(at.elapsed()),
        }
    }

    /// Whether its end is so near that somebody should have replaced it long ago.
    pub fn ends_soon(&self, now: DateTime<Utc>) -> bool {
        let whole = match self.life {
            Life::Dated => self.not_after - self.not_before,
            Life::Issued { holds, .. } => span(holds),
        };
        self.remaining(now) < (whole / SOON_PART).min(SOON_AT_MOST)
    }

    /// When the next one should be asked for: after two thirds of its life. `None` where nobody can be asked.
    pub fn renew_at(&self) -> Option<Instant> {
        match self.life {
            Life::Dated => None,
            Life::Issued { at, holds } => Some(at + holds * 2 / 3),
        }
    }

    /// Whether an authority has issued it so lately that another one would be no better.
    pub fn is_new(&self) -> bool {
        match self.life {
            Life::Dated => false,
            Life::Issued { at, holds } => at.elapsed() < (holds / NEW_PART).min(NEW_AT_MOST),
        }
    }

    /// Whether both are the same certificate, and with it the same key.
    pub fn is_same(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert
    }

    /// Whether this is its certificate.
    pub(crate) fn is_of(&self, certificate: &CertificateDer<'_>) -> bool {
        self.key.cert.first().is_some_and(|own| own == certificate)
    }

    /// As the library wants it.
    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

impl fmt::Debug for ServerPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerPair").field("serial", &self.serial).field("not_after", &self.not_after).finish()
    }
}

fn span(length: Duration) -> TimeDelta {
    TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests;
