//! Why a certificate, a key or a list of authorities cannot be used.
//! Never holds a key's text.

use std::fmt::Display;
use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::settings::InvalidTls;

/// What is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read `{}`: {reason}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A pair that cannot be used.
    #[error("`{}` with key `{}`: {error}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        error: Box<TlsError>,
    },
    /// Bytes that are not what they should be.
    #[error("the certificate cannot be read: {0}")]
    Unreadable(String),
    /// A file with something else in it.
    #[error("`{}` is no list of certificates in PEM: {reason}", file.display())]
    Certificates {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file with something else in it.
    #[error("`{}` is no list of revoked certificates in PEM: {reason}", file.display())]
    Revocations {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// Its text is not repeated.
    #[error("the private key cannot be used: it must be an unencrypted key in PEM")]
    Key,
    /// Two files of different pairs, such as half a rotation.
    #[error("certificate and key do not belong together: replace both")]
    Mismatch,
    /// Too late.
    #[error("the certificate has expired ({}): replace it", .0.to_rfc3339_opts(SecondsFormat::Secs, true))]
    Expired(DateTime<Utc>),
    /// The library says no.
    #[error("certificates cannot be used: {0}")]
    Refused(String),
    /// The authority gave none.
    #[error("no certificate from the authority: {0}")]
    Authority(String),
    /// Settings that cannot be followed.
    #[error(transparent)]
    Settings(#[from] InvalidTls),
    /// Settings ask for an authority, and there is none to ask.
    #[error("`tls.source = \"pki\"` needs secrets from a server that issues certificates: run with `--secrets vault`")]
    NoAuthority,
}

impl TlsError {
    /// Of something that a parser did not like.
    pub(crate) fn unreadable(reason: impl Display) -> Self {
        Self::Unreadable(reason.to_string())
    }

    /// Of something that the library did not like.
    pub(crate) fn refused(reason: impl Display) -> Self {
        Self::Refused(reason.to_string())
    }
}
