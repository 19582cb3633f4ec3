//! How a call failed: told apart by status codes and types, never by the texts of a server.
//! Keeps nothing of an answer's body, in which a secret may stand.

use std::error::Error;
use std::io;

use rustify::errors::ClientError as TransportError;

use super::transport::TooLarge;

/// Why a call brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The server answered with this status.
    Status(u16),
    /// It did not answer in time.
    Timeout,
    /// No connection, or it broke; the innermost cause.
    Connection(String),
    /// The server's certificate is not believed; what is wrong with it.
    Certificate(String),
    /// An answer of another form than this API has.
    Answer,
    /// An answer longer than any of this API.
    TooLarge,
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::ServerResponseError { code, .. } => Self::Status(code),
            TransportError::ResponseError { source } if source.is::<TooLarge>() => Self::TooLarge,
            TransportError::RequestError { source, .. } | TransportError::ResponseError { source } => {
                Self::of_transport(source.as_ref())
            }
            _ => Self::Answer,
        }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Self::of_transport(&error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(_: serde_json::Error) -> Self {
        Self::Answer
    }
}

// === impl Failure ===

impl Failure {
    fn of_transport(error: &(dyn Error + 'static)) -> Self {
        let causes = || std::iter::successors(Some(error), |&cause| cause.source());
        let timed_out = |cause: &(dyn Error + 'static)| cause.downcast_ref().is_some_and(reqwest::Error::is_timeout);
        if causes().any(timed_out) {
            return Self::Timeout;
        }
        if let Some(reason) = causes().find_map(certificate) {
            return Self::Certificate(reason);
        }
        Self::Connection(causes().last().unwrap_or(error).to_string())
    }
}

/// What TLS says of the server's certificate. I/O errors carry what they are made of beside the chain of causes, one in another.
fn certificate(cause: &(dyn Error + 'static)) -> Option<String> {
    if let Some(within) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return certificate(within);
    }
    match cause.downcast_ref()? {
        rustls::Error::InvalidCertificate(reason) => Some(reason.to_string()),
        _ => None,
    }
}
